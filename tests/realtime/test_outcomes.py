from __future__ import annotations

from typing import get_args

from chatbots.deltas import TextDelta
from chatbots.realtime.outcomes import Ended, Interrupted, Outcome


def test_an_outcome_is_a_value_that_says_what_kind_it_is_by_its_class() -> None:
    assert Interrupted("item_1", 20) == Interrupted("item_1", 20)
    assert TextDelta in get_args(Outcome)
    assert len({*get_args(Outcome)}) == 9


def test_a_response_that_cost_nothing_has_no_usage() -> None:
    assert Ended("resp_1", "interrupted", "lost", "Hel").usage is None
