"""`serve` as a person runs it."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from chatbots.model_names import DEFAULT_MODEL
from tests.cli.conftest import Runner
from tests.cli.running import Upstream, process


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


@contextmanager
def served() -> Generator[tuple[Popen[bytes], ClientConnection]]:
    """Run the server in a process of its own, and connect to it."""
    with process("-m", "cmd.server", "--port", "0") as child:
        assert child.stderr
        line = child.stderr.readline().decode()
        assert "serving http://" in line, line
        address = line.split("//")[1].split(",")[0]
        with connect(f"ws://{address}/ws") as client:
            yield child, client


def ask(client: ClientConnection, kind: str, **payload: object) -> Any:
    client.send(json.dumps({"type": kind, "request_id": "r1", "payload": payload}))
    return json.loads(client.recv(10))


@pytest.mark.slow
@pytest.mark.checklist(210)
@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM])
def test_an_end_mid_stream_loses_nothing_that_was_accepted_and_keeps_what_was_shown(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sign: signal.Signals
) -> None:
    monkeypatch.setenv("DB_PATH", str(tmp_path / "sessions.db"))
    asked = {"messages": [{"role": "user", "content": "A story!"}], "session_id": "s"}
    upstream.begin("Once ", "upon ")
    with served() as (child, client):
        frames = [ask(client, "chat_completion_stream", **asked)]
        while "upon " not in json.dumps(frames):
            frames.append(json.loads(client.recv(10)))
        child.send_signal(sign)
        assert child.wait(15) == (0 if sign == signal.SIGTERM else -signal.SIGKILL)
        if sign == signal.SIGTERM:
            news, last = (json.loads(client.recv(1)) for _ in range(2))
            assert (news["type"], last["error_code"]) == ("going_away", "going_away")
            assert last["data"] == {"done": True}
    with served() as (child, client):
        [turn] = ask(client, "session_history", session_id="s")["data"]["turns"]
        child.send_signal(signal.SIGTERM)
        assert child.wait(15) == 0
    assert turn["state"] == ("cancelled" if sign == signal.SIGTERM else "interrupted")
    said, *answer = turn["messages"]
    assert said == {"role": "user", "content": "A story!"}
    # What was shown in the last second may be lost, with the power cut.
    assert sign == signal.SIGKILL or answer[0]["content"] == "Once upon "
