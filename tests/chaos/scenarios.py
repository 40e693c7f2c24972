"""The ways to crash."""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Final, NamedTuple

import anyio

from tests.chaos.checking import Tally
from tests.chaos.disks import fill_disk, lock_file
from tests.chaos.killing import kill_often
from tests.chaos.migrating import migrate_half_way
from tests.chaos.power import lose_power
from tests.chaos.recovering import recover_many


class Scenario(NamedTuple):
    """A way to crash: `times` how often, and in a short run; `alone` where time is measured."""

    about: str
    run: Callable[..., Awaitable[Tally]]
    times: int
    smoke: int
    alone: bool = False


SCENARIOS: Final[Mapping[str, Scenario]] = {
    "kill": Scenario("kill -9, two processes on one file", kill_often, 100, 8),
    "power": Scenario("power losses, un-synced writes dropped", lose_power, 200, 30),
    "disk": Scenario("times a full disk", fill_disk, 6, 2),
    "lock": Scenario("times a locked file", lock_file, 5, 1),
    "migration": Scenario("migrations killed half-way", migrate_half_way, 24, 8),
    "recovery": Scenario("times 10,000 turns left open", recover_many, 3, 1, alone=True),
}


def crash(name: str, times: int, seed: int, guard: str | None) -> tuple[Tally, float]:
    """Crash in one way; return what came of it, and how many seconds it took."""
    started = monotonic()
    with tempfile.TemporaryDirectory() as folder:
        run = partial(SCENARIOS[name].run, Path(folder), times, seed=seed, guard=guard)
        return anyio.run(run), monotonic() - started
