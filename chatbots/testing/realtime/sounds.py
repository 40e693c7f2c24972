"""Sound to answer with, and an ear for voice: simple enough to foresee."""

from __future__ import annotations

import math
from array import array
from typing import Final

from chatbots.realtime.playback import PCM_PER_MS

MS_PER_CHARACTER: Final = 50
LOUD: Final = 500
"""Samples of PCM beyond this are a voice."""
_QUIET: Final = frozenset(b"\xff\x7f\xd5\x55")
"""Silence in G.711, in both its laws."""

_TONE: Final = array(
    "h", (int(8000 * math.sin(2 * math.pi * n / 50)) for n in range(50))
)  # 480 Hz at 24 kHz


def spoken(text: str, per_ms: int) -> bytes:
    """Return a tone as long as it takes to say *text*; *per_ms* bytes are one ms."""
    size = len(text) * MS_PER_CHARACTER * per_ms
    tone = _TONE.tobytes() if per_ms == PCM_PER_MS else b"\x90\x10"
    return (tone * (size // len(tone) + 1))[:size]


def is_loud(audio: bytes, per_ms: int) -> bool:
    """Tell whether somebody speaks."""
    if per_ms != PCM_PER_MS:
        return not _QUIET.issuperset(audio)
    samples = array("h", audio[: len(audio) // 2 * 2])
    return max(samples, default=0) > LOUD or min(samples, default=0) < -LOUD


class Ear:
    """Hears where a voice begins and ends, by the audio alone: no clock."""

    def __init__(self) -> None:
        self.ms = 0.0
        """How much it has heard."""
        self._quiet_ms = math.inf

    def hears(self, audio: bytes, per_ms: int, silence_ms: int) -> str:
        """Return `started` or `stopped` where that is so by now, else nothing."""
        length = len(audio) / per_ms
        self.ms += length
        if is_loud(audio, per_ms):
            began, self._quiet_ms = self._quiet_ms >= silence_ms, 0.0
            return "started" if began else ""
        before, self._quiet_ms = self._quiet_ms, self._quiet_ms + length
        return "stopped" if before < silence_ms <= self._quiet_ms else ""
