"""When is text worth showing: the first at once, then at most once a window.

Pure: it is told the time. `channel.py` gives it a clock and somebody who waits.
"""

from __future__ import annotations

from typing import Final

from chatbots.deltas import Delta, Done, Failed, ReasoningDelta, TextDelta

NOW: Final = float("-inf")

MAX_HELD: Final = 4096
"""Characters held at most for the window's sake."""


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
        """How much is held: characters of text and reasoning, and one for each other delta."""
        self.due: float | None = None
        """When what is held should be shown; None if nothing is held."""
        self._window = window
        self._max_chars = max_chars
        self._ready: list[Delta] = []
        self._thoughts: list[str] = []  # before the texts
        self._texts: list[TextDelta] = []
        self._last_flush = NOW

    def push(self, delta: Delta) -> None:
        """Hold *delta*, after those that are held."""
        if isinstance(delta, TextDelta):
            text = delta.text
            self._texts.append(delta)
            self.held += len(text)
            if not self._window or self.held >= self._max_chars or text.endswith("\n"):
                self.due = NOW
            elif self.due is None:
                self.due = self._last_flush + self._window
            return
        self.due = NOW
        if isinstance(delta, ReasoningDelta):
            if self._texts:
                self._join()
            self._thoughts.append(delta.text)
            self.held += len(delta.text)
        else:
            self._join()
            self._ready.append(delta)
            self.held += 1

    def take(self, now: float) -> list[Delta]:
        """Give up all that is held, text joined."""
        taken: list[Delta]
        if self._ready or self._thoughts or len(self._texts) != 1:
            self._join()
            taken, self._ready = self._ready, []
        else:
            taken = [self._texts.pop()]
        self.held = 0
        self.due = None
        if self._window:
            for delta in taken:
                if isinstance(delta, TextDelta):
                    self._last_flush = now
                elif isinstance(delta, Done | Failed):
                    self._last_flush = NOW
        return taken

    def _join(self) -> None:
        if self._thoughts:
            self._ready.append(ReasoningDelta("".join(self._thoughts)))
            self._thoughts.clear()
        texts = self._texts
        if texts:
            joined = texts[0] if len(texts) == 1 else TextDelta("".join([t.text for t in texts]))
            self._ready.append(joined)
            texts.clear()
