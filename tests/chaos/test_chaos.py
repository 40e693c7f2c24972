"""A short run of every scenario is all zeros; a power loss without syncs is not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.breaks import BREAKS
from tests.chaos.checking import FAULTS
from tests.chaos.scenarios import SCENARIOS

ROOT = Path(__file__).resolve().parents[2]


def chaos(*argv: str) -> tuple[int, dict[str, list[int]]]:
    """Run it; return its status, and the numbers of each column."""
    command = [sys.executable, "-m", "tests.chaos", *argv]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200)
    rows = (line[24:].split() for line in done.stdout.splitlines() if line[:24].strip() in FAULTS)
    numbers = [[int(number.replace(",", "")) for number in row] for row in rows]
    assert len(numbers) == len(FAULTS), done.stdout + done.stderr
    return done.returncode, dict(zip(FAULTS, numbers, strict=True))


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_nothing_is_lost_in_a_short_run() -> None:
    status, counts = chaos("--smoke")
    assert counts == {column: [0] * len(SCENARIOS) for column in FAULTS}
    assert status == 0


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("guard", ["fsync", "request-id"])
def test_it_shows_where_a_guard_is_off(guard: str) -> None:
    status, counts = chaos("--break", guard, "--times", "8")
    assert status == 1
    assert all(counts[column][0] for column in BREAKS[guard].columns)
