"""`cancel`: stop a request of this socket, or a turn in a session of the caller's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from chatbots.errors import InvalidRequest
from chatbots.server.call import Call, Route


class Payload(Struct):
    """The request to stop, or the session in which to stop it, or what runs there."""

    request_id: str | None = None
    session_id: str | None = None


async def handle(call: Call, payload: Payload) -> dict[str, object]:
    """Stop it, and tell whether there was anything to stop; it ends with a frame of its own."""
    found = _named(call, payload)
    for running in found:
        running.stop()
    named = {"request_id": payload.request_id, "session_id": payload.session_id}
    said = {field: name for field, name in named.items() if name is not None}
    return {**said, "cancelled": bool(found)}


def _named(call: Call, payload: Payload) -> Sequence[Call]:
    name = payload.request_id
    if payload.session_id is not None:
        turns = call.turns_in(payload.session_id)
        return [turn for turn in turns if name in (None, turn.request.request_id)]
    if name is None:
        raise InvalidRequest(
            "invalid_request", "Nothing is named to be stopped.", param="request_id",
            hint="Send the request_id of a request of this socket, or a session_id.",
        )  # fmt: skip
    running = call.running.get(name)
    return [] if running is None else [running]


ROUTE: Final = Route(Payload, handle, "cancel_response", at_once=True)
