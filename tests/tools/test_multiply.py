"""Products, exact to the last digit."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given, strategies as st
from pydantic import TypeAdapter, ValidationError

from chatbots.tools.multiply import MAX_DIGITS, Number, multiply
from chatbots.tools.numerals import CalculationError
from tests.tools.corpus import Product, products

READ = TypeAdapter(Number)


def wrong(read: Callable[[str], int | float | Decimal], corpus: list[Product]) -> list[Product]:
    """Return the products of a corpus that come out otherwise, with their factors *read* so."""
    return [one for one in corpus if multiply(read(one.a), read(one.b)) != one.value]


@pytest.mark.checklist(4)
def test_a_product_is_exact() -> None:
    assert wrong(READ.validate_json, products()) == []


def test_so_is_that_of_pythons_own_numbers() -> None:
    assert wrong(json.loads, products()[:40]) == []


@given(st.integers(), st.integers())
def test_whole_numbers_multiply_as_pythons_do(a: int, b: int) -> None:
    assert multiply(a, b) == str(a * b)


@pytest.mark.checklist(4)
@given(st.integers(-(10**4000), 10**4000), st.integers(-(10**4000), 10**4000))
def test_so_do_very_large_ones(a: int, b: int) -> None:
    assert int(Decimal(multiply(a, b))) == a * b


@pytest.mark.checklist(4)
@given(*[st.floats(allow_nan=False, allow_infinity=False)] * 2)
def test_floats_multiply_as_they_are_written(a: float, b: float) -> None:
    said = multiply(a, b)
    left, right = Decimal(repr(a)).as_integer_ratio(), Decimal(repr(b)).as_integer_ratio()
    over, under = Decimal(said).as_integer_ratio()
    assert over * left[1] * right[1] == left[0] * right[0] * under
    assert "e" not in said.lower()


def test_factors_may_have_10_000_digits_on_either_side_of_the_point() -> None:
    longest = Decimal("9" * MAX_DIGITS + "." + "9" * MAX_DIGITS)
    product = multiply(longest, longest)
    zeros = 2 * MAX_DIGITS - 1
    assert product == "9" * zeros + "8." + "0" * zeros + "1"
    assert multiply(10**MAX_DIGITS - 1, 1) == "9" * MAX_DIGITS


@pytest.mark.parametrize(
    "factor",
    [10**MAX_DIGITS, -(10**MAX_DIGITS), 1 << 40_000_000, Decimal("1e10000"), Decimal("1e-10001")],
    ids=["whole", "negative", "huge", "large", "small"],
)
@pytest.mark.usefixtures("uncollected")
def test_longer_ones_are_refused_at_once(factor: int | Decimal) -> None:
    began = time.thread_time()
    with pytest.raises(CalculationError, match="10,000 digits before and after its point"):
        multiply(3, factor)
    assert time.thread_time() - began < 0.05


@pytest.mark.parametrize("factor", [float("inf"), float("-inf"), float("nan"), Decimal("sNaN")])
def test_what_is_no_number_is_refused(factor: float | Decimal) -> None:
    with pytest.raises(CalculationError, match="must be a finite number"):
        multiply(factor, 2)


def test_the_model_is_told_of_numbers() -> None:
    assert READ.json_schema() == {"type": "number"}


@pytest.mark.parametrize("said", ["true", "null", '"six"', "[6]", "NaN", "1e999"])
def test_arguments_of_other_types_are_refused(said: str) -> None:
    with pytest.raises(ValidationError):
        READ.validate_json(said)
