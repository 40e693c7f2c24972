"""The peers: each pinned exactly and read by a module of its own, none in a smoke test."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from bench import capacity, environments, hosting, hot, store
from bench.environments import PINS, ROOT

PEERS = PINS["peers"]


def test_every_peer_is_pinned_to_exact_versions() -> None:
    for pins in (PINS["readers"], *PEERS.values()):
        assert pins
        for pin in pins:
            assert re.fullmatch(r"[a-z0-9\[\]-]+==[0-9.]+", pin), pin


def test_every_client_of_a_comparison_is_pinned_or_ours_and_has_its_module() -> None:
    rows = {row for comparison in hot.FULL.values() for row in comparison.rows}
    clients = {row.client for row in rows | set(capacity.ROWS)}
    assert clients | {hosting.PEER} | set(store.PEERS) == {"floor", "ours", "sdk", *PEERS}
    for client in ("ours", *store.PEERS):
        assert (ROOT / "bench/stores" / f"{client.replace('-', '_')}.py").is_file()
    for client in clients - {"floor"}:
        assert (ROOT / "bench/clients" / f"{client.replace('-', '_')}.py").is_file()


def test_the_smoke_test_needs_no_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {row.client for comparison in hot.SMOKE.values() for row in comparison.rows}
    assert rows | {row.client for row in capacity.BRIEF} == {"floor", "ours", "sdk"}
    for client in ("floor", "ours", "sdk"):
        assert environments.interpreter.__wrapped__(client) == Path(sys.executable)


def test_an_environment_is_made_once_and_again_for_another_version(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made: list[Path] = []

    def create(place: Path, **_: object) -> None:
        made.append(place)
        (place / "bin").mkdir(parents=True, exist_ok=True)
        (place / "bin/python").unlink(missing_ok=True)
        (place / "bin/python").symlink_to("/bin/true")

    monkeypatch.setattr(environments, "PLACE", tmp_path)
    monkeypatch.setattr("venv.create", create)
    interpreter = environments.interpreter.__wrapped__
    assert interpreter("llm") == interpreter("llm") == tmp_path / "llm/bin/python"
    assert made == [tmp_path / "llm"]
    monkeypatch.setitem(PEERS, "llm", ["llm==99"])
    interpreter("llm")
    assert made == [tmp_path / "llm"] * 2


def test_a_peer_that_cannot_be_installed_says_why_and_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def create(place: Path, **_: object) -> None:
        (place / "bin").mkdir(parents=True)
        (place / "bin/python").write_text("#!/bin/sh\necho no such version >&2\nexit 1\n", "utf-8")
        (place / "bin/python").chmod(0o755)

    monkeypatch.setattr(environments, "PLACE", tmp_path)
    monkeypatch.setattr("venv.create", create)
    with pytest.raises(RuntimeError, match=r"llm cannot be installed:\nno such version"):
        environments.interpreter.__wrapped__("llm")
    assert not (tmp_path / "llm/installed").exists()


def test_the_versions_of_the_sdk_are_those_installed_here() -> None:
    found = environments.versions("sdk")
    assert found["openai"] == __import__("openai").__version__
    assert {"python", "anyio", "httpx2", "uvloop"} <= set(found)
