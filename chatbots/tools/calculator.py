"""Arithmetic on a text, by a grammar of its own: what that does not know cannot be run.

sum     = product {("+" | "-") product}
product = signed {("*" | "/" | "//" | "%") signed}
signed  = ("+" | "-") signed | atom ["**" signed]
atom    = number | constant | function "(" [sum {"," sum}] ")" | "(" sum ")"
"""

from __future__ import annotations

import re
from decimal import InvalidOperation, Overflow, Underflow, localcontext
from typing import Final, NamedTuple

from chatbots.tools.arithmetic import (
    CONSTANTS,
    FUNCTIONS,
    MAX_DIGITS,
    WORKING,
    Value,
    combine,
    read,
    shown,
)
from chatbots.tools.numerals import CalculationError
from chatbots.tools.tool import tool

MAX_LENGTH: Final = 1_000
"""Of an expression, in characters."""

MAX_NESTING: Final = 50
"""Of parentheses, functions, signs and powers, in each other."""

_TOKEN: Final = re.compile(
    r"""[ \t\r\n]*(?:
    (?P<number>(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
    |(?P<name>[A-Za-z_][A-Za-z_0-9]*)
    |(?P<sign>\*\*|//|[-+*/%^×÷−(),])
    |(?P<end>\Z)
    |(?P<unknown>.))""",  # noqa: RUF001 - the signs that people write
    re.VERBOSE | re.DOTALL,
)
_SAME: Final = {"^": "**", "×": "*", "÷": "/", "−": "-"}  # noqa: RUF001 - as above
_LEVELS: Final = (("+", "-"), ("*", "/", "//", "%"))


@tool(idempotent=True, remote=True)
def calculator(expression: str) -> str:
    """Calculate an arithmetic expression exactly, such as (1 + 2) * 3 / 4.

    It knows + - * / // % ** and parentheses; the functions abs, ceil, cos, exp, factorial,
    floor, log(x, base), max, min, round(x, places), sin, sqrt, tan; and pi, e, tau.
    Angles are in radians; log is the natural one without a base; round takes halves up.

    Args:
        expression: What to calculate, with digits and signs only: 1000, not 1,000.

    Returns:
        The number in full, or with 28 digits where it has no end.

    Raises:
        CalculationError: It is no arithmetic, has no answer, or is too large.
    """
    if len(expression) > MAX_LENGTH:
        raise CalculationError(f"An expression may have {MAX_LENGTH:,} characters.")
    try:
        with localcontext(WORKING):
            return shown(_Reader(expression).value())
    except Overflow:
        raise CalculationError(f"A number on the way has over {MAX_DIGITS:,} digits.") from None
    except Underflow:
        raise CalculationError("A number on the way is too close to 0.") from None
    except ZeroDivisionError:
        raise CalculationError("Nothing can be divided by 0.") from None
    except InvalidOperation:
        raise CalculationError("It has no answer among the real numbers.") from None


class _Token(NamedTuple):
    kind: str
    text: str
    place: int

    def __str__(self) -> str:
        what = repr(self.text[:40]) if self.text else "the end"
        return f"{what} at character {self.place + 1}"


class _Reader:
    """Reads an expression from left to right, calculating on the way."""

    def __init__(self, text: str) -> None:
        self._tokens = [
            _Token(str(kind), _SAME.get(match[kind], match[kind]), match.start(kind))
            for match in _TOKEN.finditer(text)
            if (kind := match.lastgroup)
        ]
        self._next = 0
        self._nesting = 0

    def value(self) -> Value:
        value = self._binary(0)
        if self._peek().kind != "end":
            raise CalculationError(f"A sign such as + is missing before {self._peek()}.")
        return value

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _take(self, *signs: str) -> str:
        """Step over one of *signs*; empty if there is none here."""
        token = self._peek()
        if token.kind != "sign" or token.text not in signs:
            return ""
        self._next += 1
        return token.text

    def _binary(self, level: int) -> Value:
        if level == len(_LEVELS):
            return self._signed()
        value = self._binary(level + 1)
        while sign := self._take(*_LEVELS[level]):
            value = combine(sign, value, self._binary(level + 1))
        return value

    def _signed(self) -> Value:
        self._nesting += 1
        if self._nesting > MAX_NESTING:
            raise CalculationError(f"It is nested more than {MAX_NESTING} deep.")
        if sign := self._take("+", "-"):
            value = self._signed()
            value = -value if sign == "-" else value
        else:
            value = self._atom()
            if sign := self._take("**"):
                value = combine(sign, value, self._signed())
        self._nesting -= 1
        return value

    def _atom(self) -> Value:
        token = self._peek()
        if token.kind == "number":
            self._next += 1
            return read(token.text)
        if token.kind == "name":
            self._next += 1
            return self._named(token)
        if not self._take("("):
            raise CalculationError(f"A number is missing before {token}.")
        value = self._binary(0)
        self._close()
        return value

    def _named(self, token: _Token) -> Value:
        if token.text in CONSTANTS:
            return CONSTANTS[token.text]
        if token.text not in FUNCTIONS:
            known = ", ".join([*FUNCTIONS, *CONSTANTS])
            raise CalculationError(f"There is no {token}; there are {known}.")
        if not self._take("("):
            raise CalculationError(f"A parenthesis is missing after {token}.")
        arguments = self._arguments()
        function, least, most = FUNCTIONS[token.text]
        if not least <= len(arguments) <= most:
            raise CalculationError(f"{token} does not take {len(arguments)} arguments.")
        return function(*arguments)

    def _arguments(self) -> list[Value]:
        if self._take(")"):
            return []
        arguments = [self._binary(0)]
        while self._take(","):
            arguments.append(self._binary(0))
        self._close()
        return arguments

    def _close(self) -> None:
        if not self._take(")"):
            raise CalculationError(f"A closing parenthesis is missing before {self._peek()}.")
