"""The clients in `examples/`, run against the server as their readers run them."""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal

from chatbots.errors import ProviderError
from chatbots.testing import ScriptedModel
from tests.server.peer import application, serving

EXAMPLES = Path(__file__).parents[2] / "examples"
HOME = os.environ.get("HOME", "")
"""Where npm is told what its registry is; the tests have an empty one."""

TOLD = [
    "ping: pong",
    "tools_list: get_weather, calculator, get_current_time",
    "tool_execute: Made-up weather",
    "embedding: 2 numbers",
    "chat_completion: Hello there.",
    "chat_completion_stream: Once upon a time",
]


@pytest.fixture
def model() -> ScriptedModel:
    return ScriptedModel("Hello there.", ["Once ", "upon ", "a time"])


@pytest.fixture
def address(model: ScriptedModel) -> Generator[str]:
    """Where a server is, in a thread of its own."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(serving(application(model))) as (_, where),
    ):
        yield where


def run(monkeypatch: pytest.MonkeyPatch, *argv: str) -> object:
    path = str(EXAMPLES / "client.py")
    monkeypatch.setattr(sys, "argv", [path, *argv])
    with pytest.raises(SystemExit) as left:
        runpy.run_path(path, run_name="__main__")
    return left.value.code


@pytest.mark.checklist(250, 256)
def test_the_client_asks_one_request_of_each_type(
    address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, address) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line[: len(told)] for line, told in zip(lines, TOLD, strict=True)] == TOLD


def test_the_client_tells_what_failed(
    address: str,
    model: ScriptedModel,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model._script.clear()
    for _ in range(2):
        model.answer(ProviderError("upstream_auth", "The key is refused."))
    assert run(monkeypatch, address) == 1
    assert (
        capsys.readouterr().out.count(
            "upstream_auth: The model cannot be asked: the server refuses the key."
        )
        == 2
    )


@pytest.mark.slow
@pytest.mark.checklist(251)
def test_the_client_in_typescript_does_the_same(address: str, tmp_path: Path) -> None:
    folder = tmp_path / "typescript-client"
    skipped = shutil.ignore_patterns("node_modules")
    shutil.copytree(EXAMPLES / "typescript-client", folder, ignore=skipped)
    environment = {**os.environ, "HOME": HOME}

    def npm(*words: str) -> str:
        done = subprocess.run(
            ["npm", *words], cwd=folder, env=environment, capture_output=True, text=True, timeout=90
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    npm("install", "--no-audit", "--no-fund")
    npm("run", "types", "--silent")
    lines = npm("run", "dev", "--silent", "--", address).splitlines()
    assert [line[: len(told)] for line, told in zip(lines, TOLD, strict=True)] == TOLD
