"""Runs that take turns, and what came of them: medians, spreads, ratios."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import NamedTuple, TypeAlias

Found: TypeAlias = dict[str, list[float]]
"""What the runs of a row found, by what it is: a number a run."""


class Report(NamedTuple):
    """A table: to be read, and its raw numbers, by row.

    *versions* are those of the packages behind the rows that have an environment of their own.
    """

    text: str
    rows: dict[str, Found]
    versions: dict[str, dict[str, str]] = {}  # noqa: RUF012 - nobody writes to it


def interleaved(runs: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, Found]:
    """Call each of *runs* once a round, so that a noisy minute hits them all; one is a warm-up."""
    found: dict[str, Found] = {name: {"seconds": []} for name in runs}
    for run in runs.values():
        run()
    for _ in range(rounds):
        for name, run in runs.items():
            found[name]["seconds"].append(run())
    return found


def wall(run: Callable[[], object]) -> float:
    """Return the seconds *run* takes."""
    begun = time.perf_counter()
    run()
    return time.perf_counter() - begun


def times(title: str, found: dict[str, Found], *, base: str) -> Report:
    """Return medians and spreads in ms, with ratios to the row *base*."""
    width = max(map(len, found))
    against = statistics.median(found[base]["seconds"])
    rounds = len(found[base]["seconds"])
    lines = [f"{title}  (median of {rounds}, lowest to highest, times {base})"]
    for name, metrics in found.items():
        values = metrics["seconds"]
        middle = statistics.median(values)
        lines.append(
            f"  {name:{width}}  {middle * 1e3:9.1f} ms"
            f"  [{min(values) * 1e3:.1f} to {max(values) * 1e3:.1f}]  {middle / against:5.2f}"
        )
    return Report("\n".join(lines), found)


def machine() -> str:
    """Return what this is measured on."""
    packages = ", ".join(
        f"{name} {version(name)}" for name in ("openai", "httptools", "uvloop", "anyio", "msgspec")
    )
    return f"Python {platform.python_version()}, {os.cpu_count()} cores, {packages}"
