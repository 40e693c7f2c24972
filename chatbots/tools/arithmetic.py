"""Real numbers that stay exact for as long as they can.

A value is a `Fraction` while it is exact, and a `Decimal` of 50 digits once it was rounded.
A result is shown with 28 digits, so that what was rounded on the way does not show.
All but `shown` are to be called within `decimal.localcontext(WORKING)`.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from decimal import (
    Context,
    Decimal,
    DivisionByZero,
    InvalidOperation,
    Overflow,
    Underflow,
    localcontext,
)
from fractions import Fraction
from typing import Final, TypeAlias, TypeVar

from chatbots.tools.numerals import CalculationError, written

Value: TypeAlias = Fraction | Decimal
V = TypeVar("V", Fraction, Decimal)

MAX_DIGITS: Final = 5_000
"""Before the point of any value on the way, and zeros after it."""

MAX_FACTORIAL: Final = 1_000
MAX_ANGLE: Final = 10**15
"""In radians; beyond, the digits of pi run out."""

PLACES: Final = 50
"""A fraction that ends within so many is shown in full."""

SHOWN_DIGITS: Final = 28

_MAX_BITS: Final = 16_610  # 10 ** MAX_DIGITS has as many


def _context(digits: int) -> Context:
    return Context(
        prec=digits,
        Emax=MAX_DIGITS - 1,
        Emin=1 - MAX_DIGITS,
        traps=[DivisionByZero, InvalidOperation, Overflow, Underflow],
    )


WORKING: Final = _context(50)
_SHOWN: Final = _context(SHOWN_DIGITS)
_WHOLE: Final = Context(prec=2 * MAX_DIGITS)
_TURNING: Final = Context(prec=70)

PI: Final = Decimal("3.141592653589793238462643383279502884197169399375105820974944592307816")
E: Final = Decimal("2.718281828459045235360287471352662497757247093699959574966967627724077")
TAU: Final = _TURNING.multiply(PI, 2)


def read(text: str) -> Fraction:
    """Return the number written as *text*: digits, a point, an exponent."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise Overflow from None
    if not -MAX_DIGITS < value.adjusted() < MAX_DIGITS:
        raise Overflow
    return Fraction(value)


def combine(sign: str, left: Value, right: Value) -> Value:
    """Return `left sign right`, for + - * / // % and **.

    Raises `ZeroDivisionError` and what `WORKING` traps.
    """
    if sign == "**":
        return _power(left, right)
    if isinstance(left, Decimal) or isinstance(right, Decimal):
        left, right = _rounded(left), _rounded(right)
    return _bounded(_OPERATIONS[sign](left, right))


def shown(value: Value) -> str:
    """Write *value*: in full where that takes few places, else rounded."""
    if isinstance(value, Fraction):
        scaled = value * 10**PLACES
        if scaled.denominator == 1:
            return written(_WHOLE.scaleb(Decimal(scaled.numerator), -PLACES))
        value = _SHOWN.divide(Decimal(value.numerator), Decimal(value.denominator))
    value = _SHOWN.plus(value)
    if not value or -8 < value.adjusted() < SHOWN_DIGITS:
        return written(value)
    return format(value.normalize(_SHOWN), "e")


def _bounded(value: Value) -> Value:
    if isinstance(value, Decimal):
        return value
    bits = max(abs(value.numerator), value.denominator).bit_length()
    return value if bits <= _MAX_BITS else _rounded(value)


def _rounded(value: Value) -> Decimal:
    if isinstance(value, Decimal):
        return value
    return Decimal(value.numerator) / Decimal(value.denominator)


def _as_shown(value: Value) -> Fraction:
    """Return what a person takes *value* for: 2, not the 1.99...9 that rounding left."""
    return value if isinstance(value, Fraction) else Fraction(_SHOWN.plus(value))


def _ratio(left: V, right: V) -> V:
    return left / right


def _quotient(left: V, right: V) -> V:
    return type(left)(math.floor(_as_shown(left / right)))


