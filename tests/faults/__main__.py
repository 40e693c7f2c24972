"""Try every fault through every bot and program, and print what came of it.

python -m tests.faults [--break GUARD] [FAULT ...]
python -m tests.faults realtime [--break GUARD] [FAULT ...]

Exits with 1 where anything is not as `expected.py` has it. `--break` switches a guard off,
and tries the faults that show it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import chdir, nullcontext

from tests.faults import realtime
from tests.faults.breaks import BREAKS
from tests.faults.expected import Row, more_rows, rows
from tests.faults.judging import Tally, judge, line
from tests.faults.trial import BOTS, PROGRAMS, trials
from tests.faults.trying import try_all
from tests.faults.upstream import upstream


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table, and its summary."""
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] == ["realtime"]:
        return realtime.main(argv[1:])
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("faults", nargs="*", metavar="FAULT", help="all, if none is named")
    parser.add_argument("--break", dest="guard", choices=BREAKS, help="a guard to switch off")
    asked = parser.parse_args(argv)
    switch = BREAKS.get(asked.guard)
    kinds = {"bot": BOTS, "sdk": BOTS, "program": PROGRAMS}
    if switch is not None:
        print(f"Without the guard {asked.guard}: {switch.about}.")
        asked.faults = asked.faults or switch.faults
        kinds = kinds if switch.programs else {"bot": BOTS, "sdk": BOTS}
    tally = Tally()
    chosen = named(asked.faults)
    offered = (row for row in chosen if row.offered is not None)
    tried = [*trials(chosen, kinds), *trials(offered, {"tools": BOTS})]
    with upstream() as server, switch.off() if switch else nullcontext():
        for trial, seen in try_all(tried, server):
            verdict = judge(trial, seen)
            tally.add(trial, verdict)
            print(line(trial, seen, verdict), flush=True)
    print(tally)
    return 0 if tally.good else 1


def named(faults: Iterable[str]) -> list[Row]:
    """Return the rows of the table for these *faults*, or all."""
    every = [*rows(), *more_rows()]
    return [row for row in every if not faults or row.name in faults or row.fault in faults]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as nobodys, chdir(nobodys):  # no .env of anybody
        sys.exit(main())
