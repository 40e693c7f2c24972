"""About how many tokens a text has, without the tokenizer of the model that reads it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeAlias

import msgspec

from chatbots.messages import Message
from chatbots.tool_calls import ToolSpec

Count: TypeAlias = Callable[[str], int]
"""Counts the tokens of a text."""

PER_MESSAGE: Final = 4
"""Tokens around a message; in ChatML, which most models are trained on, 3 to 5."""

PER_CALL: Final = 8
"""Tokens around the name and the arguments of a tool's call."""

IMAGE: Final = {"low": 85}
"""Tokens of an image at a level of detail, with tiles of 512 pixels (OpenAI's vision guide)."""

LARGEST_IMAGE: Final = 85 + 8 * 170
"""Tokens of an image seen closely, as large as one gets: its size is not known here."""

_CLASSES: Final = (
    (0.22, b"abcdefghijklmnopqrstuvwxyz"),
    (0.32, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
    (1.00, b"0123456789"),
    (0.54, b"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"),
    (0.20, bytes(range(32)) + b"\x7f"),
    (0.20, b" "),
    (0.98, bytes(range(0xC2, 0xCC))),  # Latin with accents
    (0.67, bytes(range(0xCC, 0xD0))),  # Greek
    (0.40, bytes(range(0xD0, 0xD5))),  # Cyrillic
    (0.37, bytes(range(0xD5, 0xE0))),  # Hebrew, Arabic
    (0.55, b"\xe0\xe1"),  # the scripts of India, Thai; more Latin with accents
    (2.00, b"\xe2"),  # dashes, quotes, mathematics
    (0.69, b"\xe3"),  # kana
    (0.75, bytes(range(0xE4, 0xEA))),  # Han
    (0.78, bytes(range(0xEA, 0xEE))),  # Hangul
    (0.20, b"\xee\xef"),  # full width forms, variation selectors
    (1.47, bytes(range(0xF0, 0xF5))),  # emoji
)
"""Tokens of a character, by the first of its bytes in UTF-8."""

_ASCII: Final = 6
_DOUBLED: Final = -0.56
"""Tokens that two spaces beside each other save: an indent is few."""

WEIGHTS: Final = (_DOUBLED, *(weight for weight, _ in _CLASSES))
"""Of `features`; `python -m bench.tokens --fit` finds them."""

_TABLE: Final = bytes(
    next((n for n, (_, members) in enumerate(_CLASSES) if byte in members), 255)
    for byte in range(256)
)
_SPACES: Final = bytes(2 * [_TABLE[ord(" ")]])


def features(text: str) -> list[int]:
    """Return what an estimate goes by: how often two spaces, and each class of characters."""
    kinds = text.encode(errors="replace").translate(_TABLE)
    classes = range(_ASCII if text.isascii() else len(_CLASSES))
    return [kinds.count(_SPACES), *[kinds.count(number) for number in classes]]


def estimate(text: str) -> int:
    """Return about how many tokens *text* has; docs/memory.md says how far off that is."""
    weighed = zip(WEIGHTS, features(text), strict=False)  # of ASCII, only the first are there
    return math.ceil(max(0.0, sum([weight * number for weight, number in weighed])))


def most(text: str) -> int:
    """Return more tokens than *text* can have: a tokenizer makes one of each byte at worst."""
    return len(text) if text.isascii() else 4 * len(text)


def tokens_of(messages: Iterable[Message], count: Count = estimate) -> int:
    """Return the tokens of *messages* as the model reads them, with what is around them."""
    total = 0
    for message in messages:
        total += PER_MESSAGE + count(message.content)
        for call in message.tool_calls:
            total += PER_CALL + count(call.name) + count(call.arguments)
        for image in message.images:
            total += IMAGE.get(image.detail or "", LARGEST_IMAGE)
    return total


def tokens_of_tools(specs: Sequence[ToolSpec], count: Count = estimate) -> int:
    """Return the tokens of what the model is told of its tools."""
    return sum([count(msgspec.json.encode(spec).decode()) for spec in specs])


class Calibration:
    """What servers have said of their models so far: how far estimates are off, what one reads.

    Held by a bot for as long as it lives; None is the model that the bot asks by default.
    What is counted moves a ratio by a `STEP` of the way, between `LEAST` and `MOST`.
    """

    LEAST: Final = 0.5
    MOST: Final = 4.0
    STEP: Final = 0.3
    MODELS: Final = 100

    def __init__(self) -> None:
        self._ratios: dict[str | None, float] = {}
        self._limits: dict[str | None, int] = {}

    def ratio(self, model: str | None) -> float:
        """Return what to multiply an estimate by; 1 where nothing is known."""
        return self._ratios.get(model, 1.0)

    def limit(self, model: str | None) -> int | None:
        """Return how many tokens *model* reads, if its server has refused more."""
        return self._limits.get(model)

    def observe(self, model: str | None, *, estimated: int, counted: int) -> None:
        """Learn that the server *counted* so many tokens where so many were *estimated*."""
        if estimated > 0 and counted > 0 and self._has_room(model):
            seen = min(self.MOST, max(self.LEAST, counted / estimated))
            before = self._ratios.get(model, seen)
            self._ratios[model] = before + self.STEP * (seen - before)

    def refuse(self, model: str | None, *, limit: int, estimated: int, counted: int) -> None:
        """Learn that *model* reads *limit* tokens, and that a request had too many: *counted*."""
        if self._has_room(model):
            self._limits[model] = limit
            # Beyond any bound: whatever it counted, less must be sent now.
            self._ratios[model] = max(self.ratio(model), counted / max(estimated, 1))

    def _has_room(self, model: str | None) -> bool:
        # A caller may name any model.
        known = self._ratios.keys() | self._limits.keys()
        return model in known or len(known) < self.MODELS
