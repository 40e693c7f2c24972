"""A bucket: so many at once, so many a second, how long to wait; and a brake."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from chatbots.server.rates import Brake, TokenBucket


def test_a_burst_goes_through_and_then_one_at_a_time() -> None:
    bucket = TokenBucket(rate=2, burst=3, now=10)
    assert [bucket.take(10) for _ in range(4)] == [0, 0, 0, 0.5]
    assert bucket.take(10.25) == pytest.approx(0.25)
    assert bucket.take(10.5) == 0
    assert bucket.take(10.5) == 0.5


def test_it_is_full_again_after_a_while_and_never_more_than_full() -> None:
    bucket = TokenBucket(rate=1, burst=2, now=0)
    assert bucket.is_full(0)
    bucket.take(0)
    assert not bucket.is_full(0.5)
    assert bucket.is_full(1)
    assert [bucket.take(1000) for _ in range(3)] == [0, 0, 1]


@given(st.lists(st.floats(0, 5), max_size=200), st.floats(0.1, 20), st.integers(1, 30))
def test_never_more_than_the_burst_and_the_rate_allow(
    gaps: list[float], rate: float, burst: int
) -> None:
    bucket, now, through = TokenBucket(rate=rate, burst=burst, now=0), 0.0, 0
    for gap in gaps:
        now += gap
        through += bucket.take(now) == 0
        assert through <= burst + rate * now + 1e-6


def test_a_brake_is_on_for_longer_while_refusals_go_on_and_for_less_after_the_rest() -> None:
    brake, waited = Brake(), []
    for refused in (True, True, True, True, True, False, False, False, False, True):
        brake.take_note(refused=refused)
        assert brake.is_on is refused
        if refused:
            waited.append(brake.release())
            assert not brake.is_on
    assert waited == [0.1, 0.2, 0.4, 0.5, 0.5, 0.1]
