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
from starlette.testclient import TestClient
from websockets.sync.client import ClientConnection, connect

from chatbots.app import Chatbots
from chatbots.cli.server import main
from chatbots.model_names import DEFAULT_MODEL
from chatbots.settings import Settings
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
            for _ in range(2):
                ws.send(json.dumps(frame))
                told.append(json.loads(ws.recv(10)))

    upstream.answer("Hello there.")
    upstream.answer(status=401, error="Not with this key.")
    thread = while_served(port, client)
    done = run("server", "--port", str(port))
    thread.join()
    where = f"127.0.0.1:{port}"
    told_where = f"chatbots: serving http://{where}, the socket is ws://{where}/ws\n"
    assert (done.status, done.out) == (0, "")
    logged = done.err.removeprefix(told_where).splitlines()
    assert [json.loads(line)["event"] for line in logged] == ["request.error", "server.trouble"]
    assert "Not with this key." in logged[1]
    health, answer, refused = told
    assert "Not with this key." not in refused["error"]
    assert health == {"status": "ok", "clients": 0}
    assert answer["data"]["choices"][0]["message"]["content"] == "Hello there."
    asked = upstream.calls[0].json
    assert asked["model"] == DEFAULT_MODEL
    assert not {"max_tokens", "max_completion_tokens", "temperature"} & asked.keys()


DEFAULTS = {
    "SERVER_HOST": "127.0.0.1",  # the reference's is open to strangers
    "SERVER_PORT": 8080,
    "SERVER_READ_TIMEOUT": 30,
    "SERVER_WRITE_TIMEOUT": 30,
    "OPENAI_API_KEY": "set",  # it is required
    "OPENAI_BASE_URL": "https://api.openai.com/v1",
    "OPENAI_MODEL": DEFAULT_MODEL,  # the reference's is shut down
    "OPENAI_MAX_TOKENS": None,  # so are these two left to the model
    "OPENAI_TEMPERATURE": None,
    "DB_TYPE": "sqlite",
    "DB_HOST": "localhost",
    "DB_PORT": 5432,
    "DB_NAME": "aibase",
    "DB_USER": "",
    "DB_PASSWORD": None,
}
"""Every variable of the reference and its default."""

FILE = """
# Required: Your OpenAI API key
OPENAI_API_KEY=sk-your-actual-openai-api-key-here

# Optional: Customize other settings
SERVER_PORT=3000
OPENAI_MODEL=gpt-4
OPENAI_MAX_TOKENS=2000
OPENAI_TEMPERATURE=0.8
"""
"""The reference's `.env`."""


@pytest.mark.checklist(226, 227, 231, 232, 233, 234, 236, 237, 248, 249)
@pytest.mark.parametrize("given", ["the default", "in .env", "in the environment"])
def test_every_variable_of_the_reference_has_its_default_and_its_place(
    given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = dict(DEFAULTS)
    if given == "the default":
        monkeypatch.setenv("OPENAI_API_KEY", "sk-your-actual-openai-api-key-here")
    else:
        Path(".env").write_text(FILE, encoding="utf-8")
        expected |= {"SERVER_PORT": 3000, "OPENAI_MODEL": "gpt-4"}
        expected |= {"OPENAI_MAX_TOKENS": 2000, "OPENAI_TEMPERATURE": 0.8}
    if given == "in the environment":
        monkeypatch.setenv("OPENAI_TEMPERATURE", "0")
        monkeypatch.setenv("DB_PASSWORD", "canary")
        monkeypatch.setenv("OPENAI_BASE_URL", "http://10.1.2.3/v1")
        expected |= {"OPENAI_TEMPERATURE": 0, "DB_PASSWORD": "set", "OPENAI_BASE_URL": "set"}
    assert told(serve(monkeypatch)) == expected


def test_a_variable_that_is_nearly_a_setting_is_told_of(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(".env").write_text("SERVER_PROT=9000\nSERVER_PORT=9001\n", encoding="utf-8")
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    monkeypatch.setenv("OPENAI_MODLE", "canary")
    monkeypatch.setenv("SERVERPORT", "1")
    monkeypatch.setenv("CHATBOTS_TOKEN", "canary")
    serve(monkeypatch)
    told = capsys.readouterr().err.splitlines()
    assert [line for line in told if "setting" in line] == [
        "chatbots: warning: OPENAI_MODLE is not a setting; OPENAI_MODEL is one.",
        "chatbots: warning: SERVER_PROT is not a setting; SERVER_PORT is one.",
    ]


@pytest.mark.parametrize("name", ["OPENAI_MODEL", "OPENAI_MAX_TOKENS", "OPENAI_TEMPERATURE"])
def test_a_variable_that_is_empty_is_not_set(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    monkeypatch.setenv(name, "")
    assert told(serve(monkeypatch)) == DEFAULTS


def serve(monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Return the settings that the program serves with."""
    served: list[Settings] = []

    async def take(_: object, settings: Settings, __: object) -> int:
        served.append(settings)
        return 0

    monkeypatch.setattr("chatbots.cli.server._serve", take)
    assert main([]) == 0
    return served[0]


def told(settings: Settings) -> dict[str, object]:
    """Return what `/info` says of them."""
    response = TestClient(Chatbots(settings).asgi()).get("/info")
    assert "canary" not in response.text
    about: dict[str, object] = response.json()["settings"]
    return about


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
            assert child.stderr
            assert b"for up to 10 seconds; Ctrl-C again" in child.stderr.read()
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
