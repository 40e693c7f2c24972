"""A seed, played on a disk."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

import anyio

from tests.chaos.checking import Tally
from tests.simulation.disks import ModelDisk, SQLiteDisk
from tests.simulation.playing import Play, simulated

DISKS: Final = ("model", "sqlite")
"""By their names: a model of durable storage, and the file."""


def play_seed(seed: int, disk: str) -> Tally:
    """Play what *seed* stands for; return what is wrong in the end."""
    with tempfile.TemporaryDirectory() as folder:
        play = Play(seed, SQLiteDisk(Path(folder)) if disk == "sqlite" else ModelDisk())
        with simulated(play):
            return anyio.run(play.run)
