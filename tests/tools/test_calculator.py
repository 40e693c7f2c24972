"""The calculator: every line of its corpora, and expressions nobody thought of."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from decimal import Decimal, getcontext
from fractions import Fraction

import pytest
from hypothesis import given, settings, strategies as st

from chatbots.tools.calculator import MAX_LENGTH, MAX_NESTING, calculator
from chatbots.tools.numerals import CalculationError
from tests.tools.corpus import Case, cases

HOSTILE = cases("calculator_hostile")
EXACT = cases("calculator_exact")
QUICK = 0.05
"""Seconds of the processor's time."""


def outcome(case: Case) -> str:
    """Calculate a line of a corpus; say what is wrong with what comes of it, if anything."""
    began = time.thread_time()
    try:
        said, refused = calculator(case.sent), False
    except CalculationError as error:
        said, refused = str(error), True
    took = time.thread_time() - began
    told = refused and re.fullmatch(r"[^\x00-\x1f\ud800-\udfff]{10,250}\.", said)
    right = bool(told) if case.refused else said == case.value and not refused
    return "" if right and took < QUICK else f"{case.sent!a}: {said!a} in {took:.3f} s"


@pytest.mark.checklist(213)
@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize("corpus", [HOSTILE, EXACT], ids=["hostile", "ordinary"])
def test_each_line_of_a_corpus_ends_quickly_as_it_must(corpus: list[Case]) -> None:
    assert [wrong for case in corpus if (wrong := outcome(case))] == []


def test_the_corpora_are_as_large_as_promised() -> None:
    assert sum(case.refused for case in HOSTILE) >= 300
    assert len(EXACT) >= 100


@pytest.mark.parametrize(
    "expression",
    [
        "(1.1**4999)**.5+" * 55 + "1",
        "sqrt(7**5800/3**9000)+" * 40 + "1",
        "max(" + "pi**999,7**5800/3**9000," * 40 + "pi)",
        "(" + "9**5000/7**5900*" * 50 + "1)",
    ],
)
@pytest.mark.usefixtures("uncollected")
def test_the_slowest_expressions_that_fit_are_still_quick(expression: str) -> None:
    assert len(expression) <= MAX_LENGTH
    began = time.thread_time()
    with suppress(CalculationError):
        calculator(expression)
    assert time.thread_time() - began < 10 * QUICK


# What nobody thought of

WHOLE = st.integers(0, 10**30)
ENDING = st.decimals(0, 10**9, places=6)
NUMBERS = st.one_of(WHOLE.map(Decimal), ENDING).map(lambda n: (f"{n:f}", Fraction(n)))


def joined(pair: tuple[tuple[str, Fraction], str, tuple[str, Fraction]]) -> tuple[str, Fraction]:
    (left, a), sign, (right, b) = pair
    value = {"+": a + b, "-": a - b, "*": a * b}[sign]
    return f"({left} {sign} {right})", value


SUMS = st.recursive(
    NUMBERS,
    lambda inner: st.tuples(inner, st.sampled_from("+-*"), inner).map(joined),
    max_leaves=6,
).filter(lambda case: (case[1] * 10**50).denominator == 1 and len(case[0]) <= MAX_LENGTH)


@given(SUMS)
def test_sums_and_products_are_exact(case: tuple[str, Fraction]) -> None:
    expression, value = case
    said = calculator(expression)
    assert Fraction(said) == value
    assert re.fullmatch(r"-?(0|[1-9][0-9]*)(\.[0-9]*[1-9])?", said)
    assert said != "-0"


@given(st.integers(-(10**40), 10**40), st.integers(-(10**20), 10**20).filter(bool))
def test_whole_numbers_divide_as_pythons_do(a: int, b: int) -> None:
    assert calculator(f"({a}) // ({b})") == str(a // b)
    assert calculator(f"({a}) % ({b})") == str(a % b)
    assert calculator(f"({a}) / ({b}) * ({b})") == str(a)


@given(st.integers(-(10**40), 10**40), st.integers(1, 10**20))
def test_a_quotient_is_right_to_28_digits(a: int, b: int) -> None:
    said = Fraction(calculator(f"{a} / {b}"))
    assert abs(said - Fraction(a, b)) <= abs(Fraction(a, b)) / 10**27


@given(st.integers(-999, 999), st.integers(0, 500))
def test_whole_powers_are_exact(base: int, exponent: int) -> None:
    assert calculator(f"({base}) ** {exponent}") == str(base**exponent)


@settings(max_examples=300)
@given(st.text("0123456789.+-*/%()^, epi\u00d7abscqrtmx<'#\x00", max_size=40))
def test_any_text_is_calculated_or_refused(text: str) -> None:
    try:
        said = calculator(text)
    except CalculationError:
        return
    assert Decimal(said).is_finite()


# What is said of it


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        ("1+", "A number is missing before the end at character 3."),
        ("1 + * 2", "A number is missing before '*' at character 5."),
        ("2pi", "A sign such as + is missing before 'pi' at character 2."),
        ("sqrt 4", "A parenthesis is missing after 'sqrt' at character 1."),
        ("(1", "A closing parenthesis is missing before the end at character 3."),
        ("max(1,000)", "A closing parenthesis is missing before '0' at character 8."),
        ("sqrt(1, 2)", "'sqrt' at character 1 does not take 2 arguments."),
        ("9**9**9", "A number on the way has over 5,000 digits."),
        ("exp(-99999)", "A number on the way is too close to 0."),
        ("1/0", "Nothing can be divided by 0."),
        ("(-8)**(1/3)", "It has no answer among the real numbers."),
        ("-" * 51 + "1", "It is nested more than 50 deep."),
        ("1" * 1001, "An expression may have 1,000 characters."),
    ],
)
def test_a_refusal_says_what_is_wrong(expression: str, complaint: str) -> None:
    with pytest.raises(CalculationError) as refused:
        calculator(expression)
    assert str(refused.value) == complaint


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(CalculationError, match=r"no 'cbrt' at character 5; there are abs, .*, tau"):
        calculator("1 + cbrt(8)")


def test_the_limits_are_where_they_are_said_to_be() -> None:
    assert calculator("(" * (MAX_NESTING - 1) + "1" + ")" * (MAX_NESTING - 1)) == "1"
    assert calculator("9" * MAX_LENGTH) == "9" * MAX_LENGTH


def test_the_callers_own_precision_is_left_alone() -> None:
    before = getcontext().copy()
    calculator("1/3 + sin(1)")
    with pytest.raises(CalculationError):
        calculator("sin(1) / 0")
    assert (getcontext().prec, getcontext().Emax) == (before.prec, before.Emax)
