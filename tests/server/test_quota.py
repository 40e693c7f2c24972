"""What each user has spent: counted once, kept, and shared by processes."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatbots.errors import StorageError
from chatbots.server.quota import Ledger

NOON = 20_000 * 86_400 + 43_200.0
DAY = "2024-10-04"


class Clock:
    now = NOON

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(tmp_path: Path, clock: Clock) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path / "spent", clock=clock)
    yield ledger
    ledger.close()


def test_what_is_spent_is_counted_by_user(ledger: Ledger) -> None:
    ledger.spend("ada", 5)
    ledger.spend("eve", 1)
    ledger.spend("ada", 7)
    assert [ledger.spent(user) for user in ("ada", "eve", "bob")] == [12, 1, 0]


def test_it_is_still_spent_in_the_next_process_and_in_one_beside(
    tmp_path: Path, ledger: Ledger, clock: Clock
) -> None:
    ledger.spend("ada", 5)
    beside = Ledger(tmp_path / "spent", clock=clock)
    assert beside.spent("ada") == 5
    beside.spend("ada", 6)
    assert ledger.spent("ada") == 11
    beside.close()
    assert beside.spent("ada") == 11
    beside.close()


def test_a_day_begins_with_nothing_spent(ledger: Ledger, clock: Clock, tmp_path: Path) -> None:
    ledger.spend("ada", 5)
    assert ledger.seconds_left() == 43_200
    clock.now += 43_200
    assert ledger.spent("ada") == 0
    ledger.spend("ada", 1)
    assert ledger.spent("ada") == 1
    assert sorted(path.name for path in (tmp_path / "spent").iterdir()) == [DAY, "2024-10-05"]


def test_only_the_owner_reads_it(ledger: Ledger, tmp_path: Path) -> None:
    ledger.spend("ada", 5)
    assert (tmp_path / "spent").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "spent" / DAY).stat().st_mode & 0o777 == 0o600


def test_a_line_that_is_half_there_or_nonsense_counts_for_nobody(
    ledger: Ledger, tmp_path: Path
) -> None:
    ledger.spend("ada", 5)
    with (tmp_path / "spent" / DAY).open("ab") as file:
        file.write(b"\nada\nada x\n\xff 1\nada -1\nada 10")
    assert ledger.spent("ada") == 5


def test_what_cannot_be_written_is_owed_and_nobody_spends_meanwhile(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.spend("ada", 5)
    write = os.write

    def full(file: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        ledger.spend("ada", 7)
        ledger.spend("ada", 8)
        with pytest.raises(StorageError, match="No space left") as caught:
            ledger.spent("eve")
        assert caught.value.code == "storage_unavailable"
        for size in (3, 7):  # up to a letter of the name, and of the number
            patched.setattr(os, "write", lambda file, data, size=size: write(file, data[:size]))
            with pytest.raises(StorageError, match="no room"):
                ledger.spent("ada")
    assert ledger.spent("ada") == 20
