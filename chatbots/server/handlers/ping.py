"""`ping`: is anybody there?"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from chatbots.server.call import Call, Route


class Payload(Struct):
    """Nothing."""


async def handle(call: Call, payload: Payload) -> dict[str, object]:  # noqa: ARG001 - a handler's
    """Answer."""
    return {}


ROUTE: Final = Route(Payload, handle, "pong", at_once=True)
