"""`tool_execute`: run a call of one of the server's tools."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from chatbots.server.asking import Called
from chatbots.server.call import Call, Route
from chatbots.tool_calls import ToolContext
from chatbots.tools.running import failure


class Payload(Struct):
    """The call, as an answer had it."""

    tool_call: Called


async def handle(call: Call, payload: Payload) -> dict[str, object]:
    """Return the tool's result; what goes wrong in it is a result as well.

    Only tools that are marked `remote` are run.
    """
    called, tools = payload.tool_call.call(), call.backend.tools
    if called.name in tools and not tools[called.name].marks.remote:
        result = failure(called, f"The tool {called.name!r} is not to be run by clients.")
    else:
        context = ToolContext(request_id=call.request.request_id, user=call.caller.user)
        result = await tools.run(called, context)
    said: dict[str, object] = {"tool_call_id": result.call_id, "content": result.content}
    return said | ({"is_error": True} if result.is_error else {})


ROUTE: Final = Route(Payload, handle, "tool_execute_response")
