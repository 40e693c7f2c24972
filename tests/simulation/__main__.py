"""Play conversations that crash at any step, and print the seeds that end badly.

python -m tests.simulation [--seed N | --seeds N] [--disk model|sqlite] [--break GUARD]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from time import monotonic

from tests.chaos.breaks import BREAKS
from tests.chaos.checking import FAULTS, Tally
from tests.simulation.seeds import DISKS, GUARDS, play_seed

COUNTS = ("crashes", "requests", "accepted", "acked", "cut short")


def main(argv: Sequence[str] | None = None) -> int:
    """Play the seeds; return 1 where one ends badly."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="play this one only")
    parser.add_argument("--seeds", type=int, default=1000, help="how many to play, from 0")
    parser.add_argument("--disk", choices=DISKS, default="sqlite")
    parser.add_argument("--break", dest="guard", choices=GUARDS, help="a guard to switch off")
    asked = parser.parse_args(argv)
    seeds = range(asked.seeds) if asked.seed is None else [asked.seed]
    total, bad, started = Tally(), 0, monotonic()
    with BREAKS[asked.guard].off() if asked.guard else nullcontext():
        for seed in seeds:
            tally = play_seed(seed, asked.disk)
            total.take(tally)
            if not tally.good:
                bad += 1
                for column, why in tally.examples.items():
                    print(f"--seed {seed} --disk {asked.disk}: {column}, {why[:200]}")
    print(f"{len(seeds)} seeds on {asked.disk}, {monotonic() - started:.1f} s; ended badly: {bad}")
    for column in (*COUNTS, *FAULTS):
        print(f"{column:<24}{total.counts[column]:>11,}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
