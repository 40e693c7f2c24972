"""Whether a server may be asked, from what the requests before have shown."""

from __future__ import annotations

import pytest

from chatbots.errors import ChatError, ConfigurationError, InvalidRequest, ProviderError
from chatbots.provider.breaker import OPEN_FOR
from chatbots.provider.guard import (
    LONGEST_PAUSE,
    LONGEST_WAIT,
    MOST_MODELS,
    EmptyAnswer,
    Guard,
    Guards,
    spoken,
)


@pytest.fixture
def guard() -> Guard:
    return Guards().of("m")


def ended(guard: Guard, error: BaseException | None, now: float = 0.0) -> None:
    """Let one request through, and end it so."""
    guard.leave(guard.enter(now), error, now)


def slow_down(seconds: float | None) -> ProviderError:
    return ProviderError("rate_limited", "Slowly.", retry_after=seconds)


def refused(guard: Guard, now: float, *, at_most: float = LONGEST_WAIT) -> ChatError:
    with pytest.raises(ProviderError) as caught:
        guard.wait(now, at_most=at_most)
    return caught.value


# The breaker of a model


@pytest.mark.parametrize(
    "code",
    [
        "upstream_unreachable",
        "upstream_timeout",
        "upstream_error",
        "upstream_bad_response",
        "stream_interrupted",
        "stream_stalled",
    ],
)
def test_five_faults_of_the_server_in_a_row_and_it_is_left_alone(guard: Guard, code: str) -> None:
    for _ in range(4):
        ended(guard, ProviderError(code, "no"))
    assert guard.wait(0.0) == 0
    ended(guard, ProviderError(code, "no"))
    error = refused(guard, 10.0)
    assert (error.code, error.retry_after) == ("circuit_open", 20.0)
    assert "'m'" in error.message
    assert error.hint == "Ask again in 20 seconds."
    assert guard.wait(OPEN_FOR) == 0


@pytest.mark.parametrize(
    "error",
    [
        ProviderError("upstream_auth", "no"),
        ProviderError("upstream_tls", "no"),
        ProviderError("model_not_available", "no"),
        ProviderError("context_too_long", "no"),
        ProviderError("content_filtered", "no"),
        ProviderError("rate_limited", "no"),
        EmptyAnswer("upstream_bad_response", "no"),
        InvalidRequest("invalid_request", "no"),
        ConfigurationError("local_model_failed", "no"),
        KeyboardInterrupt(),
        ZeroDivisionError(),
    ],
    ids=repr,
)
def test_a_refusal_a_bug_and_a_cancelled_turn_do_not_count(
    guard: Guard, error: BaseException
) -> None:
    for _ in range(9):
        ended(guard, error)
    assert guard.wait(0.0) == 0


def test_a_refusal_between_failures_does_not_make_them_good(guard: Guard) -> None:
    for code in ["upstream_error", "upstream_auth"] * 5:
        ended(guard, ProviderError(code, "no"))
    assert refused(guard, 0.0).code == "circuit_open"


def test_a_success_closes_the_circuit(guard: Guard) -> None:
    for _ in range(5):
        ended(guard, ProviderError("upstream_error", "no"))
    ended(guard, None, OPEN_FOR)
    assert guard.wait(OPEN_FOR) == 0


def test_one_models_failures_are_not_anothers() -> None:
    guards = Guards()
    for _ in range(5):
        ended(guards.of("a"), ProviderError("upstream_error", "no"))
    assert refused(guards.of("a"), 0.0).code == "circuit_open"
    assert guards.of("b").wait(0.0) == 0


# The breaker of the key


def test_an_empty_account_is_every_models_at_once() -> None:
    guards = Guards()
    ended(guards.of("a"), ProviderError("quota_exhausted", "no"))
    for model in ("a", "b"):
        error = refused(guards.of(model), 0.0)
        assert (error.code, error.retry_after) == ("circuit_open", OPEN_FOR)
        assert "no credit left" in error.message
        assert "Add credit" in str(error)


