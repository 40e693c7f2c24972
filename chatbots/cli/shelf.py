"""What `sessions` does with the conversations in a store."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Awaitable, Callable, Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Final

import anyio
import msgspec

from chatbots.cli.outcome import FAILED, OK, tell
from chatbots.cli.session_files import from_json, to_json, to_markdown
from chatbots.cli.session_lines import asked_in, counted, cut, found, listed, shown, told
from chatbots.cli.sessions import Flags
from chatbots.errors import ConfigurationError, InvalidRequest
from chatbots.messages import SessionId, Turn, check_session
from chatbots.settings import Settings
from chatbots.stores import Store, store_of
from chatbots.telemetry import new_session_id
from chatbots.terminal.streams import forget_typed, read_line, read_whole, write

NEAR: Final = 1000
"""Sessions, the newest, whose names are looked through for one that was meant."""


async def look_after(flags: Flags, settings: Settings) -> int:
    """Do what the flags say with the conversations of *settings*; return the exit status."""
    store = store_of(settings)
    try:
        return await obey(store, flags)
    finally:
        with anyio.CancelScope(shield=True):
            await store.aclose()


async def obey(store: Store, flags: Flags) -> int:
    """Do what the flags say with the conversations in *store*; return the exit status."""
    try:
        return await _ACTIONS[flags.action](store, flags)
    except InvalidRequest as error:
        if error.code == "session_not_found":
            error.hint = await _meant(store, flags)
        raise


async def _list(store: Store, flags: Flags) -> int:
    sessions = await store.sessions(limit=flags.limit)
    if flags.json:
        return await _print_json(sessions)
    if not sessions:
        tell("No conversation is kept yet.")
    return await _print(listed(sessions))


async def _show(store: Store, flags: Flags) -> int:
    turns = await _turns(store, flags.name, last=flags.last)
    if flags.json:
        rows = [
            {
                "request_id": turn.request_id,
                "state": turn.state,
                "user": asked_in(turn),
                "answer": turn.text,
                "usage": turn.usage,
                "seq": turn.seq,
                "reason": turn.reason,
                "began_at": turn.began_at,
                "pinned": turn.pinned,
            }
            for turn in turns
        ]
        return await _print_json([{"session": flags.name, "turns": rows}])
    return await _print(told(turns), cutting=False)


async def _search(store: Store, flags: Flags) -> int:
    if flags.session is not None:
        await _turns(store, flags.session, last=1)
    text = " ".join(flags.words)
    places = await store.search(text, session=flags.session, limit=flags.limit or 50)
    if flags.json:
        return await _print_json(places)
    if not places:
        tell("Nothing was said like that.")
    return await _print(found(places))


async def _rename(store: Store, flags: Flags) -> int:
    to = _new(flags.to)
    await store.rename(flags.name, to)
    tell(f"{shown(flags.name)} is now called {shown(to)}.")
    return OK


async def _fork(store: Store, flags: Flags) -> int:
    to = _new(flags.to)
    copy = await store.fork(flags.name, to, upto=flags.upto)
    # As it is: for whoever puts it into another command.
    return await _print([copy.name], cutting=False)


async def _delete(store: Store, flags: Flags) -> int:
    names = list(dict.fromkeys(flags.names))
    sizes = [(await _turns(store, name, last=1))[-1].seq for name in names]
    if not flags.yes:
        which = ", ".join(
            f"{shown(name)} (turns: {size})" for name, size in zip(names, sizes, strict=True)
        )
        if not await _agrees(f"Delete {which} for ever? [y/N] "):
            tell("Nothing was deleted.")
            return FAILED
    for name in names:
        await store.forget(name)
    return OK


async def _export(store: Store, flags: Flags) -> int:
    turns = await _turns(store, flags.name)
    if flags.form == "markdown":
        return await _print(to_markdown(flags.name, turns), cutting=False, end="")
    return await _print([to_json(flags.name, turns)], cutting=False)


async def _import(store: Store, flags: Flags) -> int:
    exported = from_json(await read_whole(sys.stdin) if flags.file == "-" else _read(flags.file))
    name = _new(exported.session if flags.to is None else flags.to)
    try:
        await store.restore(name, exported.turns)
    except InvalidRequest as error:
        if error.code == "session_exists":
            error.hint = "Import it under another name: --as NAME."
        raise
    tell(f"{shown(name)} is here, turns: {len(exported.turns)}.")
    return OK


def _read(file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise ConfigurationError(
            "file_unreadable", f"The file {file!r} cannot be read: {why}."
        ) from None


async def _stats(store: Store, flags: Flags) -> int:
    stats = await store.stats()
    return await (_print_json([stats]) if flags.json else _print(counted(stats)))


_ACTIONS: Final[dict[str, Callable[[Store, Flags], Awaitable[int]]]] = {
    "list": _list,
    "show": _show,
    "search": _search,
    "rename": _rename,
    "fork": _fork,
    "delete": _delete,
    "export": _export,
    "import": _import,
    "stats": _stats,
}


async def _turns(store: Store, name: SessionId, *, last: int | None = None) -> Sequence[Turn]:
    """Return a session's turns; raises `InvalidRequest` where there is none of that name."""
    check_session(name)
    turns = await store.load(name, last=last)
    if not turns:
        raise InvalidRequest("session_not_found", f"There is no session {name!r}.", param="session")
    return turns


def _new(name: str | None) -> SessionId:
    name = new_session_id() if name is None else name
    check_session(name)
    return name


async def _meant(store: Store, flags: Flags) -> str:
    """Return what to try in place of a name that is unknown."""
    known = {session.name for session in await store.sessions(limit=NEAR)}
    said = (flags.name, flags.session or "", *flags.names)
    near = [
        match for name in said if name not in known for match in get_close_matches(name, known, n=3)
    ]
    if near:
        return f"Did you mean {' or '.join(map(repr, near))}?"
    return "`chatbots sessions list` shows those there are." if known else "None is kept yet."


async def _agrees(question: str) -> bool:
    """Ask the person at the terminal; raises `InvalidRequest` where there is none."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise InvalidRequest(
            "invalid_request",
            "Nobody is there to say whether the deletion is meant.",
            hint="If it is, add --yes.",
        )
    forget_typed(sys.stdin)
    await write(question, sys.stderr)
    answer = ""
    try:
        answer = await read_line(sys.stdin)
    finally:
        if not answer.endswith("\n"):  # Ctrl-C or Ctrl-D: the cursor is behind the question
            sys.stderr.write("\n")
    return answer.strip().lower() in ("y", "yes")


async def _print(lines: Iterable[str], *, cutting: bool = True, end: str = "\n") -> int:
    """Write *lines*; on a terminal, only as much of each as it is wide if *cutting*."""
    width = shutil.get_terminal_size().columns if cutting and sys.stdout.isatty() else None
    await write("".join(f"{cut(line, width)}{end}" for line in lines), sys.stdout)
    return OK


async def _print_json(values: Iterable[object]) -> int:
    lines = (msgspec.json.encode(value).decode() for value in values)
    return await _print(lines, cutting=False)
