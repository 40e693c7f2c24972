"""What a realtime client asks, in the words of chat: one rule answers both."""

from __future__ import annotations

from itertools import islice
from typing import Any, cast

from chatbots.realtime.events.items import Item
from chatbots.realtime.events.session import Tool as Told
from chatbots.realtime.hosting.answer import Answer, said
from chatbots.testing.bodies import Json
from chatbots.testing.faults.tools import sample
from chatbots.testing.requests import ChatRequest, Offer, Said, Tool


def request_of(answer: Answer, model: str) -> ChatRequest:
    """Return what *answer* is to answer."""
    manner = answer.manner
    messages = [one for item in answer.context if (one := _message(item)) is not None]
    if instructions := said(manner.instructions):
        messages.insert(0, Said("system", instructions))
    tools = [_offer(tool) for tool in said(manner.tools) or () if tool.type == "function"]
    return ChatRequest(model, messages, stream=True, tools=tools or None)


def obliged(answer: Answer, request: ChatRequest) -> list[tuple[str, object]]:
    """Return the call that a client insists on by its `tool_choice`, until it has the result."""
    choice = said(answer.manner.tool_choice)
    wanted = choice.get("name") if isinstance(choice, dict) else None
    if choice != "required" and wanted is None:
        return []
    if request.messages and request.messages[-1].role == "tool":
        return []
    fitting = (tool for tool in request.offered if wanted in (None, tool.name))
    return [(tool.name, sample(tool)) for tool in islice(fitting, 1)]


def _message(item: Item) -> Said | None:
    match item.type:
        case "function_call_output":
            return Said("tool", item.output)
        case "message" if item.role in ("system", "user", "assistant"):
            return Said(item.role, item.text)  # type: ignore[arg-type]  # it is one of the three
        case _:
            return None


def _offer(tool: Told) -> Offer:
    given: Any = tool.parameters
    schema = cast("Json", given) if isinstance(given, dict) else {}
    return Offer(Tool(str(said(tool.name) or ""), schema))
