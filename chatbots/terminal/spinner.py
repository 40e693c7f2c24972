"""Something that moves while there is nothing to read."""

from __future__ import annotations

from types import TracebackType
from typing import Final, TextIO

FRAMES: Final = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
PLAIN_FRAMES: Final = "|/-\\"
"""For a terminal whose encoding has no Braille."""

CLEAR: Final = "\r \r"
"""No escape sequence: every terminal understands it."""


class Spinner:
    """Turns on *file* within a `with` block, if it was wound up before; it does so once."""

    step: Final = 0.1
    """Seconds a frame stands."""

    def __init__(self, file: TextIO, *, on: bool) -> None:
        self._file = file
        self._on = on
        self._frames = _frames_for(file.encoding)
        self._wound = False
        self._frame = 0

    @property
    def turning(self) -> bool:
        """Whether there are frames to show."""
        return self._wound

    def wind(self) -> None:
        """Be ready to turn again."""
        self._wound = self._on

    def turn(self) -> None:
        """Show the next frame."""
        self._file.write(f"\r{self._frames[self._frame % len(self._frames)]}")
        self._file.flush()
        self._frame += 1

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._wound and self._frame:
            self._file.write(CLEAR)
            self._file.flush()
        self._wound = False
        self._frame = 0


def _frames_for(encoding: str | None) -> str:
    try:
        FRAMES.encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return PLAIN_FRAMES
    return FRAMES
