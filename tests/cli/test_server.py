"""`serve` as a person runs it."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from websockets.sync.client import connect

from chatbots.model_names import DEFAULT_MODEL
from tests.cli.conftest import Runner
from tests.cli.running import Upstream


def listens(port: int) -> bool:
    with socket.socket() as tried:
        return not tried.connect_ex(("127.0.0.1", port))


def while_served(port: int, work: Callable[[], None]) -> threading.Thread:
    """Do *work* in a thread once something listens on *port*, then tell this process to end."""

    def run() -> None:
        try:
            while not listens(port):
                time.sleep(0.05)
            work()
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


@pytest.mark.checklist(225, 232, 252)
def test_it_says_where_it_is_and_serves_until_it_is_told_to_end(
    upstream: Upstream, run: Runner
) -> None:
    told: list[Any] = []
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    def client() -> None:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=10) as response:
            told.append(json.load(response))
        with connect(f"ws://127.0.0.1:{port}/ws") as ws:
            payload = {"messages": [{"role": "user", "content": "Hi"}]}
            frame = {"type": "chat_completion", "request_id": "r", "payload": payload}
            ws.send(json.dumps(frame))
            told.append(json.loads(ws.recv(10)))

    upstream.answer("Hello there.")
    thread = while_served(port, client)
    done = run("server", "--port", str(port))
    thread.join()
    where = f"127.0.0.1:{port}"
    told_where = f"chatbots: serving http://{where}, the socket is ws://{where}/ws\n"
    assert done == (0, "", told_where)
    health, answer = told
    assert health == {"status": "ok", "clients": 0}
    assert answer["data"]["choices"][0]["message"]["content"] == "Hello there."
    assert upstream.calls[0].json["model"] == DEFAULT_MODEL


@pytest.mark.checklist(230)
def test_without_a_key_it_says_what_is_missing(run: Runner) -> None:
    done = run("server", "--port", "0")
    assert (done.status, done.out) == (1, "")
    assert "Set OPENAI_API_KEY" in done.err


def test_beyond_this_machine_it_starts_for_those_it_knows_only(run: Runner) -> None:
    done = run("server", "--host", "0.0.0.0", "--port", "0")
    assert done.status == 2
    assert "tokens" in done.err
    assert "--insecure" in done.err


@pytest.mark.checklist(227)
def test_a_port_that_is_none_is_told(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVER_PORT", "70000")
    done = run("server")
    assert done.status == 1
    assert "SERVER_PORT" in done.err


def test_what_guards_it_may_be_unusable(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVER_ORIGINS", "example.com")
    done = run("server")
    assert done.status == 1
    assert "SERVER_ORIGINS" in done.err


@pytest.mark.checklist(230)
def test_without_anybody_to_ask_it_says_what_is_missing(run: Runner) -> None:
    done = run("server", "--port", "0")
    assert done.status == 1
    assert "OPENAI_API_KEY" in done.err
