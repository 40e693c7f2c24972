"""What a good client waits for the server while another abuses it.

The server, its upstream, the abuser and the good client are a process each. The good client is
measured alone and beside the abuser, in turns, so that a noisy minute hits both.
"""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from websockets.sync.client import ClientConnection, connect

from bench.abuser import KINDS
from bench.environments import ROOT
from bench.measure import Found, Report
from bench.serving import upstream
from chatbots.server.tokens import TokenFile

EACH: Final = 20
"""Questions of one good client: as many as it may ask at once."""
ASKED: Final = 15 * EACH
ROUNDS: Final = 3
BRIEF: Final = EACH
STARTED: Final = 2.0
"""Seconds an abuser has to be at full speed."""
MODEL: Final = "burst:20"


class Served(NamedTuple):
    """Where the server listens, and who may make tokens for it."""

    port: int
    file: TokenFile


@contextmanager
def served() -> Iterator[Served]:
    """Run the server as it is shipped, with its limits, in a process of its own."""
    with tempfile.TemporaryDirectory() as name, upstream() as model:
        file = TokenFile(Path(name) / "tokens")
        file.add("nobody")
        variables = {
            "OPENAI_BASE_URL": model.url,
            "OPENAI_API_KEY": "none",
            "PYTHONPATH": str(ROOT),
            "SERVER_TOKENS_FILE": str(file.path),
            "DB_PATH": str(Path(name) / "sessions.db"),
        }
        with subprocess.Popen(
            [sys.executable, "-m", "chatbots", "serve", "--port", "0"],
            cwd=name, env=variables, stderr=subprocess.PIPE, text=True,
        ) as process:  # fmt: skip
            if process.stderr is None:
                raise RuntimeError("The server has no standard error.")
            said = process.stderr.readline()
            port = re.search(r":(\d+)/ws", said)
            if port is None:
                raise RuntimeError(f"The server did not start: {said}")
            try:
                yield Served(int(port[1]), file)
            finally:
                process.kill()


@contextmanager
def abused(kind: str, server: Served) -> Iterator[None]:
    """Have the server abused meanwhile."""
    token = server.file.add("eve")
    with subprocess.Popen(
        [sys.executable, "-m", "bench.abuser", kind, str(server.port), token], cwd=ROOT
    ) as process:
        try:
            time.sleep(STARTED)
            yield
        finally:
            process.kill()


def waited(server: Served, asked: int) -> list[float]:
    """Return how long good clients waited for each answer's first piece, in milliseconds."""
    address = f"ws://127.0.0.1:{server.port}/ws"
    with ExitStack() as held:
        sockets = []
        for _ in range(asked // EACH):
            headers = {"Authorization": f"Bearer {server.file.add(f'ada{time.monotonic_ns()}')}"}
            opened = connect(address, additional_headers=headers, compression=None, open_timeout=30)
            sockets.append(held.enter_context(opened))
        return [1e3 * first_piece(one, f"r{n}") for one in sockets for n in range(EACH)]


def first_piece(socket: ClientConnection, request_id: str) -> float:
    """Return the seconds until an answer begins; read it to its end."""
    payload = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}]}
    asked = {"type": "chat_completion_stream", "request_id": request_id, "payload": payload}
    begun, first = time.perf_counter(), 0.0
    socket.send(json.dumps(asked))
    while True:
        frame = json.loads(socket.recv(timeout=30))
        first = first or time.perf_counter() - begun
        if "error" in frame:
            raise RuntimeError(f"The good client is refused: {frame['error']}")
        if frame["data"].get("done"):
            return first


def percentile(values: list[float], share: float) -> float:
    """Return the value that *share* of the values do not exceed."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def report(*, smoke: bool) -> Report:
    """Measure every abuse."""
    rows: dict[str, Found] = {}
    with served() as server:
        waited(server, BRIEF)
        for kind in KINDS:
            found: Found = {"alone_p50": [], "alone_p99": [], "beside_p50": [], "beside_p99": []}
            for _ in range(1 if smoke else ROUNDS):
                add(found, "alone", waited(server, BRIEF if smoke else ASKED))
                with abused(kind, server):
                    add(found, "beside", waited(server, BRIEF if smoke else ASKED))
            rows[kind] = found
    return Report(table(rows), rows)


def add(found: Found, when: str, values: list[float]) -> None:
    """Take in what one measurement found."""
    found[f"{when}_p50"].append(percentile(values, 0.5))
    found[f"{when}_p99"].append(percentile(values, 0.99))


def table(rows: dict[str, Found]) -> str:
    """Return medians, and how many times longer a good client waits beside each abuser."""
    rounds = len(next(iter(rows.values()))["alone_p99"])
    lines = [
        f"the first piece of an answer, alone and beside an abuser, ms (median of {rounds})",
        f"  {'':12}  {'p50 alone':>9}  {'beside':>7}  {'p99 alone':>9}  {'beside':>7}  times",
    ]
    for kind, found in rows.items():
        alone, with_it, alone99, with99 = (statistics.median(found[name]) for name in (
            "alone_p50", "beside_p50", "alone_p99", "beside_p99"))  # fmt: skip
        lines.append(
            f"  {kind:12}  {alone:9.1f}  {with_it:7.1f}  {alone99:9.1f}  {with99:7.1f}"
            f"  {with99 / alone99:5.2f}"
        )
    return "\n".join(lines)
