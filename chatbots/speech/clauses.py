"""Text that is still being written, cut where a voice may begin and go on."""

from __future__ import annotations

import re
from typing import Final

FIRST_WORDS: Final = 8
"""Words after which the first clause is said wherever it stands: somebody waits for it."""
LATER: Final = 48
"""Characters a later clause has before a comma ends it; the voice is best at whole sentences."""
LONGEST: Final = 240
"""Characters after which a clause ends at the next space."""

_END: Final = re.compile(r"(?P<full>[.!?…][\"')\]]*(?=\s)|\n)|[,;:—](?=\s)|(?P<space>\s)")
_NO_END: Final = re.compile(r"(?:\b(?:Mrs?|Ms|Dr|St|vs|e\.g|i\.e|[A-Z])|^\d+)\.$")
"""A full stop that ends no sentence."""


class Clauses:
    """Takes in pieces of any size; gives clauses that, joined, are the text."""

    def __init__(self) -> None:
        self._text = ""
        self._first = True

    def push(self, text: str) -> list[str]:
        """Return the clauses that are whole with *text*."""
        self._text += text
        clauses: list[str] = []
        while end := self._first_end():
            clauses.append(self._text[:end])
            self._text = self._text[end:]
            self._first = False
        return clauses

    def end(self) -> list[str]:
        """Return what is left."""
        rest, self._text = self._text, ""
        return [rest] if rest.strip() else []

    def _first_end(self) -> int:
        words = 0
        for match in _END.finditer(self._text):
            before = self._text[: match.end()]
            if not before.strip():
                continue
            words += bool(match["space"])
            if self._ends(before, match, words):
                # The space goes with it: joined, the clauses are what was written.
                return len(self._text) - len(self._text[match.end() :].lstrip())
        return 0

    def _ends(self, before: str, match: re.Match[str], words: int) -> bool:
        if match["full"]:
            return _NO_END.search(before) is None
        if match["space"]:
            return len(before) > LONGEST or (self._first and words >= FIRST_WORDS)
        return self._first or len(before) >= LATER
