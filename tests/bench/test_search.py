"""Where something stops to hold."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from bench.search import most


@given(limit=st.integers(0, 5000), start=st.integers(1, 4000))
def test_the_limit_lies_between_the_two_numbers_however_far_off_the_search_begins(
    limit: int, start: int
) -> None:
    tried: list[int] = []

    def holds(number: int) -> bool:
        tried.append(number)
        return number <= limit

    good, bad = most(holds, start, 4000)
    assert good <= limit < bad or good == 4000
    assert bad <= max(good * 1.05, good + 1) + 1
    assert len(tried) == len(set(tried)) <= 24
    assert all(1 <= number <= 4000 for number in tried)


@pytest.mark.parametrize("start", [100, 228])  # from 228, the last try but one is 3819
@pytest.mark.parametrize(("limit", "expected"), [(0, (0, 1)), (9000, (4000, 4001))])
def test_where_nothing_holds_or_everything_it_says_so(
    limit: int, expected: tuple[int, int], start: int
) -> None:
    assert most(lambda number: number <= limit, start, 4000) == expected


def test_near_the_limit_few_tries_are_enough() -> None:
    tried: list[int] = []

    def holds(number: int) -> bool:
        tried.append(number)
        return number <= 130

    most(holds, 120, 4000)
    assert len(tried) <= 5


def test_a_coarser_search_tries_less() -> None:
    assert most(lambda number: number <= 130, 100, 4000, precision=0.5) == (125, 175)


def test_on_the_way_down_it_does_not_fall_below_half_of_what_failed() -> None:
    tried: list[int] = []

    def holds(number: int) -> bool:
        tried.append(number)
        return number <= 130

    most(holds, 600, 4000)
    assert tried[:4] == [600, 450, 225, 112]
