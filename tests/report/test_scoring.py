"""The rule by which clients are judged, case by case."""

from __future__ import annotations

import pytest

from report.scoring import (
    MEANING,
    RIGHT,
    SDK_ERRORS,
    Habits,
    Must,
    Outcome,
    Raised,
    Told,
    judge,
    leaks,
)

WHOLE = ("Once upon a time",)
SHOWS = Habits(("peer.Error",), "result.finish_reason")
SHOWS_NOTHING = Habits(("peer.Error",), "")


def ended(text: str = "Once", finish: str | None = None) -> Told:
    return Told(text=text, finish=finish)


def failed(*classes: str) -> Told:
    return Told(text="Once", raised=Raised([*classes], "It broke."))


OWN = failed("peer.BrokenError", "peer.Error", "builtins.Exception")
OF_THE_SDK = failed("openai.APIError", SDK_ERRORS, "builtins.Exception")
BOTH = failed("peer.AuthError", "openai.AuthenticationError", SDK_ERRORS, "peer.Error")
FOREIGN = failed("json.decoder.JSONDecodeError", "builtins.ValueError")

EVERY_MUST = [*Must]
NO_ANSWER = [Must.ERROR, Must.REASON, Must.EITHER]


@pytest.mark.parametrize("must", EVERY_MUST)
def test_who_told_nothing_before_the_watchdog_hangs(must: Must) -> None:
    assert judge(must, None, SHOWS, WHOLE) is Outcome.HANG


@pytest.mark.parametrize("must", EVERY_MUST)
def test_an_exception_of_nobody_known_is_raw(must: Must) -> None:
    assert judge(must, FOREIGN, SHOWS, WHOLE) is Outcome.RAW


@pytest.mark.parametrize("must", NO_ANSWER)
@pytest.mark.parametrize(
    ("told", "outcome"),
    [(OWN, Outcome.ERROR), (BOTH, Outcome.ERROR), (OF_THE_SDK, Outcome.PASSED_ON)],
)
def test_a_typed_error_is_right_where_one_may_come(
    must: Must, told: Told, outcome: Outcome
) -> None:
    assert judge(must, told, SHOWS, WHOLE) is outcome
    assert outcome in RIGHT


@pytest.mark.parametrize("told", [OWN, OF_THE_SDK])
def test_a_typed_error_is_needless_where_the_answer_was_there(told: Told) -> None:
    assert judge(Must.ANSWER, told, SHOWS, WHOLE) is Outcome.NEEDLESS


@pytest.mark.parametrize("must", [Must.ANSWER, Must.EITHER])
@pytest.mark.parametrize("finish", ["stop", None, "out_of_ideas"])
def test_the_whole_answer_is_right_whatever_the_reason_is_called(
    must: Must, finish: str | None
) -> None:
    assert judge(must, ended(WHOLE[0], finish), SHOWS, WHOLE) is Outcome.ANSWER


def test_any_of_the_whole_texts_will_do() -> None:
    assert judge(Must.ANSWER, ended("b"), SHOWS, ("a", "b")) is Outcome.ANSWER


@pytest.mark.parametrize("must", EVERY_MUST)
def test_a_cut_answer_that_ends_as_if_whole_is_a_false_complete(must: Must) -> None:
    assert judge(must, ended("Once", "stop"), SHOWS, WHOLE) is Outcome.FALSE_COMPLETE
    assert judge(must, ended("", "stop"), SHOWS, WHOLE) is Outcome.FALSE_COMPLETE


@pytest.mark.parametrize("must", EVERY_MUST)
def test_without_a_documented_place_for_it_no_reason_counts(must: Must) -> None:
    assert judge(must, ended("Once", None), SHOWS_NOTHING, WHOLE) is Outcome.FALSE_COMPLETE
    assert judge(must, ended("Once", "length"), SHOWS_NOTHING, WHOLE) is Outcome.FALSE_COMPLETE


@pytest.mark.parametrize("must", EVERY_MUST)
def test_a_missing_finish_reason_is_a_sign(must: Must) -> None:
    assert judge(must, ended("Once", None), SHOWS, WHOLE) is Outcome.SIGN
    assert Outcome.SIGN not in RIGHT


def test_where_the_end_was_never_told_even_the_whole_text_needs_a_sign() -> None:
    assert judge(Must.ERROR, ended(WHOLE[0], "stop"), SHOWS, WHOLE) is Outcome.FALSE_COMPLETE
    assert judge(Must.ERROR, ended(WHOLE[0], None), SHOWS, WHOLE) is Outcome.SIGN


@pytest.mark.parametrize("finish", ["length", "content_filter"])
def test_a_limit_is_right_where_its_reason_is_shown(finish: str) -> None:
    assert judge(Must.REASON, ended(WHOLE[0], finish), SHOWS, WHOLE) is Outcome.REASON


@pytest.mark.parametrize("habits", [SHOWS, SHOWS_NOTHING])
def test_a_limit_that_looks_like_the_end_is_a_false_complete(habits: Habits) -> None:
    assert judge(Must.REASON, ended("Another", "stop"), habits, WHOLE) is Outcome.FALSE_COMPLETE


@pytest.mark.parametrize("must", [Must.ANSWER, Must.EITHER, Must.ERROR])
def test_another_text_that_ends_as_if_whole_is_wrong(must: Must) -> None:
    assert judge(must, ended("Twice", "stop"), SHOWS, WHOLE) is Outcome.WRONG_TEXT


def test_every_outcome_has_a_meaning() -> None:
    assert set(MEANING) == set(Outcome)


def test_a_key_is_found_wherever_it_was_seen() -> None:
    assert leaks("sk-1", "Nothing", "Wrong key: sk-1.")
    assert not leaks("sk-1", "Wrong key: sk-*.", "")
