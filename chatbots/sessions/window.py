"""How much of the past the model sees."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile
from typing import Final

from chatbots.messages import Message, Turn
from chatbots.sessions.turn import FINAL

MARGIN: Final = 0.9
"""Of what should fit: a token is no fixed number of characters."""

CANCELLED: Final = '{"error":"cancelled: it may or may not have been done"}'
"""The result of a call that has none."""

_NUMBER: Final = re.compile(r"(?<![\w-])(?:\d{4,}|\d{1,3}(?:,\d{3})+)(?![\w-])")


def visible(turns: Iterable[Turn]) -> list[Message]:
    """Return the messages of the past *turns* that the next request carries, oldest first.

    A turn that has ended with text is carried, whole or partial, so that the model knows what was
    shown, and so is one in which a tool was called. A turn nothing came of is not: two questions in
    a row are refused by some chat templates, and a failure must not poison what follows.
    """
    seen: list[Message] = []
    for turn in turns:
        spoken = (m for m in turn.answer if m.role == "assistant")
        if turn.state in FINAL and any(m.content or m.tool_calls for m in spoken):
            seen.extend(_paired((*turn.said, *turn.answer)))
    return seen


def _paired(messages: Sequence[Message]) -> Iterator[Message]:
    """Yield *messages* with one result after each call of a tool, in order: servers insist on it.

    A result without its call is left out, and a call without its result gets one that says so.
    """
    for number, message in enumerate(messages, 1):
        if message.role == "tool":
            continue
        yield message
        after = takewhile(lambda m: m.role == "tool", messages[number:])
        results = {result.tool_call_id: result for result in after}
        for call in message.tool_calls:
            yield results.get(call.id) or Message("tool", CANCELLED, tool_call_id=call.id)


def newest(turns: Sequence[Turn], share: float) -> list[Turn]:
    """Return the newest of *turns* that have at most this *share* of all their text, whole."""
    sizes = [sum(len(message.content) for message in visible([turn])) for turn in turns]
    room = share * sum(sizes)
    kept: list[Turn] = []
    for turn, size in zip(reversed(turns), reversed(sizes), strict=True):
        room -= size
        if room < 0:
            break
        kept.append(turn)
    return kept[::-1]


def share_that_fits(refusal: str) -> float:
    """Return how much of a past that was too long fits, going by what the server said: 0 to 1.

    Servers say in two numbers how much the model reads and how much it was given; half of it
    where this one does not.
    """
    numbers = [int(number.replace(",", "")) for number in _NUMBER.findall(refusal)]
    if len(numbers) < 2 or min(numbers) == max(numbers):
        return 0.5
    return MARGIN * min(numbers) / max(numbers)
