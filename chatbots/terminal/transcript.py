"""Both sides of a spoken conversation as text, or neither."""

from __future__ import annotations

from chatbots.deltas import Done, Failed, UserSaid
from chatbots.realtime.conversation import UNINTELLIGIBLE
from chatbots.terminal.console import PlainPaper, cleaned


class Transcript(PlainPaper):
    """What the user says after `> `, and the answer as it is; where it is not *on*, nothing."""

    def __init__(self, *, on: bool, clean: bool) -> None:
        super().__init__(clean=clean)
        self._on = on

    def said(self, words: UserSaid, /) -> str:
        """Return the line for what the user said."""
        return f"> {cleaned(words.text or UNINTELLIGIBLE)}\n" if self._on else ""

    def text(self, text: str) -> str:
        """Return the text of the answer."""
        return super().text(text) if self._on else ""

    def end(self, end: Done | Failed) -> str:
        """Return the newline after the answer."""
        return super().end(end) if self._on else ""
