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
from pathlib import Path
from typing import NamedTuple

from chatbots.local.files import open_lock, try_lock, write_whole


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
    """Return what the files of the model at *path* are called: one name for one model file."""
    digest = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()
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


def process_started(pid: int) -> str:
    """Return when the process *pid* began, in the system's own words; empty if there is none."""
    try:
        # proc(5): field 22, counted after the command's name, which may hold anything.
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    except OSError:
        if Path("/proc/self/stat").exists():
            return ""
    import subprocess  # Costs a helper 3 ms that it does not need where there is /proc.

    command = ["/bin/ps", "-o", "lstart=", "-p", str(pid)]
    words = {"LC_ALL": "C", "TZ": "UTC"}  # The same to whoever asks.
    found = subprocess.run(command, capture_output=True, text=True, check=False, env=words)  # noqa: S603 (fixed)
    return found.stdout.strip()
