"""A seed, played on a disk: with crashes by chance, or with one at every step there is."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Final

import anyio

from tests.chaos.checking import Tally
from tests.simulation.disks import ModelDisk, SQLiteDisk
from tests.simulation.playing import Play, simulated

DISKS: Final = ("model", "sqlite")
"""By their names: a model of durable storage, and the file."""
GUARDS: Final = ("request-id", "recovery", "pairing", "checkpoint")
"""Those whose absence shows here, on SQLite; the others need processes or a power loss."""


MEMORY: Final = Path("/dev/shm")  # noqa: S108 (made for this: the name in it is nobody else's)
"""Where a file costs no disk: many are opened, and a busy disk takes its time to sync each."""


def play_seed(seed: int, disk: str) -> Tally:
    """Play what *seed* stands for; return what is wrong in the end."""
    return _played(seed, disk, None)[0]


def every_step(seed: int, disk: str) -> Iterator[tuple[int, Tally]]:
    """Crash once at the first step, at the second, and so on to the last."""
    for step in count(1):
        tally, play = _played(seed, disk, [step])
        if not play.crashes:
            return
        yield step, tally


def _played(seed: int, disk: str, dies_at: list[int] | None) -> tuple[Tally, Play]:
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        play = Play(seed, SQLiteDisk(Path(folder)) if disk == "sqlite" else ModelDisk(), dies_at)
        with simulated(play):
            return anyio.run(play.run), play
