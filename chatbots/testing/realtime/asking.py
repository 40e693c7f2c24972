"""What a realtime client asks, in the words of chat: one rule answers both."""

from __future__ import annotations

from chatbots.realtime.events.items import Item
from chatbots.realtime.events.session import Tool as Told
from chatbots.realtime.hosting.answer import Answer, said
from chatbots.testing.requests import ChatRequest, Offer, Said, Tool


def request_of(answer: Answer, model: str) -> ChatRequest:
    """Return what *answer* is to answer."""
    manner = answer.manner
    messages = [one for item in answer.context if (one := _message(item)) is not None]
    if instructions := said(manner.instructions):
        messages.insert(0, Said("system", instructions))
    tools = [_offer(tool) for tool in said(manner.tools) or () if tool.type == "function"]
    return ChatRequest(model, messages, stream=True, tools=tools or None)


def _message(item: Item) -> Said | None:
    match item.type:
        case "function_call_output":
            return Said("tool", item.output)
        case "message" if item.role in ("system", "user", "assistant"):
            return Said(item.role, item.text)  # type: ignore[arg-type]  # it is one of the three
        case _:
            return None


def _offer(tool: Told) -> Offer:
    parameters = tool.parameters if isinstance(tool.parameters, dict) else {}
    return Offer(Tool(str(said(tool.name) or ""), parameters))
