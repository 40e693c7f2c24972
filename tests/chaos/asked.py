"""What clients ask, and what the whole answer is: both sides know it by the request's id."""

from __future__ import annotations

from random import Random
from typing import Final, Literal, TypeAlias

from msgspec import Struct

BotKind: TypeAlias = Literal["memory", "streaming"]

TOOL: Final = "note"
BEFORE_TOOL: Final = "Let me note that. "
PING: Final = "ping"
"""A prompt that is answered by the program alone: is its loop alive?"""
PACE: Final = 0.04
"""Seconds between two words of a stream."""


class Asked(Struct, frozen=True):
    """One request, to be asked again under its id until there is an answer."""

    session: str
    request_id: str
    bot: BotKind
    prompt: str

    @property
    def text(self) -> str:
        """The whole answer."""
        return (BEFORE_TOOL if wants_tool(self.prompt) else "") + words_for(self.prompt)


class Note(Struct):
    """What somebody was told: that a turn had begun, or its answer."""

    prompt: str
    answer: str | None = None


def draw(random: Random, session: str, request_id: str) -> Asked:
    """Return a request: long or short, with a tool or without."""
    words = random.choice((3, 8, 8, 15, 70))
    tool = random.random() < 0.4
    bot: BotKind = "memory" if random.random() < 0.3 else "streaming"
    return Asked(
        session, request_id, bot, f"{request_id} {words} words{' by tool' if tool else ''}"
    )


def wants_tool(prompt: str) -> bool:
    """Tell whether the answer to *prompt* calls the tool first."""
    return prompt.endswith("by tool")


def id_in(prompt: str) -> str:
    """Return the id of the request that *prompt* is of."""
    return prompt.split()[0]


def words_for(prompt: str) -> str:
    """Return what the model says to *prompt* in the end: no two answers are alike."""
    name, number = prompt.split()[:2]
    return " ".join(f"{name}.{count}" for count in range(int(number)))
