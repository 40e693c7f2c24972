from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given, strategies as st

from chatbots.errors import InvalidRequest
from chatbots.sampling import Effort, Sampling

NUMBERS = {
    "temperature": (0, 0.5, 2),
    "top_p": (0, 0.5, 1),
    "frequency_penalty": (-2, 0.5, 2.0),
    "presence_penalty": (-2.0, 0, 2),
    "max_tokens": (1, 4096, 2**31 - 1),
    "seed": (-(2**63), 0, 2**63 - 1),
    "logprobs": (0, 3, 20),
}


def sampling(**fields: object) -> Sampling:
    return Sampling(**fields)  # type: ignore[arg-type]  # the fields under test


def refusal(**fields: object) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as raised:
        sampling(**fields)
    assert raised.value.code == "invalid_request"
    return raised.value


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in NUMBERS.items() for value in values]
)
def test_a_number_in_its_range_is_taken(name: str, value: float) -> None:
    assert getattr(sampling(**{name: value}), name) == value


@pytest.mark.checklist(198)
@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("temperature", 2.01, "a number from 0 to 2, not 2.01"),
        ("temperature", float("nan"), "a number from 0 to 2, not nan"),
        ("temperature", float("inf"), "a number from 0 to 2, not inf"),
        ("temperature", "hot", "a number from 0 to 2, not 'hot'"),
        ("top_p", 1.1, "a number from 0 to 1, not 1.1"),
        ("top_p", -0.1, "a number from 0 to 1, not -0.1"),
        ("frequency_penalty", -2.1, "a number from -2 to 2, not -2.1"),
        ("presence_penalty", 3, "a number from -2 to 2, not 3"),
        ("max_tokens", 0, "a whole number from 1 to 2,147,483,647, not 0"),
        ("max_tokens", 1.5, "a whole number from 1 to 2,147,483,647, not 1.5"),
        ("logprobs", 21, "a whole number from 0 to 20, not 21"),
        ("logprobs", -1, "a whole number from 0 to 20, not -1"),
    ],
)
def test_a_number_out_of_its_range_is_refused(name: str, value: object, why: str) -> None:
    error = refusal(**{name: value})
    assert str(error) == f"The {name} must be {why}."
    assert error.param == name


@pytest.mark.parametrize("seed", [2**63, -(2**63) - 1, 1.5])
def test_a_seed_is_a_whole_number_of_64_bits(seed: float) -> None:
    assert refusal(seed=seed).param == "seed"


@pytest.mark.parametrize("stop", [(), ("\n",), ("a", "b", "c", "d")])
def test_up_to_four_texts_end_an_answer(stop: tuple[str, ...]) -> None:
    assert Sampling(stop=stop).stop == stop


@pytest.mark.parametrize("stop", [("",), ("a", ""), ("a", "b", "c", "d", "e")])
def test_more_texts_or_empty_ones_do_not(stop: tuple[str, ...]) -> None:
    error = refusal(stop=stop)
    assert str(error) == f"The stop must be at most 4 texts, none empty, not {stop!r}."
    assert error.param == "stop"


@pytest.mark.parametrize("effort", [None, *get_args(Effort)])
def test_an_effort_is_one_of_those_there_are(effort: Effort | None) -> None:
    assert Sampling(reasoning_effort=effort).reasoning_effort == effort


def test_another_effort_is_refused_with_those_there_are() -> None:
    error = refusal(reasoning_effort="hard")
    assert str(error) == (
        "The reasoning_effort must be one of none, minimal, low, medium, high, xhigh, max, "
        "not 'hard'."
    )
    assert error.param == "reasoning_effort"


def test_what_is_said_wins_over_the_default_and_an_explicit_zero_stays() -> None:
    default = Sampling(temperature=0.7, max_tokens=10, stop=("x",), seed=1)
    assert Sampling().over(default) == default
    said = Sampling(temperature=0.0, max_tokens=1, stop=(), seed=0)
    assert said.over(default) == said
    assert Sampling(max_tokens=2, top_p=0.5).over(default) == Sampling(
        temperature=0.7, top_p=0.5, max_tokens=2, stop=("x",), seed=1
    )


@given(st.sampled_from([s for n, values in NUMBERS.items() for s in [(n, values[-1])]]))
def test_any_value_there_is_wins(said: tuple[str, float]) -> None:
    name, value = said
    default = sampling(**{name: NUMBERS[name][0]})
    assert sampling(**{name: value}).over(default) == sampling(**{name: value})
    assert Sampling().over(default) == default


def test_it_does_not_change() -> None:
    assert hash(Sampling(stop=("a",))) == hash(Sampling(stop=("a",)))
    with pytest.raises(AttributeError):
        Sampling().seed = 1  # type: ignore[misc]  # the mistake under test
