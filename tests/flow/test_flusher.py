"""The clock is the test's own: times are numbers."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from chatbots.deltas import (
    AudioDelta,
    Delta,
    Done,
    Failed,
    Interrupted,
    Notice,
    ReasoningDelta,
    TextDelta,
)
from chatbots.errors import ProviderError
from chatbots.flow.flusher import MAX_HELD, NOW, Flusher

NOTICE = Notice("n", "By the way.")
DONE = Done(state="completed", reason="stop", usage=None, request_id="r", session=None)
FAILED = Failed(
    error=ProviderError("upstream_error", "It broke."), state="failed", request_id="r", session=None
)

THOUGHT = ReasoningDelta("Hm. ")
SOUND = AudioDelta("i", bytes(4800), 24_000)

WINDOW = 0.03


def text(said: str) -> TextDelta:
    return TextDelta(said)


def begun(window: float = WINDOW, max_chars: int = MAX_HELD) -> Flusher:
    """Return a flusher that has shown the first text at the time 10."""
    flusher = Flusher(window, max_chars)
    flusher.push(text("First"))
    flusher.take(10.0)
    return flusher


def test_nothing_held_is_never_ready() -> None:
    flusher = Flusher(WINDOW)
    assert flusher.due is None
    assert flusher.held == 0
    assert flusher.take(1.0) == []
    assert begun().due is None


@pytest.mark.checklist(183)
def test_the_first_text_is_ready_at_once() -> None:
    flusher = Flusher(WINDOW)
    flusher.push(text("O"))
    assert flusher.due == NOW
    assert flusher.take(10.0) == [text("O")]


@pytest.mark.checklist(183)
def test_what_follows_waits_for_the_window() -> None:
    flusher = begun()
    flusher.push(text("a"))
    assert flusher.due == 10.0 + WINDOW
    flusher.push(text("b"))
    assert flusher.due == 10.0 + WINDOW
    assert flusher.take(10.5) == [text("ab")]
    flusher.push(text("c"))
    assert flusher.due == 10.5 + WINDOW


def test_without_a_window_nothing_waits_but_what_is_there_is_joined() -> None:
    flusher = begun(window=0.0)
    flusher.push(text("a"))
    flusher.push(text("b"))
    assert flusher.due == NOW
    assert flusher.take(10.0) == [text("ab")]


def test_a_lines_end_is_ready_at_once() -> None:
    flusher = begun()
    flusher.push(text("a line"))
    flusher.push(text(".\n"))
    assert flusher.due == NOW
    assert flusher.take(10.001) == [text("a line.\n")]
    flusher.push(text("next"))
    assert flusher.due == 10.001 + WINDOW


@pytest.mark.checklist(183)
def test_much_text_is_ready_at_once() -> None:
    flusher = begun(max_chars=10)
    flusher.push(text("123456789"))
    assert flusher.due == 10.0 + WINDOW
    flusher.push(text("0"))
    assert flusher.due == NOW


@pytest.mark.parametrize("other", [NOTICE, THOUGHT, SOUND, Interrupted(None, None), DONE, FAILED])
def test_what_is_no_text_is_ready_at_once_and_takes_the_text_before_it_along(other: Delta) -> None:
    flusher = begun()
    flusher.push(text("a"))
    flusher.push(text("b"))
    flusher.push(other)
    flusher.push(text("c"))
    assert flusher.due == NOW
    assert flusher.take(10.0) == [text("ab"), other, text("c")]


def test_neighbouring_reasoning_is_joined_and_nothing_overtakes() -> None:
    flusher = begun()
    for delta in (text("a"), THOUGHT, THOUGHT, text("b"), text("c"), THOUGHT, NOTICE, THOUGHT):
        flusher.push(delta)
    assert flusher.due == NOW
    assert flusher.take(10.0) == [
        text("a"),
        ReasoningDelta("Hm. Hm. "),
        text("bc"),
        THOUGHT,
        NOTICE,
        THOUGHT,
    ]
    assert flusher.take(10.0) == []


def test_reasoning_does_not_hold_the_first_text_back() -> None:
    flusher = Flusher(WINDOW)
    flusher.push(THOUGHT)
    assert flusher.take(10.0) == [THOUGHT]
    flusher.push(text("O"))
    assert flusher.due == NOW


@pytest.mark.checklist(183)
def test_the_rest_comes_at_the_end() -> None:
    flusher = begun()
    flusher.push(text("the r"))
    flusher.push(text("est"))
    flusher.push(DONE)
    assert flusher.take(10.0) == [text("the rest"), DONE]
    assert flusher.held == 0


@pytest.mark.parametrize("end", [DONE, FAILED])
def test_the_first_text_of_the_next_answer_is_ready_at_once_again(end: Delta) -> None:
    flusher = begun()
    flusher.push(end)
    flusher.take(10.0)
    flusher.push(text("A"))
    assert flusher.due == NOW


def test_a_notice_before_the_answer_does_not_hold_its_first_text_back() -> None:
    flusher = Flusher(WINDOW)
    flusher.push(NOTICE)
    assert flusher.take(10.0) == [NOTICE]
    flusher.push(text("O"))
    assert flusher.due == NOW


def test_a_notice_in_the_answer_does_not_hold_its_text_back_for_longer() -> None:
    flusher = begun()
    flusher.push(NOTICE)
    flusher.take(10.02)
    flusher.push(text("a"))
    assert flusher.due == 10.0 + WINDOW


def test_an_answer_that_follows_in_the_same_take_is_in_its_window() -> None:
    flusher = begun()
    flusher.push(DONE)
    flusher.push(text("A"))
    assert flusher.take(11.0) == [DONE, text("A")]
    flusher.push(text("B"))
    assert flusher.due == 11.0 + WINDOW


def test_it_says_how_much_it_holds() -> None:
    flusher = Flusher(WINDOW)
    flusher.push(text("abc"))
    flusher.push(NOTICE)
    flusher.push(text("👍"))
    flusher.push(THOUGHT)
    assert flusher.held == 3 + 1 + 1 + 4
    flusher.take(1.0)
    assert flusher.held == 0


# For any deltas at any times

texts = st.builds(TextDelta, st.sampled_from(["a", "bc", "\n", "d\n", "é👍", " " * 9]))
others = st.sampled_from([NOTICE, THOUGHT, DONE, FAILED])
pushes = st.lists(st.tuples(st.floats(0, 0.05), texts | others), max_size=40)


def split(deltas: list[Delta]) -> list[Delta]:
    """Join neighbouring texts and thoughts: what must be the same on both sides."""
    joined: list[Delta] = []
    for delta in deltas:
        last = joined[-1] if joined else None
        for kind in (TextDelta, ReasoningDelta):
            if isinstance(delta, kind) and isinstance(last, kind):
                joined[-1] = kind(last.text + delta.text)
                break
        else:
            joined.append(delta)
    return joined


@given(pushes, st.sampled_from([0.0, WINDOW, 1.0]), st.integers(1, 20))
def test_taking_the_flusher_out_changes_timing_only(
    pushed: list[tuple[float, Delta]], window: float, max_chars: int
) -> None:
    flusher = Flusher(window, max_chars)
    taken: list[Delta] = []
    now, shown_at = 10.0, NOW
    for pause, delta in pushed:
        now += pause
        flusher.push(delta)
        due = flusher.due
        assert due is not None
        assert due in (NOW, shown_at + window)
        assert due == NOW or flusher.held < max_chars
        if due <= now:
            got = flusher.take(now)
            taken += got
            for one in got:
                shown_at = now if isinstance(one, TextDelta) else shown_at
                shown_at = NOW if isinstance(one, Done | Failed) else shown_at
    taken += flusher.take(now)
    assert split(taken) == split([delta for _, delta in pushed])
    assert all(delta.text for delta in taken if isinstance(delta, TextDelta))


def test_sound_weighs_by_its_size_and_is_not_joined() -> None:
    flusher = begun()
    flusher.push(SOUND)
    flusher.push(SOUND)
    assert flusher.held == 2 * 301
    assert flusher.take(10.0) == [SOUND, SOUND]
