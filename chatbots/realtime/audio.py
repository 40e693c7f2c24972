"""Sound as bytes: PCM of 16 bits, little-endian, one channel, cut up, queued and made quiet."""

from __future__ import annotations

from collections import deque
from typing import Final

RATE: Final = 24_000
"""Samples a second, as the Realtime API has them (`audio/pcm`)."""
CHUNK_MS: Final = 40
"""Milliseconds that are best sent or played at once: few events, and soon."""
MAX_QUEUED_MS: Final = 300_000
"""Milliseconds that may wait to be heard: a server says an answer faster than it sounds."""


def size_of(ms: int, rate: int = RATE) -> int:
    """Return how many bytes *ms* milliseconds have."""
    return 2 * (ms * rate // 1000)


def ms_of(size: int, rate: int = RATE) -> int:
    """Return how many whole milliseconds *size* bytes last."""
    return size * 500 // rate


class Chunker:
    """Cuts audio that comes in any sizes into chunks of *size* bytes; holds less than one."""

    def __init__(self, size: int = 2 * CHUNK_MS * RATE // 1000) -> None:
        self._size = size
        self._held = bytearray()

    def push(self, audio: bytes) -> list[bytes]:
        """Take in *audio*; return the chunks that are whole."""
        held, size = self._held, self._size
        held += audio
        end = len(held) - len(held) % size
        chunks = [bytes(held[start : start + size]) for start in range(0, end, size)]
        del held[:end]
        return chunks

    def end(self) -> bytes:
        """Return what is left, without half a sample."""
        rest = bytes(self._held[: len(self._held) // 2 * 2])
        self._held.clear()
        return rest


class JitterBuffer:
    """What is to be heard: waits until enough is there, and knows what was taken of each item.

    `take` gives nothing until *start_ms* wait, or `end` was said; and so again once it ran dry.
    It holds as much as it is given: who fills it waits while it is `full`.
    """

    def __init__(self, *, start_ms: int = 100, max_ms: int = MAX_QUEUED_MS) -> None:
        self.size = 0
        """Bytes that wait."""
        self._start = size_of(start_ms)
        self._max = size_of(max_ms)
        self._pieces: deque[tuple[str, memoryview]] = deque()
        self._flowing = False
        self._whole = False
        self._taken: dict[str, int] = {}

    @property
    def full(self) -> bool:
        """Whether it holds as much as it should."""
        return self.size >= self._max

    def add(self, item: str, audio: bytes) -> None:
        """Put the next *audio* of an *item* behind what waits."""
        if audio:
            self._pieces.append((item, memoryview(audio)))
            self.size += len(audio)
            self._whole = False

    def end(self) -> None:
        """Say that what waits is all there is for now."""
        self._whole = True

    def take(self, size: int = 2 * CHUNK_MS * RATE // 1000) -> tuple[str, bytes] | None:
        """Return the item that is next, and up to *size* bytes of it; None while none is due."""
        if not self._flowing and not self._whole and self.size < self._start:
            return None
        self._flowing = bool(self._pieces)
        if not self._flowing:
            return None
        item, audio = self._pieces.popleft()
        if len(audio) > size:
            self._pieces.appendleft((item, audio[size:]))
            audio = audio[:size]  # a view: a long piece is not copied again and again
        self.size -= len(audio)
        # One item sounds at a time: of those before it nothing more will be asked.
        self._taken = {item: self._taken.get(item, 0) + len(audio)}
        return item, bytes(audio)

    def taken_ms(self, item: str) -> int:
        """Return how many milliseconds of the *item* that sounds were taken."""
        return ms_of(self._taken.get(item, 0))

    def drop(self) -> int:
        """Throw away what waits; return how many milliseconds that were."""
        dropped = ms_of(self.size)
        self._pieces.clear()
        self.size = 0
        self._flowing = False
        return dropped
