"""An environment is made once for the same pins, and anew when they change."""

from __future__ import annotations

import subprocess
import sys
import venv
from importlib.metadata import version
from pathlib import Path

import pytest

from report import environments


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what is installed; nothing really is."""
    installed: list[str] = []

    def create(place: Path, **options: object) -> None:
        assert options == {"clear": True, "with_pip": True}
        place.mkdir(parents=True, exist_ok=True)

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        installed.append(Path(command[-1]).read_text("utf-8"))
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(environments, "PINNED", tmp_path)
    monkeypatch.setattr(environments, "ENVIRONMENTS", tmp_path / "made")
    monkeypatch.setattr(venv, "create", create)
    monkeypatch.setattr(subprocess, "run", run)
    return installed


def test_the_same_pins_are_installed_once(tmp_path: Path, made: list[str]) -> None:
    (tmp_path / "peer.txt").write_text("peer==1.0\n", "utf-8")
    python = environments.prepare("peer")
    assert environments.prepare("peer") == python == tmp_path / "made/peer/bin/python"
    assert made == ["peer==1.0\n"]


def test_other_pins_are_installed_anew(tmp_path: Path, made: list[str]) -> None:
    for pins in ("peer==1.0\n", "peer==1.1\n"):
        (tmp_path / "peer.txt").write_text(pins, "utf-8")
        environments.prepare("peer")
    assert made == ["peer==1.0\n", "peer==1.1\n"]


def test_without_a_name_it_is_the_environment_that_runs_this(made: list[str]) -> None:
    assert environments.prepare("") == Path(sys.executable)
    assert made == []


def test_versions_are_those_that_would_be_imported() -> None:
    found = environments.versions(Path(sys.executable), ("openai", "anyio"))
    assert found == {"openai": version("openai"), "anyio": version("anyio")}


def test_pins_may_lie_elsewhere(tmp_path: Path, made: list[str]) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "peer.txt").write_text("peer==2.0\n", "utf-8")
    assert environments.prepare("peer", tmp_path / "elsewhere").name == "python"
    assert made == ["peer==2.0\n"]


def test_a_lock_of_npm_is_installed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed: list[Path] = []

    def run(command: tuple[str, ...], cwd: Path, **_: object) -> subprocess.CompletedProcess[str]:
        assert command[:2] == ("npm", "ci")
        installed.append(cwd)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(environments, "ENVIRONMENTS", tmp_path / "made")
    monkeypatch.setattr(subprocess, "run", run)
    folder = tmp_path / "peer"
    folder.mkdir()
    (folder / "package-lock.json").write_text("{}", "utf-8")
    (folder / "talk.mjs").write_text("one", "utf-8")
    place = environments.prepare_npm(folder)
    (folder / "talk.mjs").write_text("two", "utf-8")
    assert environments.prepare_npm(folder) == place
    assert installed == [place]
    assert (place / "talk.mjs").read_text("utf-8") == "two"


def test_what_cannot_be_installed_says_why_and_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(command: tuple[str, ...], **_: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 1, "", "no such version")

    monkeypatch.setattr(environments, "ENVIRONMENTS", tmp_path / "made")
    monkeypatch.setattr(subprocess, "run", run)
    folder = tmp_path / "peer"
    folder.mkdir()
    (folder / "package-lock.json").write_text("{}", "utf-8")
    for _ in range(2):
        with pytest.raises(RuntimeError, match="cannot be installed:\nno such version"):
            environments.prepare_npm(folder)
