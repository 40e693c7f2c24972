from __future__ import annotations

from chatbots.speech.turns import FRAME_MS, Change, Turns


def changes(turns: Turns, *likely: float) -> list[tuple[int, Change]]:
    """Return each change with the number of its frame, from 1."""
    found = [(place, turns.push(one)) for place, one in enumerate(likely, 1)]
    return [(place, change) for place, change in found if change is not None]


def test_speech_of_64_ms_begins_a_turn_and_silence_ends_it() -> None:
    turns = Turns(silence_ms=10 * FRAME_MS)
    said = changes(turns, *[0.9] * 5, *[0.1] * 12)
    assert said == [(2, "started"), (7, "paused"), (15, "stopped")]
    assert not turns.speaking


def test_a_click_is_no_turn() -> None:
    assert changes(Turns(), 0.9, 0.1, 0.9, 0.1) == []


def test_who_goes_on_after_a_pause_is_still_in_the_turn() -> None:
    turns = Turns(silence_ms=10 * FRAME_MS)
    said = changes(turns, *[0.9] * 3, *[0.1] * 5, *[0.9] * 2, 0.1, 0.9, *[0.1] * 10)
    assert said == [(2, "started"), (5, "paused"), (9, "resumed"), (14, "paused"), (22, "stopped")]


def test_softer_speech_goes_on_where_it_would_not_begin() -> None:
    turns = Turns(threshold=0.5)
    assert changes(turns, *[0.4] * 10) == []
    assert changes(turns, *[0.9] * 3, *[0.4] * 10) == [(2, "started")]


def test_what_may_be_speech_is_a_turn_when_it_lasts() -> None:
    assert changes(Turns(), *[0.6] * 7, 0.1, 0.7, 0.9) == [(10, "started")]
    assert changes(Turns(), *[0.6] * 9) == [(8, "started")]
    assert changes(Turns(), 0.9, 0.4, 0.9, 0.4) == []


def test_a_short_silence_ends_the_turn_without_a_pause() -> None:
    assert changes(Turns(silence_ms=FRAME_MS), *[0.9] * 3, 0.1) == [(2, "started"), (4, "stopped")]


def test_a_turn_that_is_forgotten_does_not_stop() -> None:
    turns = Turns()
    changes(turns, *[0.9] * 5)
    turns.reset()
    assert changes(turns, *[0.1] * 30) == []
