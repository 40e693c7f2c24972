"""Numbers as a person writes them."""

from __future__ import annotations

from decimal import Decimal


class CalculationError(ValueError):
    """A calculation without an answer, or without one that could be written down."""


def written(value: Decimal) -> str:
    """Write *value* in full: no exponent, no zeros after the last digit, no minus before zero."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
