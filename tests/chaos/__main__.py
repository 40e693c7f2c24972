"""Crash the bots and their store in every way there is, and print what came of it.

python -m tests.chaos [--smoke] [--break GUARD] [--seed N] [--times N] [SCENARIO ...]

Exits with 1 where anything acknowledged was lost, doubled, or told wrongly. `--break` switches a
guard off, which has to show.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Final

from tests.chaos.breaks import BREAKS
from tests.chaos.checking import COUNTS, FAULTS, Tally
from tests.chaos.scenarios import SCENARIOS, crash

TOGETHER: Final = 3
"""Scenarios at a time: most of the time they wait."""


SPAWN: Final = multiprocessing.get_context("spawn")


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=", ".join(SCENARIOS))
    parser.add_argument("--smoke", action="store_true", help="a short run")
    parser.add_argument("--break", dest="guard", choices=BREAKS, help="a guard to switch off")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--times", type=int, help="how often to crash")
    asked = parser.parse_args(argv)
    names = asked.scenarios or list(SCENARIOS)
    if asked.guard:
        print(f"Without the guard {asked.guard}: {BREAKS[asked.guard].about}.")
        names = asked.scenarios or [BREAKS[asked.guard].scenario]
    times = {
        name: asked.times or (SCENARIOS[name].smoke if asked.smoke else SCENARIOS[name].times)
        for name in names
    }
    tallies: dict[str, Tally] = {}
    for alone in (False, True):
        chosen = [name for name in names if SCENARIOS[name].alone is alone]
        with ProcessPoolExecutor(1 if alone else TOGETHER, SPAWN) as pool:
            runs = [
                pool.submit(crash, name, times[name], asked.seed, asked.guard) for name in chosen
            ]
            for name, run in zip(chosen, runs, strict=True):
                tallies[name], seconds = run.result()
                about = f"{times[name]} {SCENARIOS[name].about}"
                print(f"{name}: {about}; {seconds:.0f} s", flush=True)
    show(tallies)
    return 0 if all(tally.good for tally in tallies.values()) else 1


def show(tallies: Mapping[str, Tally]) -> None:
    """Print what was counted in each scenario, and an example of each fault."""
    print("\n" + " " * 24 + "".join(f"{name:>11}" for name in tallies))
    for column in (*COUNTS, *FAULTS):
        counts = [tally.counts[column] for tally in tallies.values()]
        print(f"{column:<24}" + "".join(f"{count:>11,}" for count in counts))
    for tally in tallies.values():
        for column, why in tally.examples.items():
            print(f"{column}, the first: {why[:300]}")


if __name__ == "__main__":
    sys.exit(main())
