"""When is text worth showing: the first at once, then at most once a window.

Pure: it is told the time. `channel.py` gives it a clock and somebody who waits.
"""

from __future__ import annotations

from itertools import groupby
from typing import Final

from chatbots.deltas import AudioDelta, Delta, Done, Failed, ReasoningDelta, TextDelta
from chatbots.joined import Joined

NOW: Final = float("-inf")

MAX_HELD: Final = 4096
"""Characters held at most for the window's sake."""

SOUND_PER_CHAR: Final = 16
"""Bytes of sound that count as one character: a channel of text would be full within a second."""


class Flusher:
    """Joins text until it is worth showing.

    The first text of an answer is ready at once.
    After it, text is held for *window* seconds since text was last shown (0: nothing waits; what
    is already there is joined), but not past *max_chars* held characters or a line's end.
    Anything that is not text is ready at once and takes the text before it along:
    nothing overtakes. Neighbouring pieces of reasoning are joined as well.
    Taking the flusher out changes timing only.
    """

    def __init__(self, window: float = 0.0, max_chars: int = MAX_HELD) -> None:
        self.held = 0
        """How much is held: characters of text, sound by its size, and one for each other delta."""
        self.due: float | None = None
        """When what is held should be shown; None if nothing is held."""
        self.said = Joined()
        """The text of the answer so far, shown and held; after its terminal, of the next one."""
        self._window = window
        self._max_chars = max_chars
        self._deltas: list[Delta] = []
        self._last_flush = NOW

    def push(self, delta: Delta) -> None:
        """Hold *delta*, after those that are held."""
        self._deltas.append(delta)
        if isinstance(delta, TextDelta):
            text = delta.text
            self.said.add(text)
            self.held += len(text)
            if self._window and self.held < self._max_chars and text[-1:] != "\n":
                if self.due is None:
                    self.due = self._last_flush + self._window
                return
        else:
            self.held += _weight(delta)
            if isinstance(delta, Done | Failed):
                self.said = Joined()
        self.due = NOW

    def take(self, now: float) -> list[Delta]:
        """Give up all that is held, text joined."""
        taken, self._deltas = self._deltas, []
        if len(taken) > 1:
            taken = _joined(taken)
        self.held = 0
        self.due = None
        if self._window:
            for delta in taken:
                if isinstance(delta, TextDelta):
                    self._last_flush = now
                elif isinstance(delta, Done | Failed):
                    self._last_flush = NOW
        return taken


def _weight(delta: Delta) -> int:
    match delta:
        case ReasoningDelta(text=text):
            return len(text)
        case AudioDelta(pcm=pcm):
            return len(pcm) // SOUND_PER_CHAR + 1
        case _:
            return 1


def _joined(deltas: list[Delta]) -> list[Delta]:
    joined: list[Delta] = []
    for kind, run in groupby(deltas, type):
        if kind is TextDelta or kind is ReasoningDelta:
            pieces = [each.text for each in run if isinstance(each, kind)]
            joined.append(kind("".join(pieces)))
        else:
            joined += run
    return joined
