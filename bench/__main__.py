"""Run every benchmark and print its table; `--smoke` is brief and only shows that they work."""

from __future__ import annotations

import sys

from bench import hot, one_shot, start
from bench.measure import machine


def main(*, smoke: bool) -> None:
    """Print the tables."""
    print(machine())
    for benchmark in (start, one_shot, hot):
        print(f"\n{benchmark.report(smoke=smoke)}", flush=True)


if __name__ == "__main__":
    main(smoke="--smoke" in sys.argv[1:])
