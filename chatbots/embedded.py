"""What is embedded: texts or tokens in, vectors out."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import TypeAlias, TypeGuard, cast

from msgspec import Struct

from chatbots.errors import InvalidRequest
from chatbots.messages import Usage, check_text

Input: TypeAlias = str | Sequence[int]
"""One text, or one text as token ids."""

Inputs: TypeAlias = str | Sequence[str] | Sequence[int] | Sequence[Sequence[int]]
"""What may be embedded at once: one text or several, as they are or as token ids."""


class Embeddings(Struct, frozen=True, kw_only=True):
    """The vectors of what was embedded, in its order, and the model that made them.

    A vector is an array of 32-bit floats: a sequence, and a buffer that numpy reads uncopied.
    """

    vectors: tuple[array[float], ...]
    model: str
    usage: Usage | None = None


def each_of(inputs: Inputs) -> list[Input]:
    """Return what gets a vector each; a flat sequence of numbers is one text.

    Raises `InvalidRequest` where something is empty, no Unicode, or neither text nor token ids.
    """
    entries = [inputs] if isinstance(inputs, str) or _is_tokens(inputs) else inputs
    if not entries:
        raise InvalidRequest("invalid_request", "There is nothing to embed.", param="input")
    return [_checked(entry, place) for place, entry in enumerate(entries)]


def _checked(entry: object, place: int) -> Input:
    if isinstance(entry, str) and entry:
        check_text(entry, f"input[{place}]")
        return entry
    if _is_tokens(entry):
        return entry
    empty = isinstance(entry, Sequence) and not entry
    why = "it is empty" if empty else "it is neither text nor token ids"
    what = f"input[{place}]"
    raise InvalidRequest("invalid_request", f"The {what} cannot be embedded: {why}.", param=what)


def _is_tokens(entry: object) -> TypeGuard[Sequence[int]]:
    # Bytes are numbers to Python; to whoever has them they are text that was not decoded.
    if not isinstance(entry, Sequence) or isinstance(entry, str | bytes | bytearray):
        return False
    tokens = cast("Sequence[object]", entry)
    return bool(tokens) and all(type(token) is int and token >= 0 for token in tokens)
