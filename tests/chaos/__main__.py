"""Crash the bots and their store in every way there is, and print what came of it.

python -m tests.chaos [--smoke] [--break GUARD] [--seed N] [--times N] [SCENARIO ...]

Exits with 1 where anything acknowledged was lost, doubled, or told wrongly. `--break` switches a
guard off, which has to show.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Final, NamedTuple

import anyio

from tests.chaos.breaks import BREAKS
from tests.chaos.checking import COUNTS, FAULTS, Tally
from tests.chaos.killing import kill_often
from tests.chaos.power import lose_power


class Scenario(NamedTuple):
    """A way to crash: `times` how often, and in a short run."""

    about: str
    run: Callable[..., Awaitable[Tally]]
    times: int
    smoke: int


SCENARIOS: Final[Mapping[str, Scenario]] = {
    "kill": Scenario("kill -9, two processes on one file", kill_often, 100, 8),
    "power": Scenario("power losses, un-synced writes dropped", lose_power, 200, 30),
}


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
    tallies: dict[str, Tally] = {}
    for name in names:
        scenario, started = SCENARIOS[name], monotonic()
        times = asked.times or (scenario.smoke if asked.smoke else scenario.times)
        with tempfile.TemporaryDirectory() as folder:
            run = partial(scenario.run, Path(folder), times, seed=asked.seed, guard=asked.guard)
            tallies[name] = anyio.run(run)
        print(f"{name}: {times} {scenario.about}; {monotonic() - started:.0f} s", flush=True)
    show(tallies)
    return 0 if all(tally.good for tally in tallies.values()) else 1


def show(tallies: Mapping[str, Tally]) -> None:
    """Print what was counted in each scenario, and an example of each fault."""
    print("\n" + " " * 16 + "".join(f"{name:>10}" for name in tallies))
    for column in (*COUNTS, *FAULTS):
        print(f"{column:<16}" + "".join(f"{tally[column]:>10,}" for tally in tallies.values()))
    for tally in tallies.values():
        for column, why in tally.examples.items():
            print(f"{column}, the first: {why[:300]}")


if __name__ == "__main__":
    sys.exit(main())
