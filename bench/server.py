"""The server: what a socket costs that waits, and a token that streams, beside FastAPI and the SDK.

Server, clients and upstream are processes of their own.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from bench.environments import ROOT, interpreter, versions
from bench.measure import Found, Report
from bench.serving import upstream

ROUNDS: Final = 3
OURS: Final = "ours"
PEER: Final = "fastapi"


class Size(NamedTuple):
    """How much is tried."""

    sockets: int
    connects: int
    streams: int
    tokens: int


FULL: Final = Size(sockets=5000, connects=20_000, streams=300, tokens=300)
SMOKE: Final = Size(sockets=100, connects=500, streams=10, tokens=30)
RATE: Final = 50


class Served(NamedTuple):
    """A server that runs: its port, its process, and a token of a user of it."""

    port: int
    process: int
    token: str


@contextmanager
def served(server: str, base_url: str) -> Iterator[Served]:
    """Run a *server* on a free port; of ours, one that wants a token."""
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
        free.close()
        given = {
            "OPENAI_BASE_URL": base_url,
            "DB_TYPE": "memory",
            "SERVER_TOKENS_FILE": f"{folder}/tokens",
            "SERVER_USER_SOCKETS": "100000",
            "SERVER_USER_STREAMS": "100000",
            "SERVER_RATE": "1000000",
            "SERVER_BURST": "1000000",
        }
        environment = os.environ | given
        token = ""
        if server == OURS:
            add = [sys.executable, "-m", "chatbots", "tokens", "add", "bench"]
            made = subprocess.run(
                add, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
            )
            token = made.stdout.split()[-1]
            command = [sys.executable, "-m", "cmd.server", "--port", str(port)]
        else:
            command = [str(interpreter(server)), "-m", "bench.peer_server", base_url, str(port)]
        with subprocess.Popen(
            command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL
        ) as process:
            try:
                _wait_for(port, process)
                yield Served(port, process.pid, token)
            finally:
                process.terminate()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("The server did not start.")


def asked(task: str, at: Served, *words: object) -> dict[str, float]:
    """Have the clients do a *task*; raises `RuntimeError` with their last words."""
    what = [task, str(at.port), str(at.process), *map(str, words)]
    done = subprocess.run(
        [sys.executable, "-m", "bench.crowd", *what],
        cwd=ROOT,
        env=os.environ | {"TOKEN": at.token},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{task} failed:\n{done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def report(*, smoke: bool) -> Report:
    """Measure, and return the tables."""
    size = SMOKE if smoke else FULL
    servers = (OURS,) if smoke else (OURS, PEER)
    rows: dict[str, Found] = {}

    def note(row: str, found: dict[str, float]) -> None:
        for name, value in found.items():
            rows.setdefault(row, {}).setdefault(name, []).append(value)

    with upstream() as (url, _):
        with served(OURS, url) as at:
            note("idle", asked("idle", at, size.sockets))
        with served(OURS, url) as at:
            note("reconnects", asked("reconnects", at, size.connects))
        for _ in range(1 if smoke else ROUNDS):
            for server in servers:
                with served(server, url) as at:
                    model = f"paced:{RATE}:{size.tokens}"
                    note(server, asked("streams", at, size.streams, model, size.tokens))
    return Report(_text(size, rows), rows, {} if smoke else {PEER: versions(PEER)})


def _text(size: Size, rows: dict[str, Found]) -> str:
    titles = {
        "idle": f"{size.sockets:,} sockets of a user that wait",
        "reconnects": f"{size.connects:,} connects, fifty at once",
        **dict.fromkeys((OURS, PEER), f"{size.streams} streams of {RATE} tokens/s"),
    }
    lines = []
    for row, found in rows.items():
        values = "  ".join(
            f"{name} {statistics.median(each):.1f} [{min(each):.1f} to {max(each):.1f}]"
            for name, each in found.items()
        )
        lines.append(f"  {titles[row]}, {row}: {values}")
    return "\n".join(["the server  (medians, lowest to highest)", *lines])
