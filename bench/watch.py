"""What a reader of streams costs once all of them run: CPU, delay, memory."""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path
from typing import NamedTuple

TOKEN = 17
"""Characters of a token: when it was written, in nanoseconds, and a space."""


class Mark(NamedTuple):
    """A moment of the steady part: seconds of CPU, of the clock and in the queue for a core,
    and the tokens read by then."""

    cpu: float
    wall: float
    waited: float
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
            self._marks.append(
                Mark(time.process_time(), time.perf_counter(), waited(), self.tokens)
            )
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
            "waited_percent": 100 * (last.waited - first.waited) / wall,
            "tokens_s": tokens / wall,
            "rss_mb": rss(),
        }
        if delays:
            found["p50_ms"] = statistics.median(delays)
            found["p99_ms"] = delays[int(len(delays) * 0.99)]
        return found


class Crowd:
    """Looks at many endless streams for some *seconds* while all of them run.

    They open one by one over the first half of that time, and have a quarter of it to settle.
    `seen` gets the time and the text of each piece. *due* tokens are due every second; *upstream*
    is the process that writes them.
    """

    def __init__(self, due: int, upstream: int, seconds: float) -> None:
        self.opening, self.settling, self.looking = seconds / 2, seconds / 4, seconds
        self.seen: list[tuple[int, str]] = []
        self._due = due
        self._upstream = upstream
        self._begun = (0, 0.0, 0.0, 0.0)

    def begin(self) -> None:
        """Look from now on."""
        self._begun = self._clocks()

    def result(self) -> dict[str, float]:
        """Return the share of the tokens that came, their delays in ms, and CPU in percent."""
        now = self._clocks()
        begun, ended = self._begun[0], now[0]
        cpu, in_queue, served = (b - a for a, b in zip(self._begun[1:], now[1:], strict=True))
        delays = sorted(
            (at - int(text[place : place + 16])) / 1e6
            for at, text in self.seen
            if begun <= at < ended
            for place in range(0, len(text), TOKEN)
        )
        seconds = (ended - begun) / 1e9
        return {
            "kept_up": len(delays) / (self._due * seconds),
            "p50_ms": statistics.median(delays) if delays else float("inf"),
            "p99_ms": delays[int(len(delays) * 0.99)] if delays else float("inf"),
            "cpu_percent": 100 * cpu / seconds,
            "waited_percent": 100 * in_queue / seconds,
            "upstream_percent": 100 * served / seconds,
            "rss_mb": rss(),
        }

    def _clocks(self) -> tuple[int, float, float, float]:
        return (
            time.perf_counter_ns(),
            time.process_time(),
            waited(),
            cpu_of(self._upstream),
        )


def cpu_of(process: int) -> float:
    """Return the CPU seconds that *process* has used (proc(5), fields 14 and 15 of stat)."""
    fields = Path(f"/proc/{process}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def waited() -> float:
    """Return the seconds this process was ready while others had its core (sched-stats.rst)."""
    return int(Path("/proc/self/schedstat").read_text("utf-8").split()[1]) / 1e9


def rss() -> float:
    """Return the megabytes this process has in memory now."""
    for line in Path("/proc/self/status").read_text("utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0
