"""Numbers as a person writes them."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, strategies as st

from chatbots.tools.numerals import written


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("42", "42"),
        ("4.2E+1", "42"),
        ("100", "100"),
        ("1.500", "1.5"),
        ("2.000", "2"),
        ("1E-7", "0.0000001"),
        ("3E+21", "3000000000000000000000"),
        ("-0", "0"),
        ("-0.00", "0"),
        ("0E+3", "0"),
        ("-0.10", "-0.1"),
    ],
)
def test_a_number_is_written_in_full_and_no_longer(value: str, text: str) -> None:
    assert written(Decimal(value)) == text


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**300), max_value=10**300))
def test_what_is_written_is_the_number(value: Decimal) -> None:
    assert Decimal(written(value)) == value
