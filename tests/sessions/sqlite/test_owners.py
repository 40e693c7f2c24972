from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from chatbots.sessions.sqlite.owners import Owner


def test_an_owner_is_alive_until_it_is_closed(tmp_path: Path) -> None:
    one, two = Owner(tmp_path / "o"), Owner(tmp_path / "o")
    assert one.is_alive(one.name)
    assert one.is_alive(two.name)
    assert two.is_alive(one.name)
    two.close()
    assert not one.is_alive(two.name)
    one.close()
    assert not list((tmp_path / "o").iterdir())


def test_what_dead_owners_left_is_taken_away_and_nothing_else(tmp_path: Path) -> None:
    one, two = Owner(tmp_path), Owner(tmp_path)
    dead = tmp_path / ("0" * 32)
    dead.touch()
    (tmp_path / "notes.txt").touch()
    assert not one.is_alive(dead.name)
    one.sweep()
    assert {path.name for path in tmp_path.iterdir()} == {one.name, two.name, "notes.txt"}
    one.close()
    two.close()


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "x" * 32, "0" * 31])
def test_a_name_that_is_none_of_ours_is_of_nobody_alive(tmp_path: Path, name: str) -> None:
    owner = Owner(tmp_path)
    assert not owner.is_alive(name)
    owner.close()


def test_a_file_taken_away_before_it_was_locked_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flock = fcntl.flock
    taken: list[str] = []

    def late(lock: int, how: int) -> None:
        if not taken:
            (made,) = tmp_path.iterdir()
            taken.append(made.name)
            made.unlink()
        flock(lock, how)

    monkeypatch.setattr(fcntl, "flock", late)
    owner = Owner(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [owner.name] != taken
    owner.close()


def test_an_owner_whose_file_is_gone_can_be_closed(tmp_path: Path) -> None:
    owner = Owner(tmp_path)
    (tmp_path / owner.name).unlink()

    owner.close()
