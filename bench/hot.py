"""What a streamed token costs, from a bare epoll loop to the SDK's own typed loop.

Every run is a process of its own; those of one comparison take turns, round by round.
The goals are those of `docs/hot-path.md`; the raw numbers go to `bench/results/`.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

from bench.measure import machine
from bench.serving import certificate_for_loopback, upstream

RESULTS: Final = Path(__file__).with_name("results")

Found: TypeAlias = dict[str, list[float]]


class Row(NamedTuple):
    """A run: which client, on which event loop."""

    client: str
    loop: str

    def __str__(self) -> str:
        return self.client if self.client == "floor" else f"{self.client}, {self.loop}"


class Comparison(NamedTuple):
    """Runs that take turns, and the row that is 1."""

    title: str
    task: str
    model: str
    streams: int
    rows: tuple[Row, ...]
    shown: tuple[str, ...]
    tls: bool = False


FLOOR, OURS, OURS_UV = Row("floor", "-"), Row("ours", "asyncio"), Row("ours", "uvloop")
SDK, SDK_UV = Row("sdk", "asyncio"), Row("sdk", "uvloop")
ALL = (FLOOR, OURS, OURS_UV, SDK, SDK_UV)
PACED = ("cpu_us", "cpu_percent", "p50_ms", "p99_ms")

FULL: Final = (
    Comparison("50 streams of 100 tokens/s", "streams", "paced:100:300", 50, ALL, PACED),
    Comparison("200 streams of 100 tokens/s", "streams", "paced:100:200", 200, ALL[:3], PACED),
    Comparison("as fast as it comes, 10 streams", "streams", "burst:5000", 10, ALL[1:], PACED[:1]),
    Comparison("first token", "first", "burst:1", 1, ALL[1:], ("first_us", "cpu_us")),
    Comparison("first token, 200 messages", "long", "burst:1", 1, ALL[1:], ("first_us", "cpu_us")),
    Comparison(
        "50 streams over TLS", "streams", "paced:100:300", 50, (OURS, OURS_UV), PACED, tls=True
    ),
    Comparison(
        "a slow reader of 100,000 tokens",
        "slow",
        "burst:100000",
        1,
        (OURS, OURS_UV),
        ("early_mb", "late_mb", "growth_mb"),
    ),
)
SMOKE: Final = (
    Comparison("50 streams of 100 tokens/s", "streams", "paced:100:40", 50, ALL[:4], PACED),
    Comparison("as fast as it comes", "streams", "burst:1000", 10, (OURS, SDK), PACED[:1]),
)


def measured(row: Row, comparison: Comparison, url: str, trusted: Path) -> dict[str, float]:
    """Run one client in a process of its own."""
    what = (comparison.task, row.client, row.loop, url, comparison.model, str(comparison.streams))
    done = subprocess.run(
        [sys.executable, "-m", "bench.reader", *what],
        env=os.environ | ({"SSL_CERT_FILE": str(trusted)} if comparison.tls else {}),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{row} failed in {comparison.title}:\n{done.stderr[-2000:]}")
    result: dict[str, float] = json.loads(done.stdout)
    return result


def compared(comparison: Comparison, rounds: int) -> dict[Row, Found]:
    """Let the rows take turns."""
    found: dict[Row, Found] = {row: {} for row in comparison.rows}
    with tempfile.TemporaryDirectory() as folder:
        own = certificate_for_loopback(Path(folder) / "own.pem")
        with upstream(own if comparison.tls else None) as url:
            for _ in range(rounds):
                for row in comparison.rows:
                    for name, value in measured(row, comparison, url, own).items():
                        found[row].setdefault(name, []).append(value)
    return found


def table(comparison: Comparison, found: dict[Row, Found]) -> str:
    """Return medians, spreads, and ratios of the first column to the first row."""
    first = comparison.shown[0]
    base = statistics.median(found[comparison.rows[0]][first])
    rounds = len(found[comparison.rows[0]][first])
    lines = [f"{comparison.title}  (median of {rounds} [lowest to highest], times the first row)"]
    for row, values in found.items():
        cells = [
            f"{name} {statistics.median(values[name]):.1f}"
            f" [{min(values[name]):.1f} to {max(values[name]):.1f}]"
            for name in comparison.shown
            if name in values
        ]
        ratio = statistics.median(values[first]) / base
        lines.append(f"  {row!s:14} {ratio:6.2f}  {'  '.join(cells)}")
    return "\n".join(lines)


def report(*, smoke: bool) -> str:
    """Measure and return the tables; the full run keeps its raw numbers."""
    tables: list[str] = []
    raw: dict[str, object] = {"machine": machine()}
    for comparison in SMOKE if smoke else FULL:
        found = compared(comparison, 1 if smoke else 5)
        tables.append(table(comparison, found))
        raw[comparison.title] = {str(row): values for row, values in found.items()}
    if not smoke:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "hot.json").write_text(json.dumps(raw, indent=1) + "\n", "utf-8")
    return "\n\n".join(tables)
