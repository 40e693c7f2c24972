"""Numbers that stay exact for as long as they can."""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal, Overflow, Underflow, localcontext
from fractions import Fraction

import pytest
from hypothesis import given, strategies as st

from chatbots.tools.arithmetic import (
    CONSTANTS,
    FUNCTIONS,
    MAX_ANGLE,
    MAX_DIGITS,
    PI,
    PLACES,
    WORKING,
    Value,
    combine,
    read,
    shown,
)
from chatbots.tools.numerals import CalculationError

THIRD = Fraction(1, 3)


@pytest.fixture(autouse=True)
def _working() -> Iterator[None]:
    with localcontext(WORKING):
        yield


def call(name: str, *arguments: Value | int) -> str:
    function, _, _ = FUNCTIONS[name]
    return shown(function(*(Fraction(a) if isinstance(a, int) else a for a in arguments)))


def test_a_number_is_read_digit_by_digit() -> None:
    assert read("0.12345678901234567890123") == Fraction("0.12345678901234567890123")
    assert read("1e21") == 10**21
    assert read(".5") == read("5.e-1") == Fraction(1, 2)


@pytest.mark.parametrize("text", ["1e5000", "1e-5000", "1e99999999999999999999", "0e99999"])
def test_a_number_out_of_all_bounds_is_never_made(text: str) -> None:
    with pytest.raises(Overflow):
        read(text)


def test_fractions_stay_exact() -> None:
    assert combine("*", combine("/", Fraction(1), Fraction(3)), Fraction(3)) == 1
    assert combine("+", Fraction("0.1"), Fraction("0.2")) == Fraction("0.3")


def test_what_was_rounded_once_stays_rounded() -> None:
    assert combine("+", Fraction(1), PI) == 1 + PI
    assert combine("+", PI, Fraction(1)) == 1 + PI
    assert isinstance(combine("*", PI, Fraction(0)), Decimal)


def test_the_quotient_of_rounded_numbers_is_that_of_the_shown_ones() -> None:
    almost_two = combine("*", Decimal(2).sqrt(), Decimal(2).sqrt())
    assert almost_two != 2
    assert combine("//", almost_two, Fraction(2)) == 1
    assert shown(combine("%", almost_two, Fraction(2))) == "0"


@pytest.mark.parametrize(
    ("left", "right", "value"),
    [
        (Fraction(2), Fraction(-2), "0.25"),
        (Fraction(0), Fraction(0), "1"),
        (Fraction(1), Fraction(10) ** 300, "1"),
        (Fraction(2), Fraction(1, 2), "1.414213562373095048801688724"),
        (Decimal(2), Fraction(10), "1024"),
        (Fraction("1.0001"), Fraction(10_000), "2.718145926825224864037664675"),
    ],
)
def test_a_power_is_exact_while_that_takes_few_digits(
    left: Value, right: Value, value: str
) -> None:
    assert shown(combine("**", left, right)) == value


@pytest.mark.parametrize("zero", [Fraction(0), Decimal(0)])
@pytest.mark.parametrize("exponent", [Fraction(-1), Fraction(-1, 2), Decimal(-2)])
def test_nothing_has_no_negative_power(zero: Value, exponent: Value) -> None:
    with pytest.raises(ZeroDivisionError):
        combine("**", zero, exponent)


def test_a_long_fraction_is_rounded_and_a_long_whole_number_is_refused() -> None:
    long = Fraction(3**5000, 7**5000)
    assert isinstance(combine("*", long, Fraction(3, 7) ** 2000), Decimal)
    with pytest.raises(Overflow):
        combine("*", Fraction(10**3000), Fraction(10**3000))
    with pytest.raises(Underflow):
        combine("/", Fraction(1, 10**3000), Fraction(10**3000))


