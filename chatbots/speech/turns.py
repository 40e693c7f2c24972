"""When somebody speaks, pauses, goes on and is done: from how likely each frame is speech."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

Change: TypeAlias = Literal["started", "paused", "resumed", "stopped"]
"""`paused`: silent for a moment; the turn may be over, or go on (`resumed`)."""

FRAME_MS: Final = 32
START_MS: Final = 64
"""How long speech lasts before it is a turn: a click and a key are shorter, and a person waits."""
SOFT_MS: Final = 256
"""How long it lasts where no frame of it is surely speech: a door and a machine may seem to be."""
PAUSE_MS: Final = 64
_SURE: Final = 0.6
"""How far up from the threshold to 1 a frame is that is surely speech."""
_DROP: Final = 0.15
"""How far below the threshold speech may fall and still be speech."""


class Turns:
    """Finds the turns in one stream of frames of 32 ms.

    *threshold*: 0 to 1, above which a frame is speech. *silence_ms* end a turn.
    """

    def __init__(self, *, threshold: float = 0.5, silence_ms: int = 500) -> None:
        self.threshold = threshold
        self.silence_ms = silence_ms
        self.reset()

    def reset(self) -> None:
        """Begin anew, in silence."""
        self.speaking = False
        self._loud = 0
        self._peak = 0.0
        self._quiet = 0

    def push(self, likely: float) -> Change | None:
        """Take in the next frame; return what it changes."""
        if likely >= self.threshold - (_DROP if self.speaking else 0):
            return self._louder(likely)
        return self._quieter()

    def _louder(self, likely: float) -> Change | None:
        paused, self._quiet = self._quiet >= PAUSE_MS, 0
        self._loud += FRAME_MS
        self._peak = max(self._peak, likely)
        sure = self._peak >= self.threshold + _SURE * (1 - self.threshold)
        if not self.speaking and self._loud >= (START_MS if sure else SOFT_MS):
            self.speaking = True
            return "started"
        return "resumed" if paused and self.speaking else None

    def _quieter(self) -> Change | None:
        self._loud, self._peak = 0, 0.0
        if not self.speaking:
            return None
        before, self._quiet = self._quiet, self._quiet + FRAME_MS
        if self._quiet >= self.silence_ms:
            self.reset()
            return "stopped"
        return "paused" if before < PAUSE_MS <= self._quiet else None
