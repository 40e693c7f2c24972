"""What `sessions` does with what is in a store."""

from __future__ import annotations

import io
import json
import os
import re
import sys
from collections.abc import Callable, Generator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from chatbots.cli import shelf
from chatbots.cli.sessions import parse
from chatbots.errors import ChatError, ConfigurationError, InvalidRequest
from chatbots.messages import Message, Usage
from chatbots.sessions.in_memory import InMemorySessions

NASTY = "../../\x1b[2Ja\nb🙂"
"""A name that would do harm where a name is more than data."""


async def add(store: InMemorySessions, session: str, said: str, answer: str = "Yes.") -> None:
    turn = await store.begin(session, f"req_{said}", [Message("user", said)])
    await store.finish(
        turn,
        [Message("assistant", answer)],
        state="completed",
        reason="stop",
        usage=Usage(3, 2, 5),
    )


@pytest.fixture
async def store() -> InMemorySessions:
    """Two conversations, `ada` the older."""
    store = InMemorySessions(clock=iter(range(1_795_000_000, 1_796_000_000)).__next__)
    await add(store, "ada", "My name is Ada.", "Hello Ada.")
    await add(store, "ada", "Who am I?", "Ada, you said.")
    await add(store, NASTY, "Anything?")
    return store


@pytest.fixture
def act(store: InMemorySessions, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Run `chatbots sessions ARGV` and return what it writes."""

    async def acting(*argv: str, status: int = 0) -> str:
        capsys.readouterr()
        assert await shelf.obey(store, parse(argv)) == status
        return capsys.readouterr().out

    return acting


async def refusal(of: Any, code: str) -> ChatError:
    with pytest.raises(ChatError) as caught:
        await of
    assert caught.value.code == code
    return caught.value


# Looking


async def test_a_list_has_a_line_for_each_newest_first(act: Any) -> None:
    lines = (await act("list")).splitlines()
    assert [line.split("  ")[0].strip() for line in lines] == ["../../\\x1b[2Ja\\nb🙂", "ada"]
    assert lines[1].endswith("  My name is Ada.")
    assert len((await act("list", "--limit", "1")).splitlines()) == 1


async def test_a_list_as_json_has_the_names_as_they_are(act: Any) -> None:
    rows = [json.loads(line) for line in (await act("list", "--json")).splitlines()]
    assert [(row["name"], row["turns"], row["tokens"]) for row in rows] == [
        (NASTY, 1, 5),
        ("ada", 2, 10),
    ]


async def test_a_line_ends_where_the_terminal_does(
    act: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((50, 9)))
    assert [line[-1] for line in (await act("list")).splitlines()] == ["…", "…"]


async def test_an_empty_store_lists_nothing(
    store: InMemorySessions, act: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("ada", NASTY):
        await store.forget(name)
    assert await act("list", "--json") == ""
    assert capsys.readouterr().err == ""
    assert await shelf.obey(store, parse(["list"])) == 0
    assert capsys.readouterr().err == "chatbots: No conversation is kept yet.\n"
    missing = await refusal(act("show", "ada"), "session_not_found")
    assert missing.hint == "None is kept yet."


async def test_a_conversation_is_shown_as_it_was(act: Any) -> None:
    shown = await act("show", "ada")
    assert "> My name is Ada.\nHello Ada.\n\n#2  " in shown
    assert shown.endswith("> Who am I?\nAda, you said.\n\n")
    assert "#1" not in await act("show", "ada", "--last", "1")


async def test_a_conversation_as_json_is_one_object(act: Any) -> None:
    shown = await act("show", "ada", "--json")
    assert shown.count("\n") == 1
    row = json.loads(shown)
    assert list(row) == ["session", "turns"]
    first = row["turns"][0]
    assert list(first)[:5] == ["request_id", "state", "user", "answer", "usage"]
    assert (row["session"], first["request_id"], first["state"], first["user"]) == (
        "ada",
        "req_My name is Ada.",
        "completed",
        "My name is Ada.",
    )
    assert (first["answer"], first["usage"]["total_tokens"]) == ("Hello Ada.", 5)


async def test_what_was_said_is_found(act: Any, store: InMemorySessions) -> None:
    assert [line.split()[:3] for line in (await act("search", "ada", "said")).splitlines()] == [
        ["ada", "#2", "assistant"]
    ]
    rows = [json.loads(line) for line in (await act("search", "any", "--json")).splitlines()]
    assert [(row["session"], row["seq"], row["role"]) for row in rows] == [(NASTY, 1, "user")]
    assert len((await act("search", "ada", "--limit", "1")).splitlines()) == 1
    assert await act("search", "any", "--session", "ada") == ""
    await refusal(act("search", "any", "--session", "nobody"), "session_not_found")


async def test_what_is_kept_is_counted(act: Any) -> None:
    assert (await act("stats")).startswith("sessions        2\nturns           3 (completed 3)\n")
    assert json.loads(await act("stats", "--json"))["by_state"] == {"completed": 3}


# Names


async def test_a_name_that_is_unknown_is_answered_with_one_near_it(act: Any) -> None:
    near = await refusal(act("show", "adda"), "session_not_found")
    assert (near.message, near.hint) == ("There is no session 'adda'.", "Did you mean 'ada'?")
    far = await refusal(act("export", "x" * 256), "session_not_found")
    assert far.hint == "`chatbots sessions list` shows those there are."
    for argv in (("rename", "adda", "eve"), ("fork", "adda"), ("delete", "ada", "adda", "--yes")):
        missing = await refusal(act(*argv), "session_not_found")
        assert missing.hint == "Did you mean 'ada'?"


@pytest.mark.parametrize("name", ["", "x" * 257, "\udcff", "a\0b"])
@pytest.mark.parametrize(
    "argv", [("show", ""), ("rename", "ada", ""), ("fork", "ada", ""), ("delete", "")]
)
async def test_what_cannot_be_a_name_is_refused(act: Any, argv: tuple[str, ...], name: str) -> None:
    error = await refusal(act(*argv[:-1], name), "invalid_request")
    assert isinstance(error, InvalidRequest)
    assert error.param == "session"


async def test_names_are_data(act: Any, store: InMemorySessions) -> None:
    for name in ("x" * 256, "../../../etc/passwd", "-", "e\u0301 名前", "'; DROP TABLE turns"):
        await act("fork", NASTY, name)
        assert json.loads(await act("show", name, "--json"))["session"] == name
        assert len(await store.load(name)) == 1


# Changing


async def test_a_conversation_gets_another_name(
    act: Any, store: InMemorySessions, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await shelf.obey(store, parse(["rename", NASTY, "eve"])) == 0
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "chatbots: ../../\\x1b[2Ja\\nb🙂 is now called eve.\n")
    assert await store.load(NASTY) == ()
    await refusal(act("rename", "eve", "ada"), "session_exists")


async def test_a_fork_prints_its_name(act: Any, store: InMemorySessions) -> None:
    assert await act("fork", "ada", "eve", "--upto", "1") == "eve\n"
    assert len(await store.load("eve")) == 1
    assert (await act("fork", "ada")).startswith("session_")


class Typed(io.TextIOWrapper):
    """A terminal at which somebody has typed."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Generator[Callable[[bytes], None]]:
    with ExitStack() as files:

        def typing(answer: bytes) -> None:
            (tmp_path / "typed").write_bytes(answer)
            file = files.enter_context((tmp_path / "typed").open("rb"))
            monkeypatch.setattr(sys, "stdin", files.enter_context(Typed(file)))
            monkeypatch.setattr(sys.stderr, "isatty", lambda: True)

        yield typing


@pytest.mark.parametrize("answer", [b"y\n", b"YES\n", b" y \n"])
async def test_a_conversation_is_deleted_after_a_yes(
    act: Any,
    typed: Callable[[bytes], None],
    answer: bytes,
    store: InMemorySessions,
    capsys: pytest.CaptureFixture[str],
) -> None:
    typed(answer)
    assert await shelf.obey(store, parse(["delete", "ada", NASTY, "ada"])) == 0
    assert capsys.readouterr().err == (
        "Delete ada (turns: 2), ../../\\x1b[2Ja\\nb🙂 (turns: 1) for ever? [y/N] "
    )
    assert await store.sessions() == []


@pytest.mark.parametrize("answer", [b"\n", b"n\n", b"yy\n", b""])
async def test_anything_else_is_no(
    act: Any, typed: Callable[[bytes], None], answer: bytes, store: InMemorySessions
) -> None:
    typed(answer)
    await act("delete", "ada", status=1)
    assert len(await store.sessions()) == 2


async def test_nobody_is_asked_where_there_is_no_terminal(
    act: Any, store: InMemorySessions
) -> None:
    error = await refusal(act("delete", "ada"), "invalid_request")
    assert error.hint == "If it is, add --yes."
    await act("delete", "ada", "--yes")
    assert [info.name for info in await store.sessions()] == [NASTY]


# Files


async def test_an_export_is_imported_as_it_was(
    act: Any, store: InMemorySessions, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file"
    file.write_text(await act("export", NASTY))
    turns = await store.load(NASTY)
    taken = await refusal(act("import", str(file)), "session_exists")
    assert taken.hint == "Import it under another name: --as NAME."
    await store.forget(NASTY)
    assert await shelf.obey(store, parse(["import", str(file)])) == 0
    said = capsys.readouterr().err
    assert said == "chatbots: ../../\\x1b[2Ja\\nb🙂 is here, turns: 1.\n"
    assert await store.load(NASTY) == turns
    await act("import", str(file), "--as", "eve")
    assert [turn.session for turn in await store.load("eve")] == ["eve"]


async def test_an_import_reads_standard_input(
    act: Any, store: InMemorySessions, typed: Callable[[bytes], None]
) -> None:
    typed((await act("export", "ada")).encode())
    await store.forget("ada")
    await act("import", "-")
    assert len(await store.load("ada")) == 2


@pytest.mark.parametrize("name", ["nowhere", ".", "a\0b"])
async def test_a_file_that_cannot_be_read_is_named(act: Any, name: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(f"The file {name!r} cannot be read: ")):
        await act("import", name)


async def test_an_export_for_people(act: Any) -> None:
    page = await act("export", "ada", "--format", "markdown")
    assert page.startswith("# ada\n\n## 1 · ")
    assert page.endswith("\n**Assistant**\n\n```text\nAda, you said.\n```\n")
