from __future__ import annotations

import hashlib
import struct
from bisect import bisect_right
from functools import cache
from itertools import pairwise

import pytest

from chatbots.realtime import g711
from chatbots.realtime.g711 import Law

EVERY_SAMPLE = struct.pack("<65536h", *range(-32768, 32768))
EVERY_CODE = bytes(range(256))


@cache
def table(law: Law) -> tuple[list[int], list[int]]:
    """Return tables 1a and 2a of G.711: where each positive code begins, and how it sounds.

    They are made as the recommendation makes them: eight segments, each of sixteen equal steps.
    """
    limits, edge = [0], 0
    if law == "ulaw":
        steps = [1] + [2] * 15 + [2 << segment for segment in range(1, 8) for _ in range(16)]
    else:
        steps = [2] * 16 + [2 << max(segment - 1, 0) for segment in range(1, 8) for _ in range(16)]
    for step in steps:
        edge += step
        limits.append(edge)
    sounds = [(low + high) // 2 for low, high in pairwise(limits)]
    if law == "ulaw":
        sounds[0] = 0  # the first step is half of one, so that zero is a value
    return limits[:-1], sounds


def expected(sample: int, law: Law) -> int:
    limits, _ = table(law)
    scale = 4 if law == "ulaw" else 8
    magnitude = (sample if sample >= 0 else ~sample) // scale
    number = bisect_right(limits, magnitude) - 1
    if law == "ulaw":
        return (0xFF if sample >= 0 else 0x7F) - number
    return (0x80 if sample >= 0 else 0) + number ^ 0x55


@pytest.mark.checklist(154)
@pytest.mark.parametrize("law", ["ulaw", "alaw"])
def test_every_sample_becomes_the_code_between_whose_decision_values_it_lies(law: Law) -> None:
    limits, _ = table(law)
    assert (limits[1], limits[-1]) == {"ulaw": (1, 7903), "alaw": (2, 3968)}[law]
    coded = g711.encode(EVERY_SAMPLE, law)
    assert list(coded) == [expected(sample, law) for sample in range(-32768, 32768)]


@pytest.mark.checklist(154)
@pytest.mark.parametrize("law", ["ulaw", "alaw"])
def test_every_code_sounds_as_the_table_says(law: Law) -> None:
    _, sounds = table(law)
    scale = 4 if law == "ulaw" else 8
    heard = struct.unpack("<256h", g711.decode(EVERY_CODE, law))
    assert list(heard) == [
        (scale if code & 0x80 else -scale)
        * sounds[0x7F - (code & 0x7F) if law == "ulaw" else (code ^ 0x55) & 0x7F]
        for code in range(256)
    ]


@pytest.mark.parametrize("law", ["ulaw", "alaw"])
def test_a_code_that_is_decoded_and_encoded_is_itself_but_for_the_sign_of_zero(law: Law) -> None:
    again = g711.encode(g711.decode(EVERY_CODE, law), law)
    other = {code for code in range(256) if again[code] != code}
    assert other == ({0x7F} if law == "ulaw" else set())


def test_a_law_is_the_one_that_audioop_had() -> None:
    # sha256 of audioop.lin2alaw(EVERY_SAMPLE, 2), taken on Python 3.11, its last but one.
    digest = hashlib.sha256(g711.encode(EVERY_SAMPLE, "alaw")).hexdigest()
    assert digest == "38488f6fd710f4686360edc4d38639f96c491595ef93f8eb8d62d5e07ca6ce7b"


def test_half_a_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="3 bytes"):
        g711.encode(b"abc", "ulaw")
