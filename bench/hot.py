"""What a streamed token costs, and a turn with a tool, from a bare epoll loop to the frameworks.

Every run is a process of its own; those of one comparison take turns, round by round.
A peer takes part in the first rounds only and on the faster loop, uvloop, to save time.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import tempfile
from pathlib import Path
from typing import Final, NamedTuple

from bench.environments import ROOT, interpreter, versions
from bench.measure import Found, Report
from bench.serving import certificate_for_loopback, upstream

ROUNDS: Final = 5
PEER_ROUNDS: Final = 3
KEPT_UP: Final = 0.99
"""A client that reads a smaller share of the tokens in time is overloaded."""
WORKING: Final = 80.0
"""Percent of a core that a client uses at least when it is overloaded."""
WAITED: Final = 10.0
"""Percent of the time that a client waits for its core, from which the machine is too busy."""


class Row(NamedTuple):
    """A run: which client, on which event loop."""

    client: str
    loop: str
    rounds: int = ROUNDS

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

    @property
    def due(self) -> int:
        """How many tokens are due every second; 0 for as many as can be read."""
        kind, rate, *_ = self.model.split(":")
        return int(rate) * self.streams if kind == "paced" else 0


FLOOR, OURS, OURS_UV = Row("floor", "-"), Row("ours", "asyncio"), Row("ours", "uvloop")
SDK, SDK_UV = Row("sdk", "asyncio"), Row("sdk", "uvloop")
US = (OURS, OURS_UV)
BOTH = (*US, SDK, SDK_UV)
PEERS = tuple(
    Row(peer, "uvloop", PEER_ROUNDS)
    for peer in (
        *("aiohttp-orjson", "sdk-aiohttp", "llm"),
        *("openai-agents", "langchain-openai", "pydantic-ai", "litellm"),
    )
)
AGENTS = tuple(peer for peer in PEERS if peer.client in ("openai-agents", "pydantic-ai"))
PACED = ("cpu_us", "cpu_percent", "p50_ms", "p99_ms")
FIRST = ("first_us", "cpu_us")
TURN = ("cpu_us",)
MEMORY = ("early_mb", "late_mb", "growth_mb")

FULL: Final = {
    "paced": Comparison(
        "50 streams of 100 tokens/s", "streams", "paced:100:250", 50, (FLOOR, *BOTH, *PEERS), PACED
    ),
    "paced-200": Comparison(
        "200 streams of 100 tokens/s", "streams", "paced:100:200", 200, (FLOOR, *US), PACED
    ),
    "burst": Comparison(
        "as fast as it comes, 10 streams", "streams", "burst:1500", 10, (*BOTH, *PEERS), PACED[:1]
    ),
    "first": Comparison("first token", "first", "burst:1", 1, (*BOTH, *PEERS), FIRST),
    "long": Comparison("first token, 200 messages", "long", "burst:1", 1, BOTH[:3], FIRST),
    "tools": Comparison(
        "a turn with a call of an async tool", "tools", "calls:1", 1, (*BOTH, *AGENTS), TURN
    ),
    "plain-tools": Comparison(
        "a turn with a call of a plain tool", "plain-tools", "calls:1", 1, (*BOTH, *AGENTS), TURN
    ),
    "tls": Comparison("50 streams over TLS", "streams", "paced:100:250", 50, US, PACED, tls=True),
    "slow": Comparison("a slow reader of 100,000 tokens", "slow", "burst:100000", 1, US, MEMORY),
}
SMOKE: Final = {
    "paced": FULL["paced"]._replace(model="paced:100:40", rows=(FLOOR, *US, SDK)),
    "burst": FULL["burst"]._replace(model="burst:1000", rows=(OURS, SDK)),
    "tools": FULL["tools"]._replace(rows=(OURS, SDK)),
    "plain-tools": FULL["plain-tools"]._replace(rows=(OURS, SDK)),
}


def ran(row: Row, comparison: Comparison, url: str, trusted: Path) -> dict[str, float]:
    """Run one client in a process of its own; raises `RuntimeError` with its last words."""
    what = (comparison.task, row.client, row.loop, url, comparison.model, str(comparison.streams))
    done = subprocess.run(
        [interpreter(row.client), "-m", "bench.reader", *what],
        cwd=ROOT,
        env=os.environ | ({"SSL_CERT_FILE": str(trusted)} if comparison.tls else {}),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{row} failed in {comparison.title}:\n{done.stderr[-2000:]}")
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def compared(comparison: Comparison, rounds: int) -> dict[Row, Found]:
    """Let the rows take turns, for at most *rounds*."""
    found: dict[Row, Found] = {row: {} for row in comparison.rows}
    for row in comparison.rows:
        interpreter(row.client)
    with tempfile.TemporaryDirectory() as folder:
        own = certificate_for_loopback(Path(folder) / "own.pem")
        with upstream(own if comparison.tls else None) as (url, _):
            for number in range(rounds):
                for row in comparison.rows:
                    if number < row.rounds:
                        for name, value in ran(row, comparison, url, own).items():
                            found[row].setdefault(name, []).append(value)
    return found


def table(comparison: Comparison, found: dict[Row, Found]) -> str:
    """Return medians, spreads, and ratios of the first column to the first row."""
    first = comparison.shown[0]
    base = statistics.median(found[comparison.rows[0]][first])
    rounds = len(found[comparison.rows[0]][first])
    lines = [f"{comparison.title}  (median of {rounds} [lowest to highest], times the first row)"]
    width = max(len(str(row)) for row in found)
    for row, values in found.items():
        cells = [
            f"{name} {statistics.median(values[name]):.1f}"
            f" [{min(values[name]):.1f} to {max(values[name]):.1f}]"
            for name in comparison.shown
            if name in values
        ]
        cells += marks(comparison, values)
        if len(values[first]) < rounds:
            cells.append(f"(of {len(values[first])})")
        ratio = statistics.median(values[first]) / base
        lines.append(f"  {row!s:{width}} {ratio:6.2f}  {'  '.join(cells)}")
    return "\n".join(lines)


def behind(comparison: Comparison, found: Found) -> bool:
    """Tell whether the client read too few of the tokens that were due in the steady part."""
    return comparison.due > 0 and share_read(comparison, found) < KEPT_UP


def share_read(comparison: Comparison, found: Found) -> float:
    """Return the share of the tokens due that was read, of a comparison in which they are."""
    return statistics.median(found["tokens_s"]) / comparison.due


def overloaded(comparison: Comparison, found: Found) -> bool:
    """Tell whether the client fell behind by its own doing: it had its core, and used it."""
    return behind(comparison, found) and statistics.median(found["cpu_percent"]) > WORKING


def disturbed(comparison: Comparison, found: Found) -> bool:
    """Tell whether others had the client's core, or the upstream's, for too long."""
    waited = statistics.median(found.get("waited_percent", [0.0]))
    return waited > WAITED or (behind(comparison, found) and not overloaded(comparison, found))


def marks(comparison: Comparison, found: Found) -> list[str]:
    """Return what is to be known of a row beside its numbers."""
    marks: list[str] = []
    if behind(comparison, found):
        why = "OVERLOADED: " if overloaded(comparison, found) else ""
        marks.append(f"{why}read {share_read(comparison, found):.0%} in time")
    if disturbed(comparison, found):
        marks.append("DISTURBED: others had its core or the upstream's")
    return marks


def report(name: str, *, smoke: bool) -> Report:
    """Measure the comparison called *name* and return its table."""
    comparison = (SMOKE if smoke else FULL)[name]
    found = compared(comparison, 1 if smoke else ROUNDS)
    return Report(
        table(comparison, found),
        {str(row): values for row, values in found.items()},
        {row.client: versions(row.client) for row in comparison.rows},
    )
