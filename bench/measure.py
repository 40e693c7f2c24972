"""Runs that take turns, and what came of them: medians, spreads, ratios."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import TypeAlias

Samples: TypeAlias = dict[str, list[float]]


def interleaved(runs: Mapping[str, Callable[[], float]], rounds: int) -> Samples:
    """Call each of *runs* once a round, so that a noisy minute hits them all; one is a warm-up."""
    samples: Samples = {name: [] for name in runs}
    for run in runs.values():
        run()
    for _ in range(rounds):
        for name, run in runs.items():
            samples[name].append(run())
    return samples


def wall(run: Callable[[], object]) -> float:
    """Return the seconds *run* takes."""
    begun = time.perf_counter()
    run()
    return time.perf_counter() - begun


def table(title: str, samples: Samples, *, base: str, unit: str = "ms", scale: float = 1e3) -> str:
    """Return a table of medians and spreads, with ratios to the row *base*."""
    width = max(map(len, samples))
    against = statistics.median(samples[base])
    lines = [f"{title}  (median of {len(samples[base])}, lowest to highest, times {base})"]
    for name, values in samples.items():
        middle = statistics.median(values)
        lines.append(
            f"  {name:{width}}  {middle * scale:9.1f} {unit}"
            f"  [{min(values) * scale:.1f} to {max(values) * scale:.1f}]  {middle / against:5.2f}"
        )
    return "\n".join(lines)


def machine() -> str:
    """Return what this is measured on."""
    packages = ", ".join(
        f"{name} {version(name)}" for name in ("openai", "httptools", "uvloop", "anyio", "msgspec")
    )
    return f"Python {platform.python_version()}, {os.cpu_count()} cores, {packages}"
