"""Conversations as lines for people: aligned, and safe on a terminal whatever they are called."""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Final

from chatbots.conversations import Found, SessionInfo, StoreStats
from chatbots.messages import Turn
from chatbots.terminal.console import PlainPaper

NAME_COLUMN: Final = 40
"""Cells the names' column may have; a longer name is whole, and pushes its own line only."""

_JOINERS: Final = "\u200c\u200d"
"""Format characters that words and emoji are made with; others could hide or turn a text."""


def shown(text: str) -> str:
    """Return *text* on one line, with what cannot be seen written as its escape."""
    return "".join(
        char if char.isprintable() or char in _JOINERS else char.encode("unicode_escape").decode()
        for char in text
    )


def cells(text: str) -> int:
    """Return how many columns of a terminal *text* takes, as near as Unicode says it."""
    return sum(map(_cells, text))


def _cells(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def cut(line: str, width: int | None) -> str:
    """Return *line*, with an ellipsis for its end where it has more than *width* columns."""
    if width is None or cells(line) <= width:
        return line
    kept = sum(taken < width for taken in accumulate(map(_cells, line)))
    return f"{line[:kept]}…"


def listed(sessions: Sequence[SessionInfo]) -> Iterator[str]:
    """Yield a line for each of *sessions*: its name, its size, its age, what it began with."""
    names = _column([session.name for session in sessions])
    counts = [_turns(session.turns) for session in sessions]
    wide = max(map(len, counts), default=0)
    for name, count, session in zip(names, counts, sessions, strict=True):
        age = when(session.changed_at)
        yield f"{name}  {count:<{wide}}  {age}  {shown(session.title)}".rstrip()


def found(places: Sequence[Found]) -> Iterator[str]:
    """Yield a line for each of *places*: the conversation, the turn, who spoke, what was said."""
    names = _column([place.session for place in places])
    for name, place in zip(names, places, strict=True):
        said = shown(" ".join(place.snippet.split()))
        yield f"{name}  #{place.seq:<3}  {place.role:<9}  {said}"


def told(turns: Iterable[Turn]) -> Iterator[str]:
    """Yield *turns* as they were said, one text each; what did not end well is marked."""
    for turn in turns:
        parts = [f"#{turn.seq}", when(turn.began_at), mark(turn), "pinned" * turn.pinned]
        head = "  ".join(part for part in parts if part)
        yield f"{head}\n{exchange(turn)}\n"


def exchange(turn: Turn) -> str:
    """Return what was asked in *turn*, quoted, and what was answered."""
    asked = "\n".join(f"> {line}" for line in plain(asked_in(turn)).split("\n"))
    answer = plain(turn.text)
    return f"{asked}\n{answer}" if answer else asked


def asked_in(turn: Turn) -> str:
    """Return what the user said in *turn*."""
    said = [message for message in turn.said if message.role == "user"] or turn.said
    return "\n\n".join(message.content for message in said)


def mark(turn: Turn) -> str:
    """Return how *turn* stands, and why, in a few words; nothing where it is whole."""
    if turn.state == "completed":
        return ""
    known = turn.reason in (None, turn.state)
    return turn.state if known else f"{turn.state} ({shown(turn.reason or '')})"


def plain(text: str) -> str:
    """Return *text* without the control characters that would steer a terminal."""
    return PlainPaper(clean=True).text(text)


def counted(stats: StoreStats) -> Iterator[str]:
    """Yield what *stats* count, a line each."""
    states = ", ".join(f"{state} {count:,}" for state, count in sorted(stats.by_state.items()))
    rows = [
        ("sessions", f"{stats.sessions:,}"),
        ("turns", f"{stats.turns:,}{f' ({states})' if states else ''}"),
        ("tokens read", f"{stats.input_tokens:,}"),
        ("tokens written", f"{stats.output_tokens:,}"),
        ("bytes", f"{stats.bytes:,}"),
    ]
    for name, value in rows:
        yield f"{name:<14}  {value}"


def when(at: float | None) -> str:
    """Return the local time of a moment in Unix seconds; nothing where none is known."""
    try:
        return "" if at is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(at))
    except (OverflowError, ValueError, OSError):  # no year has it
        return "?"


def _column(names: Sequence[str]) -> list[str]:
    """Return *names* as they are shown, all as wide as the widest that has room."""
    escaped = [shown(name) for name in names]
    widths = [cells(name) for name in escaped]
    wide = max((width for width in widths if width <= NAME_COLUMN), default=0)
    return [name + " " * (wide - width) for name, width in zip(escaped, widths, strict=True)]


def _turns(count: int) -> str:
    return f"{count:,} turn{'s' * (count != 1)}"
