"""Every way to abuse the server: nothing comes through, and each guard is seen to hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.abuse.__main__ import main
from tests.abuse.breaks import BREAKS
from tests.abuse.cases import CASES, SLOW


@pytest.fixture(autouse=True)
def own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Run where there is neither `.env` nor `instructions.txt`."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", [name for name in CASES if name not in SLOW])
async def test_nothing_comes_through(name: str) -> None:
    assert await CASES[name]() == []


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SLOW))
async def test_nothing_comes_through_what_takes_longer(name: str) -> None:
    assert await CASES[name]() == []


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