def test_the_largest_number_is_written_in_full() -> None:
    largest = combine("-", combine("**", Fraction(10), Fraction(MAX_DIGITS)), Fraction(1))
    assert shown(largest) == "9" * MAX_DIGITS


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Fraction(5), "5"),
        (Fraction(-5, 2), "-2.5"),
        (Fraction(0), "0"),
        (Decimal("-0E-40"), "0"),
        (Fraction(3 * 10**21), "3" + "0" * 21),
        (Fraction(1, 10**PLACES), "0." + "0" * (PLACES - 1) + "1"),
        (Fraction(1, 10 ** (PLACES + 1)), "1e-51"),
        (THIRD, "0." + "3" * 28),
        (THIRD / 10**6, "0.000000" + "3" * 28),
        (THIRD / 10**7, "3." + "3" * 27 + "e-8"),
        (THIRD * 10**28, "3" * 28),
        (THIRD * 10**29, "3." + "3" * 27 + "e+28"),
        (Decimal("2.50"), "2.5"),
        (Decimal("9" * 29), "1e+29"),
    ],
)
def test_a_value_is_shown_as_a_person_writes_it(value: Value, text: str) -> None:
    if text == "3" * 28:
        value = THIRD * 10**28 - THIRD  # whole
    assert shown(value) == text


def test_a_root_is_exact_where_there_is_one() -> None:
    root, _, _ = FUNCTIONS["sqrt"]
    assert root(Fraction(9, 4)) == Fraction(3, 2)
    assert isinstance(root(Fraction(10) ** 100), Fraction)
    assert call("sqrt", 2) == "1.414213562373095048801688724"
    assert call("sqrt", Decimal(4)) == "2"


@pytest.mark.parametrize(
    ("x", "places", "value"),
    [
        (Fraction(5, 2), 0, "3"),
        (Fraction(-5, 2), 0, "-3"),
        (Fraction("2.675"), 2, "2.68"),
        (Fraction(1250), -2, "1300"),
        (PI, 4, "3.1416"),
        (Fraction(0), 3, "0"),
    ],
)
def test_rounding_takes_halves_away_from_zero(x: Value, places: int, value: str) -> None:
    assert call("round", x, places) == value


@pytest.mark.parametrize("places", [Fraction(1, 2), 51, -51])
def test_rounding_to_odd_places_is_refused(places: Value | int) -> None:
    with pytest.raises(CalculationError, match="round takes from -50 to 50 places"):
        call("round", PI, places)


@pytest.mark.parametrize("arguments", [(0,), (-1,), (2, 0), (2, -1)])
def test_a_logarithm_needs_numbers_above_zero(arguments: tuple[int, ...]) -> None:
    with pytest.raises(CalculationError, match="above 0"):
        call("log", *arguments)


@pytest.mark.parametrize("n", [-1, 1001, Fraction(1, 2), PI])
def test_a_factorial_needs_a_small_whole_number(n: Value | int) -> None:
    with pytest.raises(CalculationError, match="whole number from 0 to 1,000"):
        call("factorial", n)


def test_a_factorial_takes_what_is_shown_as_whole() -> None:
    assert call("factorial", combine("*", Decimal(2).sqrt(), Decimal(2).sqrt())) == "2"


@given(st.floats(-1e6, 1e6))
def test_the_circular_functions_agree_with_those_of_floats(x: float) -> None:
    for name in ("sin", "cos"):
        ours = float(call(name, Fraction(x)))
        assert math.isclose(ours, getattr(math, name)(x), abs_tol=1e-9)


@given(st.integers(-100, 100))
def test_a_turn_leads_back(turns: int) -> None:
    whole_turns = combine("*", CONSTANTS["tau"], Fraction(turns))
    assert (call("sin", whole_turns), call("cos", whole_turns)) == ("0", "1")


def test_a_tangent_has_gaps_and_an_angle_an_end() -> None:
    assert call("tan", combine("/", PI, Fraction(4))) == "1"
    with pytest.raises(ZeroDivisionError):
        call("tan", combine("/", PI, Fraction(2)))
    with pytest.raises(CalculationError, match="10\\*\\*15 radians"):
        call("sin", MAX_ANGLE + 1)


def test_the_rest_of_the_functions() -> None:
    assert call("abs", -3) == "3"
    assert (call("floor", Fraction(-5, 2)), call("ceil", Fraction(-5, 2))) == ("-3", "-2")
    assert (call("min", PI, 3), call("max", PI, 3, THIRD)) == ("3", shown(PI))
    assert (call("exp", 1), call("log", CONSTANTS["e"]), call("log", 8, 2)) == (
        shown(CONSTANTS["e"]),
        "1",
        "3",
    )
