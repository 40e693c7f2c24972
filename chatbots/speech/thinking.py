"""A realtime conversation as the local language model is asked about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import UNSET

from chatbots.messages import Message, ModelRequest
from chatbots.realtime.events.session import Tool
from chatbots.sampling import Sampling
from chatbots.telemetry import new_request_id
from chatbots.tool_calls import ToolCall, ToolSpec, tool_choice_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chatbots.realtime.events.items import Item
    from chatbots.realtime.events.session import ResponseParams

MANNER: Final = (
    "You are heard, not read: answer in as few words as you can, unless you are asked for more."
)
"""A second of speech takes 0.4 to make: who is brief is quick."""
MAX_ITEMS: Final = 40
"""Items of the past that the model is told, at the most: its context is small."""
STEP: Final = 20
"""Items that are left out at a time: whenever the past begins elsewhere, all of it is read anew."""


def request(manner: ResponseParams, items: Iterable[Item], *, audible: bool) -> ModelRequest:
    """Return what the model is asked; an *audible* answer is to be short."""
    said = manner.instructions if isinstance(manner.instructions, str) else ""
    instructions = "\n".join(filter(None, (said, MANNER if audible else "")))
    first = (Message("system", instructions),) if instructions else ()
    limit = manner.max_output_tokens
    return ModelRequest(
        messages=first + _messages(_recent(list(items))),
        stream=True,
        request_id=new_request_id(),
        sampling=Sampling(temperature=0, max_tokens=limit if isinstance(limit, int) else None),
        tools=_tools(manner),
        tool_choice=tool_choice_of(manner.tool_choice) if _chosen(manner) else None,
    )


def _recent(items: list[Item]) -> list[Item]:
    return items[-(-max(0, len(items) - MAX_ITEMS) // STEP) * STEP :]


def _messages(items: list[Item]) -> tuple[Message, ...]:
    messages: list[Message] = []
    for item in items:
        match item.type, item.role:
            case "message", "user" | "assistant" | "system" as role if item.text:
                messages.append(Message(role, item.text))
            case "function_call", _:
                call = ToolCall(item.call_id or "", item.name or "", item.arguments or "{}")
                messages.append(Message("assistant", "", tool_calls=(call,)))
            case "function_call_output", _:
                output = item.output or ""
                messages.append(Message("tool", output, tool_call_id=item.call_id))
            case _:
                pass  # images, and what an MCP server did: not for this model
    return tuple(messages)


def _tools(manner: ResponseParams) -> tuple[ToolSpec, ...]:
    tools = manner.tools if isinstance(manner.tools, tuple) else ()
    return tuple(_spec(tool) for tool in tools if tool.type == "function")


def _spec(tool: Tool) -> ToolSpec:
    said = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return ToolSpec.of({name: value for name, value in said.items() if value not in (UNSET, None)})


def _chosen(manner: ResponseParams) -> bool:
    return isinstance(manner.tool_choice, str | dict) and bool(_tools(manner))
