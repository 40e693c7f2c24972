"""What a realtime event costs, text and audio, coming and going: ours, the SDK's, and the floor.

Every client is a process of its own, and so is the server; they take turns, round by round.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from bench.environments import ROOT, versions
from bench.measure import Found, Report

ROUNDS: Final = 3
CLIENTS: Final = ("floor", "ours", "ours-aiohttp", "sdk")
LOOPS: Final = ("asyncio", "uvloop")


class Task(NamedTuple):
    """What is measured: with which model of `talker.py`, and of how many pieces."""

    title: str
    model: str
    pieces: int


FULL: Final = (
    Task("an event of text, as fast as it comes", "text:40000", 40_000),
    Task("an event of text, 1,000 a second", "paced:4000:1000", 4_000),
    Task("100 ms of audio coming, one hour of it", "audio:36000", 36_000),
    Task("100 ms of audio going", "sink", 10_000),
)
SMOKE: Final = (
    Task(FULL[0].title, "text:4000", 4_000),
    Task("100 ms of audio coming", "audio:600", 600),
    Task(FULL[3].title, "sink", 600),
)


@contextmanager
def talker() -> Iterator[str]:
    """Run the server in a process of its own; yield its URL."""
    command = [sys.executable, "-m", "bench.talker"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        if process.stdout is None:
            raise RuntimeError("The server has no pipe.")
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}/v1"
        finally:
            process.terminate()


def ran(client: str, loop: str, url: str, task: Task) -> dict[str, float]:
    """Run one client; raises `RuntimeError` with its last words."""
    what = (client, loop, url, task.model, str(task.pieces))
    done = subprocess.run(
        [sys.executable, "-m", "bench.talking", *what],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{client} failed at {task.title}:\n{done.stderr[-2000:]}")
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def table(task: Task, found: dict[str, Found]) -> str:
    """Return medians and spreads, and how often each fits into what the SDK takes."""
    lines = [f"{task.title}  (median of {rounds(found)} [lowest to highest], the SDK's over it)"]
    for name, values in found.items():
        cpu = values["cpu_us"]
        loop = name.rpartition(", ")[2]
        sdk = statistics.median(found[f"sdk, {loop}"]["cpu_us"])
        lines.append(
            f"  {name:21} {sdk / statistics.median(cpu):5.1f}  "
            f"cpu_us {statistics.median(cpu):.1f} [{min(cpu):.1f} to {max(cpu):.1f}]  "
            f"rss_mb {statistics.median(values['rss_mb']):.0f}  "
            f"growth_mb {statistics.median(values['growth_mb']):.1f}"
        )
    return "\n".join(lines)


def rounds(found: dict[str, Found]) -> int:
    """Return how often each was run."""
    return min(len(values["cpu_us"]) for values in found.values())


def report(*, smoke: bool) -> Report:
    """Measure every task, and return the tables."""
    loops = LOOPS[:1] if smoke else LOOPS
    texts: list[str] = []
    rows: dict[str, Found] = {}
    with talker() as url:
        for task in SMOKE if smoke else FULL:
            found: dict[str, Found] = {
                f"{client}, {loop}": {} for loop in loops for client in CLIENTS
            }
            for _ in range(1 if smoke else ROUNDS):
                for name, values in found.items():
                    client, _, loop = name.partition(", ")
                    for metric, value in ran(client, loop, url, task).items():
                        values.setdefault(metric, []).append(value)
            texts.append(table(task, found))
            rows |= {f"{task.title}: {name}": values for name, values in found.items()}
    return Report("\n\n".join(texts), rows, {"realtime": versions("sdk")})
