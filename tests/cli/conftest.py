"""The programs against a fake server that answers from another thread."""

from __future__ import annotations

import gc
import sys
from collections.abc import Generator
from pathlib import Path
from typing import TextIO

import pytest
from anyio.from_thread import start_blocking_portal

from chatbots.testing import FakeOpenAI
from chatbots.testing.socket_peer import socket_peer
from tests.cli.running import Ran, Tiny, Upstream, main_of
from tests.local.serving import serving
from tests.local.weights_of import hub, made_up, weights_of


@pytest.fixture
def upstream(monkeypatch: pytest.MonkeyPatch) -> Generator[Upstream]:
    """A fake server, named in the environment; the programs run loops of their own."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(FakeOpenAI()) as fake,
    ):
        monkeypatch.setenv("OPENAI_BASE_URL", fake.base_url)
        yield Upstream(fake, portal)


@pytest.fixture
def peer() -> Generator[str]:
    """A server of sockets that does what the path of its URL says; see `SocketPeer`."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(socket_peer()) as peer,
    ):
        yield peer.url


@pytest.fixture(autouse=True)
def own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Run where there is neither `.env` nor `instructions.txt`."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)


@pytest.fixture(autouse=True)
def garbage_is_collected_as_before() -> Generator[None]:
    """Undo what a program does to the collector on its way out."""
    threshold = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*threshold)


class Runner:
    """Runs programs in this process, so that coverage sees them."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path
    ) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        self._input = folder / "stdin"

    def __call__(self, program: str, *argv: str, given: bytes = b"") -> Ran:
        """Run `chatbots PROGRAM ARGV` with *given* on standard input."""
        self._input.write_bytes(given)
        with self._input.open(encoding="utf-8") as stdin:
            return self.reading(stdin, program, *argv)

    def reading(self, stdin: TextIO, program: str, *argv: str) -> Ran:
        """Run it with *stdin* for its standard input."""
        self._capsys.readouterr()
        with self._monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", stdin)
            status = main_of(program)(list(argv))
        return Ran(status, *self._capsys.readouterr())


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Runner:
    return Runner(monkeypatch, capsys, tmp_path)


DATA = made_up(300_000)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Generator[Tiny]:
    """A small model to fetch, in place of the real one."""
    web = tmp_path / "web"
    (web / "r1").mkdir(parents=True)
    (web / "r1" / "tiny.gguf").write_bytes(DATA)
    cache = tmp_path / "cache"
    monkeypatch.setenv("CHATBOTS_CACHE", str(cache))
    with serving(web) as site:
        weights = weights_of(DATA, hub(site.url))
        monkeypatch.setattr("chatbots.local.catalog.load", lambda: (weights,))
        monkeypatch.setattr("chatbots.local.catalog.load_speech", tuple)
        yield Tiny(weights, cache / "models" / "tiny.gguf", site)
