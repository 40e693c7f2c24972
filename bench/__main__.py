"""Run benchmarks and print their tables: `python -m bench [--smoke] [NAME ...]`.

Without a name, all of them; `hot` is those of one token. `--smoke` is brief, needs no peer and
keeps nothing; otherwise the raw numbers go to `bench/results/` and the charts are drawn anew.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from bench import (
    beside,
    capacity,
    chart,
    hot,
    one_shot,
    realtime,
    registering,
    server,
    start,
    store,
    voice,
    voices,
)
from bench.measure import Report, machine

RESULTS: Final = Path(__file__).with_name("results")

BENCHMARKS: Final[dict[str, Callable[..., Report]]] = {
    "start": start.report,
    "one-shot": one_shot.report,
    "registering": registering.report,
    **{name: partial(hot.report, name) for name in hot.FULL},
    "capacity": capacity.report,
    "store": store.report,
    "realtime": realtime.report,
    "server": server.report,
    "voice": voice.report,
    "voices": voices.report,
    "beside": beside.report,
}
SMOKE: Final = (
    "start",
    "one-shot",
    "registering",
    *hot.SMOKE,
    "capacity",
    "store",
    "realtime",
    "server",
    "voice",
    "beside",
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Run benchmarks.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"hot, {', '.join(BENCHMARKS)}")
    parser.add_argument("--smoke", action="store_true", help="brief, without peers")
    options = parser.parse_args(arguments)
    if unknown := {*options.names} - {*BENCHMARKS, "hot"}:
        parser.error(
            f"There is no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}."
        )
    names = [
        name
        for asked in options.names or (SMOKE if options.smoke else BENCHMARKS)
        for name in (hot.FULL if asked == "hot" else [asked])
        if name in SMOKE or not options.smoke
    ]
    print(machine())
    versions: dict[str, dict[str, str]] = {}
    for name in names:
        report = BENCHMARKS[name](smoke=options.smoke)
        print(f"\n{report.text}", flush=True)
        versions |= report.versions
        if not options.smoke:
            keep(name, report)
    print("\nversions")
    for client, found in versions.items():
        print(f"  {client}: {', '.join(f'{name} {number}' for name, number in found.items())}")
    if not options.smoke:
        chart.write()


def keep(name: str, report: Report) -> None:
    """Write the raw numbers of a table."""
    raw = {"machine": machine(), "versions": report.versions, "rows": report.rows}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(raw, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
