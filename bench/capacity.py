"""How many streams of 50 tokens/s one core carries.

The client's process is pinned to one core, the upstream to another. The client keeps up with a
number of streams when, over 3 s with all of them running, it reads at least 99 % of the tokens
that are due, and 99 of 100 tokens at most 50 ms after they were due. Where the upstream is late
the client is, so what is said of a client is never more than it carries.
A number that it nearly keeps up with is tried a second time: a noisy moment is not its fault.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from typing import Final

from bench.environments import ROOT, interpreter, versions
from bench.hot import KEPT_UP, OURS, OURS_UV, SDK, SDK_UV, WAITED, Row
from bench.measure import Found, Report
from bench.search import most
from bench.serving import Upstream, upstream

RATE: Final = 50
SECONDS: Final = 3.0
LATE_MS: Final = 50.0
BUSY: Final = 90.0
"""Percent of its core from which the upstream may be what limits a client."""
TOP: Final = 4000
TRIES: Final = 2
CLOSE: Final = 0.95
"""A client that reads a smaller share than this needs no second try."""
SHOWN: Final = ("cpu_percent", "p50_ms", "p99_ms", "upstream_percent")

# Where the search begins, for each; it ends at the same number from anywhere.
ROWS: Final = {
    OURS_UV: 600,
    OURS: 450,
    SDK_UV: 120,
    SDK: 110,
    Row("sdk-aiohttp", "uvloop"): 140,
    Row("pydantic-ai", "uvloop"): 70,
    Row("aiohttp-orjson", "uvloop"): 600,
}
BRIEF: Final = {OURS_UV: 20, SDK: 20}
BASE: Final = SDK


def carried(row: Row, streams: int, served: Upstream, seconds: float) -> dict[str, float]:
    """Let a client on a core of its own read *streams*; return how it did.

    One that fails has not kept up; raises `RuntimeError` where it fails with a single stream.
    """
    what = ("steady", row.client, row.loop, served.url, f"steady:{RATE}:{RATE * 60}", str(streams))
    process = subprocess.Popen(
        [interpreter(row.client), "-m", "bench.reader", *what, str(served.process), str(seconds)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.sched_setaffinity(process.pid, {cores()[1]})
    out, err = process.communicate()
    if process.returncode and streams == 1:
        raise RuntimeError(f"{row} failed with one stream:\n{err[-2000:]}")
    if process.returncode:
        print(f"{row} failed with {streams} streams: {err.strip()[-300:]}", file=sys.stderr)
        return dict.fromkeys(("kept_up", *SHOWN, "waited_percent", "rss_mb"), 0.0)
    result: dict[str, float] = json.loads(out.splitlines()[-1])
    return result


def kept_up(result: dict[str, float]) -> bool:
    """Tell whether a client read enough of the tokens, and soon enough."""
    return result["kept_up"] >= KEPT_UP and result["p99_ms"] <= LATE_MS


def searched(row: Row, start: int, served: Upstream) -> Found:
    """Search the limit of a client; return it, and every try on the way."""
    found: Found = {}

    def holds(streams: int) -> bool:
        for _ in range(TRIES):
            result = carried(row, streams, served, SECONDS)
            for name, value in {"streams": streams, **result}.items():
                found.setdefault(f"tried_{name}", []).append(value)
            if kept_up(result) or result["kept_up"] < CLOSE:
                break
        return kept_up(result)

    good, bad = most(holds, start, TOP)
    return {"carried": [good], "not_carried": [bad], **found}


def cores() -> tuple[int, int]:
    """Return a core for the upstream and one for the client; raises `RuntimeError` on one core."""
    first, *others = sorted(os.sched_getaffinity(0))
    if not others:
        raise RuntimeError("The capacity of one core is measured from another: two are needed.")
    return first, others[-1]


def at_the_limit(found: Found) -> dict[str, float]:
    """Return how the client did with the most streams it kept up with."""
    tries = found["tried_streams"]
    last = len(tries) - 1 - tries[::-1].index(found["carried"][0])
    return {name: found[f"tried_{name}"][last] for name in SHOWN}


def limited(found: Found) -> bool:
    """Tell whether the client could have carried more, had the upstream or the search gone on."""
    if not found["carried"][0]:
        return False
    busy = at_the_limit(found)["upstream_percent"] > BUSY
    return busy or found["not_carried"][0] > TOP


def table(rows: dict[str, Found]) -> str:
    """Return the limits, where they lie between, and how busy both sides were there."""
    lines = [f"streams of {RATE} tokens/s on one core  [the fewest not kept up with], times {BASE}"]
    base = rows[str(BASE)]["carried"][0] if str(BASE) in rows else 0
    width = max(map(len, rows))
    for name, found in rows.items():
        good, bad = found["carried"][0], found["not_carried"][0]
        cells = [f"{good:5.0f} [{bad:.0f}]", f"{good / base:6.2f}" if base else ""]
        if good:
            cells += [f"{shown} {value:.1f}" for shown, value in at_the_limit(found).items()]
        if limited(found):
            cells.append("OR MORE")
        if disturbed(found) > WAITED:
            cells.append(f"DISTURBED: others had its core {disturbed(found):.0f} % of the time")
        lines.append(f"  {name:{width}} {'  '.join(cells)}")
    return "\n".join(lines)


def disturbed(found: Found) -> float:
    """Return the percent of the time that others had the client's core when it fell behind."""
    tries = zip(found["tried_streams"], found["tried_waited_percent"], strict=True)
    return min((w for streams, w in tries if streams == found["not_carried"][0]), default=0.0)


def report(*, smoke: bool) -> Report:
    """Search for every client; briefly, one try of 20 streams for us and the SDK."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit[1], limit[1]))
    rows: dict[str, Found] = {}
    asked = BRIEF if smoke else ROWS
    for row in asked:
        interpreter(row.client)
    with upstream() as served:
        os.sched_setaffinity(served.process, {cores()[0]})
        for row, start in asked.items():
            if smoke:
                rows[str(row)] = once(carried(row, start, served, 0.4), start)
            else:
                rows[str(row)] = searched(row, start, served)
    return Report(table(rows), rows, {row.client: versions(row.client) for row in asked})


def once(result: dict[str, float], streams: int) -> Found:
    """Return one try as if it had been a search."""
    found: Found = {"carried": [streams], "not_carried": [TOP + 1], "tried_streams": [streams]}
    return found | {f"tried_{name}": [value] for name, value in result.items()}
