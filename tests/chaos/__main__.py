"""Crash the bots and their store in every way there is, and print what came of it.

python -m tests.chaos [--smoke] [--break GUARD] [--seed N] [--kills N] [SCENARIO ...]

Exits with 1 where anything acknowledged was lost, doubled, or told wrongly. `--break` switches a
guard off, which has to show.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from time import monotonic

import anyio

from tests.chaos.breaks import BREAKS
from tests.chaos.checking import COUNTS, FAULTS, Tally
from tests.chaos.killing import kill_often


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="a short run")
    parser.add_argument("--break", dest="guard", choices=BREAKS, help="a guard to switch off")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kills", type=int, help="how often a process is killed")
    asked = parser.parse_args(argv)
    kills = asked.kills or (12 if asked.smoke else 100)
    if asked.guard:
        print(f"Without the guard {asked.guard}: {BREAKS[asked.guard].about}.")
    with tempfile.TemporaryDirectory() as folder:
        started = monotonic()
        run = partial(kill_often, Path(folder), kills, seed=asked.seed, guard=asked.guard)
        tally = anyio.run(run)
        print(f"{tally['kills']} processes killed in {monotonic() - started:.0f} s")
    show(tally)
    return 0 if tally.good else 1


def show(tally: Tally) -> None:
    """Print what was counted, and an example of each fault."""
    for column in (*COUNTS, *FAULTS):
        print(f"  {column:<16}{tally[column]:>6}  {tally.examples.get(column, '')[:200]}")


if __name__ == "__main__":
    sys.exit(main())
