"""The commands and programs of the page about the server do what the page says."""

from __future__ import annotations

import json
import re
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from websockets.sync.client import connect

from chatbots.server.members import Limits
from chatbots.server.router import ROUTES
from chatbots.server_settings import ServerSettings
from chatbots.settings import Settings
from chatbots.testing import FakeOpenAI
from chatbots.testing.threaded import FakeOpenAIThread
from tests.cli.running import ended, environment_with, process, shell
from tests.provider.tls import certificate

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "server.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(autouse=True)
def own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


@contextmanager
def serving(*flags: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Serve on a free port; yield the address, as in `localhost:8080`."""
    with process("-m", "chatbots", "serve", "--port", "0", *flags) as child:
        assert child.stderr is not None
        line = child.stderr.readline().decode()
        port = re.search(r":(\d+)/ws", line)
        assert port is not None, line
        yield f"localhost:{port[1]}", child


def test_the_server_starts_answers_and_ends(
    fake_openai: FakeOpenAIThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", fake_openai.base_url)
    fake_openai.answer("Paris.")
    with serving() as (address, child):
        health = httpx2.get(f"http://{address}/health")
        assert health.json() == json.loads(blocks("json")[0])
        program = blocks("python")[0].replace("localhost:8080", address)
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment_with(), capture_output=True, text=True
        )
        assert (done.stdout, done.stderr) == ("Paris.\n", "")
        child.send_signal(signal.SIGTERM)
        assert ended(child).status == 0


def test_it_speaks_tls_by_its_certificate(
    fake_openai: FakeOpenAIThread, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    own = certificate(tmp_path / "fullchain.pem")
    monkeypatch.setenv("OPENAI_BASE_URL", fake_openai.base_url)
    monkeypatch.setenv("SERVER_TLS_CERTIFICATE", str(own))
    with serving() as (address, _):
        local = address.replace("localhost", "127.0.0.1")
        known = ssl.create_default_context(cafile=str(own))
        assert httpx2.get(f"https://{local}/health", verify=known).status_code == 200
        with pytest.raises(httpx2.HTTPError):
            httpx2.get(f"http://{address}/health")
        with connect(f"wss://{local}/ws", ssl=known, compression=None) as socket:
            socket.send('{"type":"ping","request_id":"r1"}')
            assert json.loads(socket.recv())["type"] == "pong"


def test_the_commands_about_tokens_run() -> None:
    (commands,) = [block for block in blocks("sh") if "tokens revoke" in block]
    ran = shell(commands)
    assert ran.status == 0, ran.err
    token, listed, revoked = ran.out.splitlines()
    identity = token.split("_")[1]
    assert listed.split()[0] == identity
    assert revoked == f"{identity} of ada is revoked"


def test_beyond_this_machine_it_says_what_is_missing_and_exits_with_2() -> None:
    wide = {"SERVER_HOST": "0.0.0.0", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
    done = subprocess.run(
        [sys.executable, "-m", "chatbots", "serve", "--port", "0"],
        env=environment_with(**wide),
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "chatbots tokens add" in done.stderr
    assert "--insecure" in done.stderr


def test_the_requests_on_the_page_are_those_there_are() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ", PAGE.partition("## In an app")[0], re.MULTILINE)
    assert sorted(rows[1:]) == sorted(ROUTES)
    for kind, route in ROUTES.items():
        assert route.answer == ("pong" if kind == "ping" else f"{kind}_response")


async def test_an_application_of_ones_own_answers_a_route_and_has_the_whole_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with FakeOpenAI() as fake:
        monkeypatch.setenv("OPENAI_BASE_URL", fake.base_url)
        names: dict[str, Any] = {}
        exec(blocks("python")[1], names)  # noqa: S102 - the page's own program
        app, bots = names["app"], names["bots"]
        fake.answer("Once upon a time.")
        async with (
            bots,
            httpx2.AsyncClient(
                transport=httpx2.ASGITransport(app), base_url="http://localhost"
            ) as client,
        ):
            told = await client.get("/story", params={"about": "cats"})
            pieces = [
                json.loads(line) for line in re.findall(r"^data: (\{.*)$", told.text, re.MULTILINE)
            ]
            said = [piece["choices"][0]["delta"].get("content", "") for piece in pieces]
            assert "".join(said) == "Once upon a time."
            assert len(said) > 2  # it came as it formed
            assert told.text.endswith("data: [DONE]\n\n")
            health = await client.get("/chat/health")
            assert health.json() == {"status": "ok", "clients": 0}
        assert "about cats" in fake.calls[0].json["messages"][-1]["content"]


def test_the_limits_on_the_page_are_those_of_the_settings() -> None:
    rows = dict(re.findall(r"^\| .* \| `(SERVER_\w+)` \| (\d+|none)", PAGE, re.MULTILINE))
    about = Settings().model_dump()
    assert rows == {
        name: "none" if about[name.lower()] is None else str(about[name.lower()]) for name in rows
    }
    own, settings = Limits(), Settings()
    assert (own.rate, own.burst, own.sockets, own.turns) == (
        settings.server_rate,
        settings.server_burst,
        settings.server_user_sockets,
        settings.server_user_streams,
    )


def test_every_setting_the_page_names_exists() -> None:
    named = {name.lower() for name in re.findall(r"\bSERVER_\w+", PAGE)}
    assert named - set(ServerSettings.model_fields) == set()
