"""The product of two numbers, exact."""

from __future__ import annotations

from collections.abc import Callable
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, Inexact, InvalidOperation
from typing import Annotated, Final, TypeAlias, TypeVar

from chatbots.tools.numerals import CalculationError, written
from chatbots.tools.tool import tool

S = TypeVar("S")

MAX_DIGITS: Final = 10_000
"""Of a factor, on either side of its point."""

_MAX_BITS: Final = 33_220  # 10 ** MAX_DIGITS has as many
_EXACT: Final = Context(
    prec=4 * MAX_DIGITS, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[Inexact, InvalidOperation]
)


class _Exactly:
    """Has pydantic, which is not imported for it, read a JSON number without losing a digit."""

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, schema_of: Callable[[object], S]) -> S:
        return schema_of(Decimal)

    @classmethod
    def __get_pydantic_json_schema__(cls, _core: object, _handler: object) -> dict[str, str]:
        return {"type": "number"}


Number: TypeAlias = Annotated[int | float | Decimal, _Exactly]
"""Any number; a float is taken for the decimal fraction that it is written as."""


@tool(idempotent=True, remote=True)
def multiply(a: Number, b: Number) -> str:
    """Multiply two numbers exactly, whole or not, however large.

    Args:
        a: The first factor.
        b: The second factor.

    Returns:
        The product in full, such as `0.3` for 0.1 times 3.

    Raises:
        CalculationError: A factor is infinite, not a number, or has too many digits.
    """
    return written(_EXACT.multiply(_exact(a), _exact(b)))


def _exact(factor: Number) -> Decimal:
    too_long = CalculationError(
        f"A factor may have {MAX_DIGITS:,} digits before and after its point."
    )
    if isinstance(factor, int) and factor.bit_length() > _MAX_BITS:
        raise too_long
    value = Decimal(str(factor)) if isinstance(factor, float) else Decimal(factor)
    if not value.is_finite():
        raise CalculationError(f"{value} is no factor: it must be a finite number.")
    exponent = value.as_tuple().exponent
    if value.adjusted() >= MAX_DIGITS or int(exponent) < -MAX_DIGITS:
        raise too_long
    return value
