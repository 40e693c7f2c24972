"""How many retries there are."""

from __future__ import annotations

from chatbots.provider.budget import AT_LEAST, MOST_COUNTED, RetryBudget


def taken(budget: RetryBudget, now: float) -> int:
    """Take all there are, and count them."""
    count = 0
    while budget.take(now):
        count += 1
    return count


def budget_after(requests: int, now: float = 100.0) -> RetryBudget:
    budget = RetryBudget()
    for _ in range(requests):
        budget.note_request(now)
    return budget


def test_one_request_alone_may_be_retried_three_times_a_minute() -> None:
    budget = budget_after(1)
    assert taken(budget, 100.0) == AT_LEAST == 3
    assert taken(budget, 159.9) == 0
    assert taken(budget, 160.0) == 3


def test_of_many_requests_a_fifth_may_be_retries() -> None:
    assert taken(budget_after(19), 100.0) == 3
    assert taken(budget_after(20), 100.0) == 4
    assert taken(budget_after(1000), 100.0) == 200


def test_requests_older_than_a_minute_earn_no_retries() -> None:
    assert taken(budget_after(1000, now=100.0), 160.0) == 3


def test_what_was_taken_comes_back_as_it_grows_old() -> None:
    budget = budget_after(1)
    assert budget.take(100.0)
    assert budget.take(110.0)
    assert budget.take(120.0)
    assert not budget.take(159.0)
    assert budget.take(165.0)
    assert not budget.take(165.0)


def test_what_is_remembered_is_bounded() -> None:
    assert taken(budget_after(2 * MOST_COUNTED), 100.0) == MOST_COUNTED / 5
