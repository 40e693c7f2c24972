"""Products, exact to the last digit."""

from __future__ import annotations

import json
import time
from decimal import Decimal

import pytest
from hypothesis import given, strategies as st
from pydantic import TypeAdapter, ValidationError

from chatbots.tools.multiply import MAX_DIGITS, Number, multiply
from chatbots.tools.numerals import CalculationError
from tests.tools.corpus import Product, products

READ = TypeAdapter(Number)


@pytest.mark.checklist(4)
@pytest.mark.parametrize("case", products(), ids=lambda case: f"{case.a:.12}*{case.b:.12}")
def test_a_product_is_exact(case: Product) -> None:
    assert multiply(READ.validate_json(case.a), READ.validate_json(case.b)) == case.value


@pytest.mark.parametrize("case", products()[:40], ids=lambda case: f"{case.a:.12}*{case.b:.12}")
def test_so_is_that_of_pythons_own_numbers(case: Product) -> None:
    assert multiply(json.loads(case.a), json.loads(case.b)) == case.value


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
