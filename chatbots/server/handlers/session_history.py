"""`session_history`: what was said in a conversation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

from msgspec import Meta, Struct

from chatbots.errors import InvalidRequest
from chatbots.interfaces import SessionStore
from chatbots.messages import SessionId, Turn
from chatbots.server.asking import check_session_id
from chatbots.server.call import Call, Route
from chatbots.server.shapes import turn
from chatbots.sessions.bounded import size_of

MAX_TOLD: Final = 1024 * 1024
"""Bytes of text in an answer; of a turn that alone is longer, all is told."""
FIRST_LOAD: Final = 8
"""Turns that are loaded at first, and four times as many while there is room."""


class Payload(Struct):
    """Which, and how many of its last turns."""

    session_id: str
    last: Annotated[int, Meta(ge=1, le=1000)] = 100


async def handle(call: Call, payload: Payload) -> dict[str, object]:
    """Return its newest turns, as many as there is room for, in their order.

    Raises `InvalidRequest` (`session_not_found`).
    """
    store = call.store
    await check_there(store, payload.session_id)
    turns = await _newest(store, payload.session_id, payload.last)
    return {"session_id": payload.session_id, "turns": [turn(kept) for kept in turns]}


async def _newest(store: SessionStore, session: SessionId, last: int) -> Sequence[Turn]:
    """Return the last turns, or fewer if they are long; a long session is never loaded whole."""
    number = min(last, FIRST_LOAD)
    while True:
        turns = await store.load(session, last=number)
        kept = _fitting(turns)
        if len(kept) < len(turns) or len(turns) < number or number == last:
            return kept
        number = min(last, 4 * number)


def _fitting(turns: Sequence[Turn]) -> Sequence[Turn]:
    size = 0
    for place in reversed(range(len(turns))):
        size += size_of((*turns[place].said, *turns[place].answer))
        if size > MAX_TOLD and place < len(turns) - 1:
            return turns[place + 1 :]
    return turns


async def check_there(store: SessionStore, session: SessionId) -> None:
    """Raise `InvalidRequest` where the caller has no such session, or it can have none."""
    check_session_id(session)
    if not await store.load(session, last=1):
        raise InvalidRequest(
            "session_not_found", f"There is no session {session!r}.", param="session_id"
        )


ROUTE: Final = Route(Payload, handle, "session_history_response")
