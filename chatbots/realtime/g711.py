"""G.711, the audio of telephones: a sample in eight bits, by either of its laws.

ITU-T G.711 says what each code sounds like and between which values it is chosen.
Where a sample lies between two, it is chosen as in ITU-T's own program (G.191, module G711):
16 bits, negative samples as their one's complement.
"""

from __future__ import annotations

import struct
from functools import cache
from typing import Final, Literal, TypeAlias

Law: TypeAlias = Literal["ulaw", "alaw"]

_EVEN_BITS: Final = 0x55
"""A-law inverts them on the line."""
_BIAS: Final = 33
"""What mu-law adds to a magnitude of 13 bits, so that its segments are powers of two."""


def encode(pcm: bytes, law: Law) -> bytes:
    """Return a byte for each sample of *pcm* (16 bits, little-endian).

    Raises `ValueError` for half a sample.
    """
    if len(pcm) % 2:
        raise ValueError(f"{len(pcm)} bytes are no whole number of samples.")
    codes = _codes(law)
    samples: tuple[int, ...] = struct.unpack(f"<{len(pcm) // 2}H", pcm)
    return bytes([codes[sample] for sample in samples])


def decode(coded: bytes, law: Law) -> bytes:
    """Return a sample (16 bits, little-endian) for each byte of *coded*."""
    low, high = _values(law)
    pcm = bytearray(2 * len(coded))
    pcm[::2], pcm[1::2] = coded.translate(low), coded.translate(high)
    return bytes(pcm)


@cache
def _codes(law: Law) -> bytes:
    """Return the code of each sample, by the sample's 16 bits."""
    code = _ulaw_code if law == "ulaw" else _alaw_code
    positive = bytes(map(code, range(0x8000)))
    # One's complement: -1 is as far from zero as 0 is, and only the sign's bit tells them apart.
    return positive + positive[::-1].translate(bytes(each ^ 0x80 for each in range(256)))


@cache
def _values(law: Law) -> tuple[bytes, bytes]:
    """Return the low and the high bytes of what each code sounds like."""
    value = _ulaw_value if law == "ulaw" else _alaw_value
    pcm = struct.pack("<256h", *map(value, range(256)))
    return pcm[::2], pcm[1::2]


def _ulaw_code(sample: int) -> int:
    magnitude = min((sample >> 2) + _BIAS, 0x1FFF)
    segment = magnitude.bit_length() - 6
    return ~(segment << 4 | (magnitude >> segment + 1) & 0x0F) & 0xFF


def _ulaw_value(code: int) -> int:
    segment, step = (~code >> 4) & 7, ~code & 0x0F
    magnitude = ((2 * step + _BIAS) << segment) - _BIAS << 2
    return magnitude if code & 0x80 else -magnitude


def _alaw_code(sample: int) -> int:
    magnitude = sample >> 4
    segment = max(magnitude.bit_length() - 4, 0)
    step = magnitude >> max(segment - 1, 0) & 0x0F
    return (0x80 | segment << 4 | step) ^ _EVEN_BITS


def _alaw_value(code: int) -> int:
    code ^= _EVEN_BITS
    segment, step = (code >> 4) & 7, code & 0x0F
    magnitude = (2 * step + 1 + (32 if segment else 0) << max(segment - 1, 0)) << 3
    return magnitude if code & 0x80 else -magnitude
