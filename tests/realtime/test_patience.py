from __future__ import annotations

import random
import time
from math import inf

import anyio
import pytest

from chatbots.errors import ProviderError
from chatbots.realtime.patience import Clock, Overdue, Patience
from chatbots.realtime.turns import Model

PATIENCE = Patience(first_delta=3, gap=2, response=10, backoff=0.5, longest=8)
BUSY = ProviderError("upstream_error", "Busy.")


def test_the_clock_is_the_real_one_unless_told_otherwise() -> None:
    clock = Clock()
    assert (clock.now, clock.sleep, clock.chance) == (time.time, anyio.sleep, random.random)


@pytest.mark.parametrize(
    ("failed", "chance", "pause"), [(0, 1.0, 0.5), (0, 0.0, 0.25), (2, 1.0, 2.0), (50, 0.0, 4.0)]
)
def test_each_try_waits_longer_up_to_a_limit_and_by_chance_half_of_it(
    failed: int, chance: float, pause: float
) -> None:
    assert PATIENCE.pause(failed, BUSY, chance) == pause


def test_what_a_server_asks_for_is_waited_for_and_a_little_more() -> None:
    asked = ProviderError("rate_limited", "Slow.", retry_after=20.0)
    assert PATIENCE.pause(0, asked, 0.0) == 20.0
    assert PATIENCE.pause(0, asked, 1.0) == 22.0


def turned(*models: tuple[Model, float]) -> Overdue:
    overdue = Overdue(PATIENCE)
    for model, now in models:
        overdue.turned(model, now)
    return overdue


def told(overdue: Overdue, now: float) -> tuple[str, str] | None:
    error = overdue.error(now)
    return None if error is None else (error.code, error.message)


def test_nothing_is_overdue_where_nothing_is_under_way() -> None:
    for overdue in (turned(), turned(("asked", 5.0), ("idle", 6.0)), turned(("calling", 1.0))):
        assert overdue.due == inf
        assert overdue.error(1e9) is None


def test_a_response_has_to_begin_in_time() -> None:
    overdue = turned(("asked", 5.0), ("answering", 6.0))
    assert overdue.due == 8.0
    assert told(overdue, 7.9) is None
    assert told(overdue, 8.0) == (
        "upstream_timeout",
        "The response was not begun within 3 seconds.",
    )


def test_a_response_has_to_go_on_in_time() -> None:
    overdue = turned(("answering", 5.0))
    overdue.heard = 6.0
    assert overdue.due == 8.0
    said = "The response was no longer coming: nothing new for 2 seconds."
    assert told(overdue, 8.0) == ("stream_stalled", said)


def test_a_response_has_to_be_whole_in_time() -> None:
    overdue = turned(("asked", 5.0))
    overdue.heard = 14.5
    assert overdue.due == 15.0
    said = "The response was not whole within 10 seconds."
    assert told(overdue, 15.0) == ("stream_stalled", said)


def test_each_response_has_its_own_time() -> None:
    overdue = turned(("asked", 5.0))
    overdue.heard = 6.0
    overdue.turned("asked", 20.0)
    assert overdue.due == 23.0


def test_time_that_we_took_ourselves_does_not_count() -> None:
    overdue = turned(("asked", 5.0))
    overdue.heard = 6.0
    overdue.waited(100.0)
    assert overdue.due == 108.0
    assert told(overdue, 107.0) is None
