"""News of tools, one line each: `> multiply(a=6, b=7)`, `< 42`."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from chatbots.deltas import ToolDelta, ToolProgress, ToolStarted

MAX_LINE: Final = 200
"""Characters of a line; the rest of it is for the model."""

_TURNED: Final = re.compile(r"[\u202a-\u202e\u2066-\u2069]")
"""What turns the direction of writing: a line must not read as another."""


def line_of(news: ToolDelta) -> str:
    """Return the line that tells the *news*, white space in it narrowed."""
    if isinstance(news, ToolStarted):
        line = f"> {news.name}({_written(news.arguments)})"
    elif isinstance(news, ToolProgress):
        share = "" if news.fraction is None else f"{news.fraction:4.0%} "
        line = f"~ {share}{news.message}"
    else:
        line = f"< {news.content}"
    line = _TURNED.sub("\ufffd", " ".join(line.split()))
    return line if len(line) <= MAX_LINE else f"{line[: MAX_LINE - 1]}…"


def _written(arguments: str) -> str:
    """Return a call's arguments as Python would write them, or as they are."""
    try:
        values = msgspec.json.decode(arguments, type=dict[str, msgspec.Raw])
    except (ValueError, RecursionError):
        return arguments
    return ", ".join(f"{name}={bytes(raw).decode()}" for name, raw in values.items())
