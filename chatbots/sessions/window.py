"""How much of the past the model sees."""

from __future__ import annotations

from collections.abc import Iterable

from chatbots.messages import Message, Turn
from chatbots.sessions.turn import FINAL


def visible(turns: Iterable[Turn]) -> list[Message]:
    """Return the messages of the past *turns* that the next request carries, oldest first.

    A turn that has ended with text is carried, whole or partial, so that the model knows what was
    shown. A turn nothing came of is not: two questions in a row are refused by some chat templates,
    and a failure must not poison what follows.
    """
    seen: list[Message] = []
    for turn in turns:
        if turn.state in FINAL and turn.text:
            seen.extend(turn.said)
            seen.extend(turn.answer)
    return seen
