"""Typed lines in a file."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from chatbots.terminal.history import KEPT, History


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(
    "line", ["Hello", "two\nlines", "Grüß dich 👍", 'a "quoted" \\ word', "a byte \udcff", "# no"]
)
def test_a_line_is_remembered_by_the_next_run(tmp_path: Path, line: str) -> None:
    History(tmp_path / "history").add(line)
    assert History(tmp_path / "history").lines == [line]


def test_the_newest_line_comes_last(tmp_path: Path) -> None:
    history = History(tmp_path / "history")
    for line in ("one", "two", "three"):
        history.add(line)
    assert history.lines == ["one", "two", "three"]
    assert History(tmp_path / "history").lines == ["one", "two", "three"]


def test_only_its_owner_can_read_the_file(tmp_path: Path) -> None:
    path = tmp_path / "state" / "history"
    History(path).add("Hello")
    assert mode(path) == 0o600
    assert mode(path.parent) == 0o700


def test_a_file_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "history"
    path.touch(0o644)
    History(path).add("Hello")
    assert mode(path) == 0o600


def test_nothing_is_written_before_the_first_line(tmp_path: Path) -> None:
    assert History(tmp_path / "state" / "history").lines == []
    assert not (tmp_path / "state").exists()


def test_a_line_twice_in_a_row_is_remembered_once(tmp_path: Path) -> None:
    history = History(tmp_path / "history")
    for line in ("one", "one", "two", "one"):
        history.add(line)
    assert History(tmp_path / "history").lines == ["one", "two", "one"]


def test_a_blank_line_is_not_remembered(tmp_path: Path) -> None:
    History(tmp_path / "history").add(" \t")
    assert not (tmp_path / "history").exists()


def test_the_oldest_lines_go_first(tmp_path: Path) -> None:
    path = tmp_path / "history"
    path.write_text("".join(f'"{number}"\n' for number in range(KEPT + 5)), "utf-8")
    assert History(path).lines == [str(number) for number in range(5, KEPT + 5)]
    assert len(path.read_text("utf-8").splitlines()) == KEPT


def test_rows_that_make_no_sense_are_passed_by(tmp_path: Path) -> None:
    path = tmp_path / "history"
    path.write_bytes(b'"one"\n+two\n\xff\n{}\n12\n""\n"thr')
    assert History(path).lines == ["one"]


def test_a_folder_that_cannot_be_made_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    history = History(tmp_path / "file" / "history")
    history.add("Hello")
    assert history.lines == ["Hello"]


def test_a_file_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "history").mkdir()
    history = History(tmp_path / "history")
    history.add("Hello")
    assert history.lines == ["Hello"]
