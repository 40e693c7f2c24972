"""`tools_list`: what the server's tools are, and what they take."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from chatbots.server.call import Call, Route


class Payload(Struct):
    """Nothing."""


async def handle(call: Call, payload: Payload) -> dict[str, object]:  # noqa: ARG001 - a handler's
    """Return those that clients may run, as the model sees them."""
    specs = [tool.spec for tool in call.backend.tools if tool.marks.remote]
    return {
        "tools": [
            {"name": spec.name, "description": spec.description, "parameters": spec.parameters}
            for spec in specs
        ]
    }


ROUTE: Final = Route(Payload, handle, "tools_list_response", at_once=True)
