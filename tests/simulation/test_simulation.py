"""No crash, at whatever step, loses, doubles or spoils anything; without a guard some does."""

from __future__ import annotations

import pytest

from tests.chaos.breaks import BREAKS
from tests.simulation.__main__ import main
from tests.simulation.seeds import DISKS, GUARDS, every_step, play_seed


def play(seeds: range, disk: str) -> None:
    bad = {seed: tally.examples for seed in seeds if not (tally := play_seed(seed, disk)).good}
    assert not bad, f"python -m tests.simulation --seed N --disk {disk}"


@pytest.mark.parametrize("disk", DISKS)
def test_a_conversation_survives_its_crashes(disk: str) -> None:
    play(range(40), disk)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("disk", "seeds"), [("model", 1500), ("sqlite", 1500)])
def test_thousands_of_conversations_survive_their_crashes(disk: str, seeds: int) -> None:
    play(range(40, 40 + seeds), disk)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("disk", DISKS)
def test_a_conversation_survives_a_crash_at_each_of_its_steps(disk: str) -> None:
    tallies = dict(every_step(1, disk))
    assert len(tallies) > 200
    assert not {step: tally.examples for step, tally in tallies.items() if not tally.good}


@pytest.mark.parametrize("guard", GUARDS)
def test_without_a_guard_a_crash_shows(guard: str) -> None:
    with BREAKS[guard].off():
        shown = (set(play_seed(seed, "sqlite").examples) for seed in range(40))
        assert any(set(BREAKS[guard].columns) <= columns for columns in shown)


def test_a_seed_is_always_the_same_conversation(capsys: pytest.CaptureFixture[str]) -> None:
    def told() -> str:
        assert main(["--seed", "3", "--disk", "sqlite"]) == 0
        return capsys.readouterr().out.partition("\n")[2]

    first = told()
    assert "crashes                           2" in first
    assert told() == first
