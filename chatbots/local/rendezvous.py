"""The files by which the helper process for one model and its users find each other.

    lease   users hold it shared while they need the model; the helper takes it alone to end
    start   held by whoever is starting the helper: two that start at once start one
    alive   held by the helper as long as it lives, so that the kernel says who does; has its pid
    state   where the helper answers, and with which key; there once it does
    log     what the helper had to say

Locks are `flock`s: the kernel gives them back whatever a process dies of.
Only the standard library: the helper process imports this page, and its start is waited for.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
from pathlib import Path
from typing import Final, NamedTuple

from chatbots.local.files import open_lock, try_lock, write_whole
from chatbots.version import VERSION

# proc_pid_stat(5): fields 3, 9, 22 and 31, counted from the third.
_STATE: Final = 0
_FLAGS: Final = 6
_STARTED: Final = 19
_PENDING: Final = 28
_PF_EXITING: Final = 0x4
"""Set before a dying process gives anything back (the kernel's include/linux/sched.h)."""
_KILL_PENDING: Final = 1 << (signal.SIGKILL - 1)


class Process(NamedTuple):
    """A process that cannot be mistaken for a later one of the same pid."""

    pid: int
    started: str


class State(NamedTuple):
    """What a user needs to know of a helper that answers; `context` is in tokens."""

    pid: int
    started: str
    port: int
    api_key: str
    name: str
    path: str
    context: int


class Rendezvous(NamedTuple):
    """The files of one model, in a folder that only this user can enter."""

    lease: Path
    start: Path
    alive: Path
    state: Path
    log: Path


def meet(folder: Path, key: str) -> Rendezvous:
    """Return the files called *key* in *folder*."""
    return Rendezvous(*(folder / f"{key}.{kind}" for kind in Rendezvous._fields))


def key_of(name: str, path: Path) -> str:
    """Return what the files of the model at *path* are called: one name for one model file.

    Another version has another: a program is not answered by the helper of an older one.
    """
    of = os.fsencode(path.resolve()) + VERSION.encode()
    digest = hashlib.sha256(of).hexdigest()
    return f"{re.sub('[^A-Za-z0-9._-]+', '_', name)[:60]}-{digest[:12]}"


def is_held(path: Path) -> bool:
    """Whether another process holds the lock at *path* in any way."""
    if not path.exists():
        return False
    lock = open_lock(path)
    try:
        return not try_lock(lock)
    finally:
        os.close(lock)


def write_state(path: Path, state: State) -> None:
    """Publish *state*, for this user's eyes only."""
    write_whole(path, json.dumps(state._asdict()).encode())


def read_state(path: Path) -> State | None:
    """Return what is published at *path*; None if nothing is, or nothing that makes sense."""
    try:
        return State(**json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def sign(alive: int, process: Process) -> None:
    """Write into the held *alive* lock who holds it."""
    os.ftruncate(alive, 0)
    os.pwrite(alive, f"{process.pid} {process.started}\n".encode(), 0)


def holder(alive: Path) -> Process | None:
    """Return who holds the *alive* lock; None if nobody does, or nobody who has signed."""
    if not is_held(alive):
        return None
    pid, _, started = alive.read_text(encoding="utf-8").strip().partition(" ")
    return Process(int(pid), started) if pid.isdecimal() else None


def is_dying(process: Process) -> bool:
    """Whether *process* was killed but is not gone: it still has its locks for some milliseconds.

    Only /proc can say; False where there is none, and for a process that it does not show.
    """
    fields = _proc_fields(process.pid)
    if not fields or fields[_STARTED] != process.started:
        return False  # Gone, or of another container: its lock says whether it lives.
    return (
        fields[_STATE] in "ZXx"
        or bool(int(fields[_FLAGS]) & _PF_EXITING)
        or bool(int(fields[_PENDING]) & _KILL_PENDING)
    )


def _proc_fields(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the third on; none where there is no such file."""
    try:
        # The command's name, the second field, may hold anything, brackets too.
        with Path(f"/proc/{pid}/stat").open(encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return []


def process_started(pid: int) -> str:
    """Return when the process *pid* began, in the system's own words; empty if there is none."""
    if fields := _proc_fields(pid):
        return fields[_STARTED]
    if Path("/proc/self/stat").exists():
        return ""
    import subprocess  # Costs a helper 3 ms that it does not need where there is /proc.

    command = ["/bin/ps", "-o", "lstart=", "-p", str(pid)]
    words = {"LC_ALL": "C", "TZ": "UTC"}  # The same to whoever asks.
    found = subprocess.run(command, capture_output=True, text=True, check=False, env=words)  # noqa: S603 (fixed)
    return found.stdout.strip()
