"""WAV files and streams: read as they come, whatever is in them, and written as PCM.

Microsoft, "Multimedia Programming Interface and Data Specifications 1.0" (RIFF WAVE), 1991;
"Multiple Channel Audio Data and WAVE Files" (the extensible format), 2007.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from chatbots.errors import InvalidRequest
from chatbots.realtime import g711

HEADER_SIZE: Final = 44
UNKNOWN: Final = 0xFFFF_FFFF
"""What a stream says of its length, and a program that was killed: so does 0."""

_PCM, _FLOAT, _ALAW, _ULAW, _EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
_KNOWN: Final = {
    (_PCM, 8), (_PCM, 16), (_PCM, 24), (_PCM, 32), (_FLOAT, 32), (_ALAW, 8), (_ULAW, 8),
}  # fmt: skip
_MAX_HEADER: Final = 1 << 20
"""Bytes that one thing before the sound may have: notes, and padding to a page."""


class _Format(NamedTuple):
    tag: int
    channels: int
    rate: int
    bits: int

    @property
    def frame(self) -> int:
        return self.channels * self.bits // 8


def header(rate: int, size: int = UNKNOWN - 36) -> bytes:
    """Return the 44 bytes before *size* bytes of PCM (16 bits, one channel); a stream says none."""
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, _PCM, 1, rate, 2 * rate, 2, 16, b"data",
        UNKNOWN if size == UNKNOWN - 36 else size,
    )  # fmt: skip


class WavReader:
    """Takes a WAV in, in pieces of any size, and gives its sound as PCM of one channel.

    PCM of 8 to 32 bits, floats and G.711 are read, several channels are mixed.
    A length that is missing or wrong is what there is.
    """

    def __init__(self) -> None:
        self.rate = 0
        """Samples a second, as soon as the header has come."""
        self._held = bytearray()
        self._format = _Format(0, 0, 0, 0)
        self._left: int | None = None

    def push(self, data: bytes) -> bytes:
        """Return what of the sound is in *data* (16 bits, little-endian).

        Raises `InvalidRequest` for what is no WAV, or sound of a kind that is not read.
        """
        self._held += data
        while self._left is None:
            if not self._next_chunk():
                return b""
        size = min(len(self._held), self._left)
        size -= size % self._format.frame
        frames = bytes(self._held[:size])
        del self._held[:size]
        self._left -= size
        if self._left < self._format.frame:
            self._held.clear()  # what follows the sound is about it
        return _mixed(_in_16_bits(frames, self._format), self._format.channels)

    def end(self) -> None:
        """Say that nothing more comes; raises `InvalidRequest` if no sound did."""
        if self._left is None:
            raise _no_wav("it ends before its sound begins")

    def _next_chunk(self) -> bool:
        """Take in the next part of the header, if all of it is there."""
        held = self._held
        if len(held) < 12:
            return False
        if not held.startswith((b"RIFF", b"RF64")) or not held.startswith(b"WAVE", 8):
            raise _no_wav("it does not begin as one")
        if len(held) < 20:
            return False
        name, size = struct.unpack_from("<4sI", held, 12)
        if name == b"data":
            if not self._format.tag:
                raise _no_wav("it does not say what its sound is")
            self._left = size or UNKNOWN
            del held[:20]
            return True
        end = 20 + size + size % 2
        if end > _MAX_HEADER:
            raise _no_wav("its sound does not begin within 1 MiB")
        if len(held) < end:
            return False
        if name == b"fmt ":
            self._format = _read_format(bytes(held[20:end]))
            self.rate = self._format.rate
        del held[12:end]
        return True


def _read_format(told: bytes) -> _Format:
    if len(told) < 16:
        raise _no_wav("its format is cut off")
    tag, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", told)
    if tag == _EXTENSIBLE and len(told) >= 26:
        (tag,) = struct.unpack_from("<H", told, 24)
    if (tag, bits) not in _KNOWN or not 1 <= channels <= 64 or not 1000 <= rate <= 768_000:
        raise InvalidRequest(
            "invalid_request",
            f"The WAV holds sound of a kind that is not read: format {tag}, {bits} bits,"
            f" {channels} channels, {rate} Hz.",
            hint="Make it PCM of 16 bits, for example: ffmpeg -i IN -ac 1 -ar 24000 OUT.wav",
            param="audio",
        )
    return _Format(tag, channels, rate, bits)


def _in_16_bits(data: bytes, form: _Format) -> bytes:
    match form.tag, form.bits:
        case _, 16:
            return data
        case 6, _:
            return g711.decode(data, "alaw")
        case 7, _:
            return g711.decode(data, "ulaw")
        case 3, _:
            floats = struct.unpack(f"<{len(data) // 4}f", data)
            # A float that is none (NaN) is silent: it compares as neither.
            loud = [int(max(-1.0, min(1.0, x)) * 32767) if x == x else 0 for x in floats]
            return struct.pack(f"<{len(loud)}h", *loud)
        case _:
            pcm = bytearray(len(data) // (form.bits // 8) * 2)
            width = form.bits // 8
            if width == 1:  # unsigned, alone among them
                pcm[1::2] = data.translate(bytes(each ^ 0x80 for each in range(256)))
            else:
                pcm[::2], pcm[1::2] = data[width - 2 :: width], data[width - 1 :: width]
            return bytes(pcm)


def _mixed(pcm: bytes, channels: int) -> bytes:
    if channels == 1:
        return pcm
    samples = struct.unpack(f"<{len(pcm) // 2}h", pcm)
    sides = [samples[side::channels] for side in range(channels)]
    return struct.pack(
        f"<{len(samples) // channels}h", *[sum(s) // channels for s in zip(*sides, strict=True)]
    )


def _no_wav(why: str) -> InvalidRequest:
    return InvalidRequest(
        "invalid_request",
        f"This is no WAV: {why}.",
        hint="Give a WAV file, for example one made by: ffmpeg -i IN -ac 1 -ar 24000 OUT.wav",
        param="audio",
    )
