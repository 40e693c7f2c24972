"""What a reader of streams costs once all of them run: CPU, delay, memory."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import NamedTuple

TOKEN = 17
"""Characters of a token: when it was written, in nanoseconds, and a space."""


class Mark(NamedTuple):
    """A moment of the steady part: CPU and wall seconds, and the tokens read by then."""

    cpu: float
    wall: float
    tokens: int


class Watch:
    """Counts tokens, and looks at the clocks at 20 % and at 90 % of them.

    Between the two no stream begins and none ends.
    `seen` gets the time and the text of each piece; it is read afterwards.
    """

    def __init__(self, total: int) -> None:
        self.tokens = 0
        self.seen: list[tuple[int, str]] = []
        self._first = int(total * 0.2)
        self._last = int(total * 0.9)
        self._marks: list[Mark] = []
        self._next = self._first

    def count(self, tokens: int) -> None:
        """Note that *tokens* more have come."""
        self.tokens += tokens
        if self.tokens >= self._next:
            self._marks.append(Mark(time.process_time(), time.perf_counter(), self.tokens))
            self._next = self._last if len(self._marks) == 1 else 1 << 62

    def result(self) -> dict[str, float]:
        """Return the CPU of a token in us and in percent of a core, and the delays in ms."""
        first, last = self._marks[:2]
        cpu, wall = last.cpu - first.cpu, last.wall - first.wall
        tokens = last.tokens - first.tokens
        delays = sorted(
            (at - int(text[:16])) / 1e6 for at, text in self.seen[len(self.seen) // 5 :]
        )
        found = {
            "cpu_us": cpu / tokens * 1e6,
            "cpu_percent": 100 * cpu / wall,
            "tokens_s": tokens / wall,
            "rss_mb": rss(),
        }
        if delays:
            found["p50_ms"] = statistics.median(delays)
            found["p99_ms"] = delays[int(len(delays) * 0.99)]
        return found


def rss() -> float:
    """Return the megabytes this process has in memory now."""
    for line in Path("/proc/self/status").read_text("utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0
