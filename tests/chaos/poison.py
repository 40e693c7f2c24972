"""Whether a provider would take a conversation: by the openai package's types, and its rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from openai.types.chat import ChatCompletionMessageParam
from pydantic import TypeAdapter, ValidationError


def why_refused(messages: Sequence[Mapping[str, Any]]) -> str | None:
    """Return why a server would refuse the *messages* of a request; None if it would not."""
    try:
        _message().validate_python(messages)
    except ValidationError as error:
        return str(error)
    wanted: list[str] = []
    for message in messages:
        if message["role"] == "tool":
            if message["tool_call_id"] not in wanted:
                return f"there is a result without its call: {message['tool_call_id']}"
            wanted.remove(message["tool_call_id"])
            continue
        if wanted:
            return f"there are calls without their results: {', '.join(wanted)}"
        wanted = [call["id"] for call in message.get("tool_calls") or ()]
        if len(set(wanted)) < len(wanted):
            return "two calls have one id"
        if not message.get("content") and not wanted:
            return f"a message of the {message['role']} says nothing"
    return f"the last calls have no results: {', '.join(wanted)}" if wanted else None


@cache
def _message() -> TypeAdapter[list[ChatCompletionMessageParam]]:
    return TypeAdapter(list[ChatCompletionMessageParam])
