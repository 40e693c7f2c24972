"""A circuit breaker, state by state."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chatbots.provider.breaker import OPEN_FOR, PROBING, Breaker


def ended(breaker: Breaker, now: float = 0.0, *, good: bool | None) -> None:
    """Let one request through, and end it so."""
    breaker.end(breaker.begin(), now, good=good)


def opened() -> Breaker:
    """Return a breaker that opened at 0 seconds."""
    breaker = Breaker(failures=2)
    for _ in range(2):
        ended(breaker, good=False)
    return breaker


def test_it_begins_closed() -> None:
    assert Breaker(failures=1).wait(0.0) == 0


def test_failures_in_a_row_open_it_for_a_while() -> None:
    breaker = Breaker(failures=2)
    ended(breaker, good=False)
    assert breaker.wait(0.0) == 0
    ended(breaker, good=False)
    assert breaker.wait(0.0) == OPEN_FOR == 30
    assert breaker.wait(29.0) == 1


def test_a_success_between_two_failures_keeps_it_closed() -> None:
    breaker = Breaker(failures=2)
    for good in (False, True, False):
        ended(breaker, good=good)
    assert breaker.wait(0.0) == 0


def test_what_says_nothing_neither_counts_nor_makes_good() -> None:
    breaker = Breaker(failures=2)
    for good in (False, None, None, False):
        ended(breaker, good=good)
    assert breaker.wait(0.0) == OPEN_FOR


def test_afterwards_exactly_one_probe_is_let_through() -> None:
    breaker = opened()
    assert breaker.wait(30.0) == 0
    breaker.begin()
    assert breaker.wait(30.0) == PROBING
    assert breaker.wait(500.0) == PROBING


def test_a_good_probe_closes_it_and_the_count_begins_anew() -> None:
    breaker = opened()
    ended(breaker, 30.0, good=True)
    assert breaker.wait(30.0) == 0
    ended(breaker, 30.0, good=False)
    assert breaker.wait(30.0) == 0


def test_a_bad_probe_opens_it_again() -> None:
    breaker = opened()
    ended(breaker, 31.0, good=False)
    assert breaker.wait(31.0) == OPEN_FOR
    assert breaker.wait(61.0) == 0


def test_a_probe_that_was_cancelled_makes_room_for_another() -> None:
    breaker = opened()
    ended(breaker, 30.0, good=None)
    assert breaker.wait(30.0) == 0
    breaker.begin()
    assert breaker.wait(30.0) == PROBING


@pytest.mark.parametrize(
    ("good", "wait"),
    [(False, lambda now: OPEN_FOR - now), (None, lambda now: OPEN_FOR - now), (True, lambda _: 0)],
)
def test_a_request_from_before_does_not_prolong_it_and_may_show_that_all_is_well(
    good: bool | None, wait: Callable[[float], float]
) -> None:
    breaker = Breaker(failures=1)
    early = breaker.begin()
    ended(breaker, 0.0, good=False)
    breaker.end(early, 10.0, good=good)
    assert breaker.wait(10.0) == wait(10.0)


@pytest.mark.parametrize("good", [False, None])
def test_a_request_from_before_does_not_take_the_probes_place(good: bool | None) -> None:
    breaker = Breaker(failures=1)
    early = breaker.begin()
    ended(breaker, 0.0, good=False)
    breaker.begin()
    breaker.end(early, 31.0, good=good)
    assert breaker.wait(31.0) == PROBING
