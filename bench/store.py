"""How many turns a second are kept, how soon the newest are read, and what that costs a bot.

A turn is two commits, each on the disk before it is acknowledged: what was asked, what was
answered; the newest 20 messages are read between them. Each client has an interpreter and a file
of its own, and takes turns with the others.
"""

from __future__ import annotations

import json
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from bench import serving_store
from bench.environments import ROOT, interpreter, versions
from bench.measure import Found, Report

OURS: Final = "ours"
PEERS: Final = ("openai-agents", "langgraph")
SESSIONS: Final = 64
MANY: Final = 1_000_000
# LangGraph keeps the whole conversation in each step: a million messages are more than it holds.
FEWER: Final = {"langgraph": 10_000}


def result(client: str, task: str, many: int, long: float) -> dict[str, float]:
    """Let the store of *client* work in a process of its own; raises `RuntimeError`."""
    name = client.replace("-", "_")
    command: list[str | Path] = [interpreter(client), "-m", "bench.storing", name, task]
    command += [str(many), str(long)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"The store of {client} failed:\n{done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def gather(rows: dict[str, Found], name: str, found: Mapping[str, float]) -> None:
    """Add what a run found to a row."""
    for what, value in found.items():
        rows.setdefault(name, {}).setdefault(what, []).append(value)


def report(*, smoke: bool) -> Report:
    """Measure and return the table."""
    clients = (OURS,) if smoke else (OURS, *PEERS)
    seconds, messages, reads = (1.0, 100_000, 50) if smoke else (5.0, MANY, 300)
    rows: dict[str, Found] = {}
    for _ in range(1 if smoke else 3):
        for client in clients:
            gather(rows, client, result(client, "turns", SESSIONS, seconds))
        for name, found in serving_store.costs(seconds=seconds).items():
            gather(rows, name, found)
    for client in clients:
        many = min(messages, FEWER.get(client, messages))
        gather(rows, client, result(client, "last", many, reads if client == OURS else reads // 10))
    told = {} if smoke else {peer: versions(peer) for peer in PEERS}
    return Report("\n".join(lines(rows, clients)), rows, told)


def lines(rows: Mapping[str, Found], clients: Sequence[str]) -> list[str]:
    """Return the tables as text."""
    middle = {
        name: {what: statistics.median(found) for what, found in row.items()}
        for name, row in rows.items()
    }
    ours = middle[OURS]
    text = [f"turns kept on the disk, {SESSIONS} sessions at once  (times what {OURS} does)"]
    for client in clients:
        row = middle[client]
        ratio = ours["turns_per_second"] / row["turns_per_second"]
        text.append(
            f"  {client:14} {row['turns_per_second']:7,.0f} turns/s  p99 {row['p99_ms']:7.1f} ms"
            f"  {row['cpu_us']:6,.0f} us of CPU a turn  {ratio:5.1f}"
        )
    text += ["", "the newest 20 of many messages"]
    for client in clients:
        row = middle[client]
        reader = f", {row['reader_us']:.0f} us in its reader" if "reader_us" in row else ""
        text.append(
            f"  {client:14} {row['last_us']:9,.0f} us of {row['messages']:9,.0f}{reader}"
            f"  {row['last_us'] / ours['last_us']:5.1f}"
        )
    kept, gone = middle["sqlite"], middle["memory"]
    text += [
        "",
        f"a bot that streams, {SESSIONS} sessions at once",
        f"  what SQLite adds to a turn      {kept['cpu_us'] - gone['cpu_us']:6,.0f} us of CPU",
        f"  the loop's longest stall        {kept['stall_ms']:6.1f} ms",
        f"  the same with sessions in memory{gone['stall_ms']:6.1f} ms",
    ]
    return text
