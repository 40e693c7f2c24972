"""A server of chats in a process of its own: ours, or what a user would write instead of it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from bench.environments import ROOT, interpreter
from chatbots.server.tokens import TokenFile

PEER: Final = "fastapi"
PATIENCE: Final = 60.0
"""Seconds a server may take to start."""

UNLIMITED: Final = dict.fromkeys(
    ("SERVER_RATE", "SERVER_BURST", "SERVER_USER_SOCKETS", "SERVER_USER_STREAMS"), "1000000000"
)


class Host(NamedTuple):
    """Where a server listens, its process, and a token that it takes."""

    port: int
    process: int
    token: str


@contextmanager
def host(client: str, upstream: str) -> Iterator[Host]:
    """Run the server of *client*, which asks *upstream*.

    Raises `RuntimeError` with its last words where it does not start.
    """
    with tempfile.TemporaryDirectory() as folder:
        tokens = TokenFile(Path(folder) / "tokens")
        token, port = tokens.add("bench"), free_port()
        env = os.environ | UNLIMITED | {"OPENAI_API_KEY": "sk-bench", "OPENAI_BASE_URL": upstream}
        env |= {"DB_TYPE": "memory", "SERVER_TOKENS_FILE": str(tokens.path)}
        module = ["bench.clients.fastapi_host"] if client == PEER else ["cmd.server", "--port"]
        command = [str(interpreter(client)), "-m", *module, str(port)]
        said = Path(folder) / "said"
        with (
            said.open("wb") as words,
            subprocess.Popen(command, cwd=ROOT, env=env, stdout=words, stderr=words) as process,
        ):
            try:
                _wait(process, port, said)
                yield Host(port, process.pid, token)
            finally:
                process.terminate()


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


def _wait(process: subprocess.Popen[bytes], port: int, said: Path) -> None:
    until = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < until:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as one:
                one.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                if one.recv(1):  # a port may take connections long before somebody answers
                    return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"The server does not start:\n{said.read_text('utf-8')[-2000:]}")


def visit(*what: object, inherit: int | None = None) -> subprocess.Popen[str]:
    """Start `visiting.py`, which prints what it found; *inherit* is a socket's number."""
    return subprocess.Popen(
        [sys.executable, "-m", "bench.visiting", *map(str, what)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        pass_fds=() if inherit is None else (inherit,),
    )
