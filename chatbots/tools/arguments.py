"""The arguments of a call, as the model wrote them: read strictly, and named by their hash."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Final, NoReturn, cast

WHITE: Final = " \t\n\r"
"""The white space of JSON (RFC 8259, section 2)."""


def read_arguments(text: str) -> dict[str, object]:
    """Return the arguments in *text*; none at all are written as nothing or as `{}`.

    Whole numbers of up to 4,300 digits stay exact. Raises `ValueError`, for the model to read,
    for what is no JSON object (RFC 8259), and for what JSON readers differ about: duplicate keys,
    NaN, infinities, numbers out of range, half surrogate pairs.
    """
    try:
        value = json.loads(
            text.strip(WHITE) or "{}",
            object_pairs_hook=_unique,
            parse_constant=_refuse,
            parse_float=_finite,
            parse_int=_whole,
        )
        _canonical(value)
    except RecursionError:
        raise ValueError("they are nested too deeply") from None
    except UnicodeEncodeError:
        raise ValueError("they have half a surrogate pair") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"they are no valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise ValueError("they are no JSON object")  # noqa: TRY004 (it is the text's value)
    return cast("dict[str, object]", value)


def digest_of(arguments: Mapping[str, object]) -> str:
    """Return the SHA-256, in hex, of *arguments* however they were written."""
    return hashlib.sha256(_canonical(arguments)).hexdigest()


def _canonical(arguments: object) -> bytes:
    text = json.dumps(arguments, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("they have the same key twice")
    return found


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:  # Python's bound; see sys.get_int_max_str_digits.
        raise ValueError(f"a whole number has {len(text):,} digits, too many to read") from None


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"the number {text[:20]} is out of range")
    return value


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON number")