def test_one_request_finds_out_whether_there_is_credit_again() -> None:
    guards = Guards()
    ended(guards.of("a"), ProviderError("quota_exhausted", "no"))
    probe = guards.of("a").enter(OPEN_FOR)
    assert refused(guards.of("b"), OPEN_FOR).code == "circuit_open"
    guards.of("a").leave(probe, None, OPEN_FOR)
    assert guards.of("b").wait(OPEN_FOR) == 0


def test_one_key_has_nothing_to_do_with_another() -> None:
    ended(Guards().of("m"), ProviderError("quota_exhausted", "no"))
    assert Guards().of("m").wait(0.0) == 0


# The shared pause


def test_a_pause_is_everybodys_until_it_is_over(guard: Guard) -> None:
    ended(guard, slow_down(4.0), 100.0)
    assert guard.wait(100.0) == 4.0
    assert guard.wait(103.0) == 1.0
    assert guard.wait(104.0) == 0


def test_of_two_pauses_the_later_end_holds(guard: Guard) -> None:
    ended(guard, slow_down(4.0), 100.0)
    ended(guard, slow_down(1.0), 100.0)
    assert guard.wait(100.0) == 4.0


def test_nobody_is_queued_for_longer_than_five_seconds(guard: Guard) -> None:
    ended(guard, slow_down(5.0))
    assert guard.wait(0.0) == 5.0
    ended(guard, slow_down(5.01))
    error = refused(guard, 0.0)
    assert (error.code, error.retry_after) == ("rate_limited", 5.01)
    assert error.hint == "Ask again in 6 seconds."


def test_nobody_is_queued_for_longer_than_they_have(guard: Guard) -> None:
    ended(guard, slow_down(2.0))
    assert guard.wait(0.0, at_most=2.0) == 2.0
    assert refused(guard, 0.0, at_most=1.9).code == "rate_limited"


def test_what_is_left_of_a_pause_by_rounding_is_none(guard: Guard) -> None:
    ended(guard, slow_down(0.1), 0.2)
    assert guard.wait(0.3) == 0


def test_who_asks_for_an_eternity_is_not_believed(guard: Guard) -> None:
    ended(guard, slow_down(1e9))
    assert refused(guard, LONGEST_PAUSE - 6).code == "rate_limited"
    assert guard.wait(LONGEST_PAUSE) == 0


@pytest.mark.parametrize(
    "error",
    [slow_down(None), slow_down(0.0), ProviderError("upstream_error", "no", retry_after=4.0)],
)
def test_only_a_rate_limit_with_a_time_pauses_the_others(guard: Guard, error: ChatError) -> None:
    ended(guard, error)
    assert guard.wait(0.0) == 0


# Retries


def test_retries_come_out_of_a_budget(guard: Guard) -> None:
    ended(guard, None)
    assert [guard.grants_retry(0.0) for _ in range(4)] == [True, True, True, False]


def test_every_request_that_was_let_through_earns_retries(guard: Guard) -> None:
    for _ in range(20):
        ended(guard, None)
    assert [guard.grants_retry(0.0) for _ in range(5)] == [True, True, True, True, False]


@pytest.mark.parametrize(("code", "failures"), [("upstream_error", 5), ("quota_exhausted", 1)])
def test_who_is_left_alone_is_not_retried_and_the_budget_is_kept(
    guard: Guard, code: str, failures: int
) -> None:
    for _ in range(failures):
        ended(guard, ProviderError(code, "no"))
    assert not guard.grants_retry(0.0)
    assert [guard.grants_retry(OPEN_FOR) for _ in range(4)] == [True, True, True, False]


# All of them


def test_the_models_remembered_are_bounded() -> None:
    guards = Guards()
    first = guards.of("first")
    assert guards.of("first") is first
    for number in range(MOST_MODELS):
        guards.of(f"m{number}")
    assert guards.of("first") is not first


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.2, "1 second"), (1.0, "1 second"), (1.2, "2 seconds"), (30.0, "30 seconds")],
)
def test_a_time_is_said_in_whole_seconds_and_never_too_early(seconds: float, said: str) -> None:
    assert spoken(seconds) == said
