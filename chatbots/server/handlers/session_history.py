"""`session_history`: what was said in a conversation."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta, Struct

from chatbots.errors import InvalidRequest
from chatbots.interfaces import SessionStore
from chatbots.messages import SessionId
from chatbots.server.asking import check_session_id
from chatbots.server.call import Call, Route
from chatbots.server.shapes import turn


class Payload(Struct):
    """Which, and how many of its last turns."""

    session_id: str
    last: Annotated[int, Meta(ge=1, le=1000)] = 100


async def handle(call: Call, payload: Payload) -> dict[str, object]:
    """Return its turns, oldest first; raises `InvalidRequest` (`session_not_found`)."""
    store = call.store
    await check_there(store, payload.session_id)
    turns = await store.load(payload.session_id, last=payload.last)
    return {"session_id": payload.session_id, "turns": [turn(kept) for kept in turns]}


async def check_there(store: SessionStore, session: SessionId) -> None:
    """Raise `InvalidRequest` where the caller has no such session, or it can have none."""
    check_session_id(session)
    if not await store.load(session, last=1):
        raise InvalidRequest(
            "session_not_found", f"There is no session {session!r}.", param="session_id"
        )


ROUTE: Final = Route(Payload, handle, "session_history_response")
