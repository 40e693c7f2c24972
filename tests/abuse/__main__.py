"""Abuse the server in every way there is, over real sockets, and print what came of it.

python -m tests.abuse [--break GUARD] [CASE ...]

Exits with 1 where anything came through. `--break` switches a guard off, and tries the cases
that show it.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from collections.abc import Sequence
from contextlib import chdir, nullcontext
from time import monotonic

import anyio

from tests.abuse.breaks import BREAKS
from tests.abuse.cases import CASES

SHOWN = 5
"""Lines shown of what came through in one case."""


def main(argv: Sequence[str] | None = None) -> int:
    """Print a line for each case, and the sum."""
    parser = argparse.ArgumentParser(prog="python -m tests.abuse", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help="all, if none is named")
    parser.add_argument("--break", dest="guard", choices=BREAKS, help="a guard to switch off")
    asked = parser.parse_args(argv)
    switch = BREAKS.get(asked.guard)
    if switch is not None:
        print(f"Without the guard {asked.guard}: {switch.about}.")
    through = 0
    with switch.off() if switch else nullcontext():
        for name in asked.cases or (switch.cases if switch else CASES):
            through += bool(_tried(name))
    print(f"{through} came through" if through else "nothing came through")
    return 1 if through else 0


def _tried(name: str) -> list[str]:
    case, began = CASES[name], monotonic()
    try:
        holes = anyio.run(case)
    except Exception as error:  # a case that cannot be played to its end shows a hole as well
        holes = [f"it broke: {error!r}"[:300]]
    about = " ".join((case.__doc__ or "").split())
    verdict = f"{len(holes)} came through" if holes else "held"
    print(f"{verdict:<16} {monotonic() - began:5.1f} s  {name}: {about}", flush=True)
    for hole in holes[:SHOWN]:
        print(f"{'':27}{hole[:300]}", flush=True)
    return holes


if __name__ == "__main__":
    logging.disable()
    with tempfile.TemporaryDirectory() as nobodys, chdir(nobodys):  # no .env of anybody
        sys.exit(main())
