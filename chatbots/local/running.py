"""The helper processes of this user: which there are, and ending them."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from chatbots.errors import ConfigurationError
from chatbots.local.files import open_lock, try_lock
from chatbots.local.rendezvous import (
    Process,
    Rendezvous,
    holder,
    is_held,
    meet,
    process_started,
    read_state,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_POLL: Final = 0.02
_KILL_SECONDS: Final = 5.0


class Running(Struct, frozen=True, kw_only=True):
    """A helper process; while it is still loading, `base_url` and what else it will say is None.

    `in_use` says whether anybody holds its lease, `since` is in seconds since the epoch.
    """

    key: str
    pid: int
    in_use: bool
    since: float
    log: Path
    name: str | None = None
    path: str | None = None
    base_url: str | None = None
    context: int | None = None


def running(state_dir: Path) -> list[Running]:
    """Return the helper processes that are alive now. Blocks for some file operations only."""
    return [_describe(key, files, process) for key, files, process in _alive(state_dir)]


def stop(state_dir: Path, *, key: str | None = None, grace: float = 5.0) -> list[Running]:
    """End the helper processes, or the one called *key*, in use or not; return which they were.

    Blocks until they are gone. What does not end within *grace* seconds is killed.
    Raises `ConfigurationError` (`local_model_failed`) for one that cannot be ended.
    """
    stopped: list[Running] = []
    for found, files, process in _alive(state_dir):
        if key in (None, found):
            stopped.append(_describe(found, files, process))
            _end(files, process, grace)
    return stopped


def _alive(state_dir: Path) -> Iterator[tuple[str, Rendezvous, Process]]:
    for path in sorted(state_dir.glob("*.alive")):
        process = holder(path)
        if process is not None:
            yield path.stem, meet(state_dir, path.stem), process


def _describe(key: str, files: Rendezvous, process: Process) -> Running:
    state = read_state(files.state)
    known = Running(
        key=key,
        pid=process.pid,
        in_use=is_held(files.lease),
        since=files.alive.stat().st_mtime,
        log=files.log,
    )
    if state is None or state.pid != process.pid:
        return known
    return Running(
        key=key,
        pid=process.pid,
        in_use=known.in_use,
        since=known.since,
        log=files.log,
        name=state.name,
        path=state.path,
        base_url=f"http://127.0.0.1:{state.port}/v1",
        context=state.context,
    )


def _end(files: Rendezvous, process: Process, grace: float) -> None:
    for number, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, _KILL_SECONDS)):
        # The lock says that it lives, the time of its start that the pid is still its own.
        if process_started(process.pid) == process.started:
            with suppress(ProcessLookupError):
                os.kill(process.pid, number)
        if _gone(files, seconds):
            return
    raise ConfigurationError(
        "local_model_failed",
        f"The local model's process {process.pid} does not end.",
        hint=f"Its log is {files.log}.",
    )


def _gone(files: Rendezvous, seconds: float) -> bool:
    """Wait for the *alive* lock to come free, and take away the state of the helper that died."""
    alive = open_lock(files.alive)
    try:
        deadline = time.monotonic() + seconds
        while not try_lock(alive):
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL)
        files.state.unlink(missing_ok=True)
    finally:
        os.close(alive)
    return True