def _remainder(left: V, right: V) -> Value:
    return _as_shown(left) - _as_shown(right * _quotient(left, right))


_OPERATIONS: Final[dict[str, Callable[..., Value]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _ratio,
    "//": _quotient,
    "%": _remainder,
}


def _power(left: Value, right: Value) -> Value:
    if isinstance(left, Fraction) and isinstance(right, Fraction) and right.denominator == 1:
        bits = max(abs(left.numerator), left.denominator).bit_length() - 1
        if bits * abs(right.numerator) <= _MAX_BITS:
            return _bounded(left**right.numerator)
    if not left and right < 0:
        raise ZeroDivisionError
    return _rounded(left) ** _rounded(right)


def _abs(x: Value) -> Value:
    return -x if x < 0 else x


def _ceil(x: Value) -> Value:
    return Fraction(math.ceil(_as_shown(x)))


def _floor(x: Value) -> Value:
    return Fraction(math.floor(_as_shown(x)))


def _largest(*xs: Value) -> Value:
    return max(xs)


def _smallest(*xs: Value) -> Value:
    return min(xs)


def _sqrt(x: Value) -> Value:
    if isinstance(x, Fraction) and x >= 0:
        root = Fraction(math.isqrt(x.numerator), math.isqrt(x.denominator))
        if root * root == x:
            return root
    return _rounded(x).sqrt()


def _round(x: Value, places: Value = Fraction(0)) -> Value:
    if _as_shown(places).denominator != 1 or _abs(places) > PLACES:
        raise CalculationError(f"round takes from -{PLACES} to {PLACES} places.")
    scale = Fraction(10) ** int(places)
    size = math.floor(abs(_as_shown(x)) * scale + Fraction(1, 2)) / scale
    return size if x > 0 else -size


def _log(x: Value, base: Value = E) -> Value:
    if x <= 0 or base <= 0:
        raise CalculationError("log is only defined for numbers above 0.")
    return _rounded(x).ln() / _rounded(base).ln()


def _exp(x: Value) -> Value:
    return _rounded(x).exp()


def _factorial(x: Value) -> Value:
    n = _as_shown(x)
    if n.denominator != 1 or not 0 <= n <= MAX_FACTORIAL:
        raise CalculationError(f"factorial takes a whole number from 0 to {MAX_FACTORIAL:,}.")
    return Fraction(math.factorial(int(n)))


def _sin(x: Value, ahead: Decimal = Decimal(0)) -> Value:
    """Sum the sine's power series at *x* + *ahead*; to 40 places, so that sin(pi) is 0."""
    if _abs(x) > MAX_ANGLE:
        raise CalculationError("An angle may be at most 10**15 radians.")
    with localcontext(_TURNING):
        x = (_rounded(x) + ahead) % TAU
        total, term, n = x, x, 1
        while abs(term) > Decimal("1e-60"):
            term *= -x * x / ((n + 1) * (n + 2))
            total, n = total + term, n + 2
        return total.quantize(Decimal("1e-40"))


def _cos(x: Value) -> Value:
    return _sin(x, TAU / 4)


def _tan(x: Value) -> Value:
    return combine("/", _sin(x), _cos(x))


CONSTANTS: Final[dict[str, Value]] = {"pi": PI, "e": E, "tau": TAU}
FUNCTIONS: Final[dict[str, tuple[Callable[..., Value], int, int]]] = {
    "abs": (_abs, 1, 1),
    "ceil": (_ceil, 1, 1),
    "cos": (_cos, 1, 1),
    "exp": (_exp, 1, 1),
    "factorial": (_factorial, 1, 1),
    "floor": (_floor, 1, 1),
    "log": (_log, 1, 2),
    "max": (_largest, 1, 1_000),
    "min": (_smallest, 1, 1_000),
    "round": (_round, 1, 2),
    "sin": (_sin, 1, 1),
    "sqrt": (_sqrt, 1, 1),
    "tan": (_tan, 1, 1),
}
"""Each with the fewest and the most arguments it takes."""
