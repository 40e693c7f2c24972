"""Text as it is said aloud: numbers, money and signs in words, marks of layout left out."""

from __future__ import annotations

import re
from typing import Final

_ONES: Final = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS: Final = (
    "", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
)  # fmt: skip
_SCALES: Final = ("", "thousand", "million", "billion", "trillion", "quadrillion", "quintillion")
_ORDINALS: Final = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth",
    "nine": "ninth", "twelve": "twelfth",
}  # fmt: skip
_SIGNS: Final = {
    "%": " percent", "&": " and ", "+": " plus ", "=": " equals ", "@": " at ", "×": " times ",
    "÷": " divided by ", "°C": " degrees Celsius", "°F": " degrees Fahrenheit", "°": " degrees",
}  # fmt: skip
_MONEY: Final = {"$": "dollar", "£": "pound", "€": "euro"}
_NUMBER: Final = re.compile(
    r"(?P<money>[$£€])?(?P<minus>(?<!\w)-)?(?P<whole>\d{1,3}(?:,\d{3})+(?!\d)|\d+)"
    r"(?:\.(?P<part>\d+))?(?P<ordinal>st|nd|rd|th)?(?!\w)|(?P<loose>\d+)"
)
_LAYOUT: Final = re.compile(r"```.*?```|https?://\S+|[*_#`|~<>\[\]{}\\^]+", re.DOTALL)
_LONGEST: Final = 21
"""Digits of the longest number that is read as one; longer ones are read digit by digit."""


def spoken(text: str) -> str:
    """Return *text* in words: `$12 in 1889` is `twelve dollars in eighteen eighty nine`."""
    text = _LAYOUT.sub(" ", text).replace("’", "'")
    text = re.sub(r"(?<=\d):(?=\d\d)|(?<=\w)[-/](?=\w)", " ", text)
    text = _NUMBER.sub(_number, text)
    for sign, words in _SIGNS.items():
        text = text.replace(sign, words)
    return " ".join(text.split())


def cardinal(number: int) -> str:
    """Return *number*, not negative and below 10 to the 21st, in words."""
    if number < len(_ONES):
        return _ONES[number]
    if number < 100:
        return f"{_TENS[number // 10]} {_ONES[number % 10] if number % 10 else ''}".strip()
    if number < 1000:
        rest = number % 100
        return f"{_ONES[number // 100]} hundred {cardinal(rest) if rest else ''}".strip()
    groups: list[str] = []
    for scale in _SCALES:
        number, group = divmod(number, 1000)
        if group:
            groups.append(f"{cardinal(group)} {scale}".strip())
    return " ".join(reversed(groups))


def _number(match: re.Match[str]) -> str:
    digits = (match["whole"] or match["loose"]).replace(",", "")
    if len(digits) > _LONGEST or (len(digits) > 1 and digits[0] == "0"):
        words = _one_by_one(digits)
    elif match["ordinal"]:
        words = _ordinal(int(digits))
    elif _is_year(match, digits):
        words = _year(int(digits))
    else:
        words = cardinal(int(digits))
    if match["minus"]:
        words = f"minus {words}"
    if match["money"]:
        return _money(words, _MONEY[match["money"]], match["part"])
    if match["part"]:
        words = f"{words} point {_one_by_one(match['part'])}"
    return f" {words} " if match["loose"] else words


def _is_year(match: re.Match[str], digits: str) -> bool:
    plain = match["whole"] == digits and not (match["part"] or match["money"] or match["minus"])
    return plain and len(digits) == 4 and ("1100" <= digits < "2000" or "2010" <= digits < "2100")


def _year(year: int) -> str:
    century, rest = divmod(year, 100)
    if not rest:
        return f"{cardinal(century)} hundred"
    return f"{cardinal(century)} {'oh ' if rest < 10 else ''}{cardinal(rest)}"


def _ordinal(number: int) -> str:
    before, _, last = cardinal(number).rpartition(" ")
    if last not in _ORDINALS:
        last = f"{last[:-1]}ieth" if last.endswith("y") else f"{last}th"
    return f"{before} {_ORDINALS.get(last, last)}".strip()


def _money(words: str, unit: str, part: str | None) -> str:
    units = unit if words == "one" else f"{unit}s"
    if not part or not int(part):
        return f"{words} {units}"
    if len(part) > 2:
        return f"{words} point {_one_by_one(part)} {units}"
    return f"{words} {units} {cardinal(int(part.ljust(2, '0')))}"


def _one_by_one(digits: str) -> str:
    return " ".join(_ONES[int(digit)] for digit in digits)
