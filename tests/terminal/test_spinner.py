from __future__ import annotations

import io
from contextlib import suppress

import pytest

from chatbots.terminal.spinner import CLEAR, FRAMES, PLAIN_FRAMES, Spinner


class Screen(io.TextIOWrapper):
    """A file with an encoding, that remembers what it shows."""

    def __init__(self, encoding: str = "utf-8") -> None:
        self.bytes = io.BytesIO()
        super().__init__(self.bytes, encoding=encoding)

    @property
    def shown(self) -> str:
        return self.bytes.getvalue().decode(self.encoding)


def test_it_turns_and_is_gone_after_the_block() -> None:
    screen = Screen()
    spinner = Spinner(screen, on=True)
    spinner.wind()
    with spinner:
        assert spinner.turning
        spinner.turn()
        spinner.turn()
        assert screen.shown == f"\r{FRAMES[0]}\r{FRAMES[1]}"
    assert screen.shown == f"\r{FRAMES[0]}\r{FRAMES[1]}{CLEAR}"


def test_it_begins_again_after_its_last_frame() -> None:
    screen = Screen()
    spinner = Spinner(screen, on=True)
    for _ in range(len(FRAMES) + 1):
        spinner.turn()
    assert screen.shown.replace("\r", "") == FRAMES + FRAMES[0]


def test_it_turns_once_for_each_winding() -> None:
    spinner = Spinner(Screen(), on=True)
    assert not spinner.turning
    spinner.wind()
    with spinner:
        pass
    assert not spinner.turning
    spinner.wind()
    assert spinner.turning


def test_what_was_never_shown_is_not_cleared() -> None:
    screen = Screen()
    spinner = Spinner(screen, on=True)
    spinner.wind()
    with spinner:
        pass
    assert screen.shown == ""


def test_it_is_cleared_when_the_wait_is_cut_short() -> None:
    screen = Screen()
    spinner = Spinner(screen, on=True)
    spinner.wind()
    with suppress(KeyboardInterrupt), spinner:
        spinner.turn()
        raise KeyboardInterrupt
    assert screen.shown.endswith(CLEAR)


def test_switched_off_it_never_turns() -> None:
    screen = Screen()
    spinner = Spinner(screen, on=False)
    spinner.wind()
    with spinner:
        assert not spinner.turning
    assert screen.shown == ""


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_without_braille_gets_plain_frames(encoding: str) -> None:
    screen = Screen(encoding)
    spinner = Spinner(screen, on=True)
    spinner.turn()
    assert screen.shown == f"\r{PLAIN_FRAMES[0]}"


def test_it_uses_no_escape_sequences() -> None:
    assert "\x1b" not in CLEAR + FRAMES + PLAIN_FRAMES
