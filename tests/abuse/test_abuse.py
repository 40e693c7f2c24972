"""Every way to abuse the server: nothing comes through, and each guard is seen to hold."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.abuse.__main__ import main
from tests.abuse.breaks import BREAKS
from tests.abuse.cases import CASES, SLOW

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(autouse=True)
def own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Run where there is neither `.env` nor `instructions.txt`."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", [name for name in CASES if name not in SLOW])
async def test_nothing_comes_through(name: str) -> None:
    assert await CASES[name]() == []


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SLOW))
def test_nothing_comes_through_what_takes_longer(name: str) -> None:
    # In a process of its own: some look at the memory of the whole.
    command = [sys.executable, "-m", "tests.abuse", name]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout.count("held ")) == (0, 1), done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("guard", BREAKS)
def test_without_its_guard_each_case_shows_what_comes_through(
    guard: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--break", guard]) == 1
    printed = capsys.readouterr().out
    assert not [line for line in printed.splitlines() if line.startswith("held ")]
    for name in BREAKS[guard].cases:
        assert f"{name}: " in printed


def test_the_table_says_that_a_case_held(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["private_tools"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("held ")
    assert printed.endswith("nothing came through\n")
