"""A disk in the way: full for a while, or the file locked by somebody else."""

from __future__ import annotations

import resource
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from pathlib import Path
from random import Random
from time import monotonic
from typing import Final

import anyio

from tests.chaos.asked import PING, Asked
from tests.chaos.checking import Rules, Tally, check
from tests.chaos.clients import Attempt, Clients, ask_once
from tests.chaos.killing import CLIENTS, QUIET, Bots, free_ports, shim, stored_in, upstream
from tests.chaos.serving import Config
from tests.chaos.upstream import reads

PATIENCE: Final = 0.5
"""Seconds that SQLite waits for a lock here; 5 by default, and that is a long time to watch."""
TROUBLE: Final = 2.0
"""Seconds the disk is in the way, and then it is not."""
OWED: Final = 2.5
"""Seconds in which a process writes what the disk would not take."""

Trouble = Callable[[Bots, Path], AbstractContextManager[None]]
FLAG: Final = "full"
"""The file that tells the shim that there is no space."""


@contextmanager
def full(_: Bots, path: Path) -> Iterator[None]:
    """Let there be no space for the database: ENOSPC."""
    flag = path.with_name(FLAG)
    flag.touch()
    try:
        yield
    finally:
        flag.unlink()


@contextmanager
def bounded(bots: Bots, _: Path) -> Iterator[None]:
    """Let the process write nothing beyond the first bytes of a file: EFBIG."""
    soft, hard = resource.prlimit(bots.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(bots.pid, resource.RLIMIT_FSIZE, (512, hard))
    try:
        yield
    finally:
        resource.prlimit(bots.pid, resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def locked(_: Bots, path: Path) -> Iterator[None]:
    """Hold the file's write lock."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=30)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield


async def fill_disk(folder: Path, times: int, *, seed: int, guard: str | None) -> Tally:
    """Fill the disk so many times, in one way and the other, and make room again."""
    return await _trouble(folder, times, (full, bounded), seed=seed, guard=guard)


async def lock_file(folder: Path, times: int, *, seed: int, guard: str | None) -> Tally:
    """Lock the file so many times for longer than SQLite waits."""
    return await _trouble(folder, times, (locked,), seed=seed, guard=guard)


async def _trouble(
    folder: Path, times: int, troubles: Sequence[Trouble], *, seed: int, guard: str | None
) -> Tally:
    path, log, tools = folder / "sessions.db", folder / "model.jsonl", folder / "tools"
    (port,) = free_ports(1)
    clients = Clients([port], seed, turns=1, vanish=0.0)
    calm = slowest = 0.0
    with ExitStack() as stack:
        base_url = stack.enter_context(upstream(log))
        config = Config(str(path), base_url, port, str(tools), guard, patience=PATIENCE)
        env = shim(folder, path) | {"CHAOS_FULL": str(path.with_name(FLAG))}
        bots = stack.enter_context(Bots(config, Random(seed), env))
        await bots.listening()
        async with anyio.create_task_group() as asking:
            for number in range(CLIENTS):
                asking.start_soon(clients.run, number)
            while not any(history.ended for history in clients.histories):
                await anyio.sleep(0.05)  # the first turn loads what all need
            for number in range(times):
                calm = max(calm, await _slowest_ping(port))
                with troubles[number % len(troubles)](bots, path):
                    slowest = max(slowest, await _slowest_ping(port))
            clients.stopping = True
            asking.cancel_scope.deadline = anyio.current_time() + QUIET
        await anyio.sleep(OWED)
        bots.end()
    ran = tools.read_text().split() if tools.exists() else ()
    stored = await stored_in(path)
    tally = check(clients.histories, stored, reads(log), ran, Rules(disk_failed=True))
    attempts = [attempt for history in clients.histories for attempt in history.attempts]
    tally.counts["refused"] = sum(attempt.code == "storage_unavailable" for attempt in attempts)
    tally.counts["stored late"] = sum(not attempt.stored for attempt in attempts)
    tally.counts["ping in calm, ms"] = round(1000 * calm)
    tally.counts["slowest ping, ms"] = round(1000 * slowest)
    return tally


async def _slowest_ping(port: int) -> float:
    """Ask the program for a sign of life again and again; return the longest wait in seconds."""
    until, slowest = monotonic() + TROUBLE, 0.0
    while monotonic() < until:
        asked = monotonic()
        if not await ask_once(port, Asked("", "", "memory", PING), Attempt()):
            raise AssertionError("The bots gave no sign of life.")
        slowest = max(slowest, monotonic() - asked)
        await anyio.sleep(0.02)
    return slowest
