"""The openai SDK: its own typed loop, over its default transport; tools are called by hand."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from inspect import iscoroutinefunction
from typing import Any

import anyio.to_thread
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionMessageParam

from bench.clients import KEY, SAID, Ask, Multiply


@asynccontextmanager
async def connect(url: str, model: str, *tools: Multiply) -> AsyncIterator[Ask]:
    """Open a client."""
    async with AsyncOpenAI(base_url=url, api_key=KEY, max_retries=0) as client:
        yield by_hand(client, model, tools[0]) if tools else typed_loop(client, model)


def typed_loop(client: AsyncOpenAI, model: str) -> Ask:
    """Read as the SDK's documentation does."""

    async def ask(messages: int) -> AsyncIterator[str]:
        said: list[ChatCompletionMessageParam] = [{"role": "user", "content": SAID}] * messages
        async for chunk in await client.chat.completions.create(
            model=model, messages=said, stream=True
        ):
            if chunk.choices and chunk.choices[0].delta.content:
                yield chunk.choices[0].delta.content

    return ask


PARAMETERS = {
    "type": "object",
    "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
    "required": ["a", "b"],
    "additionalProperties": False,
}


def by_hand(client: AsyncOpenAI, model: str, tool: Multiply) -> Ask:
    """Put one call together, run it, and ask again with its result; nothing is checked."""
    function = {"name": "multiply", "description": "Multiply two numbers.", "strict": True}
    tools: Any = [{"type": "function", "function": {**function, "parameters": PARAMETERS}}]

    async def ask(_: int) -> AsyncIterator[str]:
        messages: list[Any] = [{"role": "user", "content": SAID}]
        while messages:
            call, arguments = "", ""
            async for chunk in await client.chat.completions.create(
                model=model, messages=messages, tools=tools, stream=True
            ):
                if chunk.choices:
                    delta = chunk.choices[0].delta
                    for piece in delta.tool_calls or ():
                        call = call or piece.id or ""
                        arguments += (piece.function and piece.function.arguments) or ""
                    if delta.content:
                        yield delta.content
            messages = [*messages, *await done(tool, call, arguments)] if call else []

    return ask


async def done(tool: Multiply, call: str, arguments: str) -> list[Any]:
    """Run the call; return what it and its result are in the next request."""
    given = json.loads(arguments)
    a, b = given["a"], given["b"]
    if iscoroutinefunction(tool):
        result = await tool(a, b)
    else:
        result = await anyio.to_thread.run_sync(tool, a, b)
    function = {"name": "multiply", "arguments": arguments}
    return [
        {
            "role": "assistant",
            "tool_calls": [{"id": call, "type": "function", "function": function}],
        },
        {"role": "tool", "tool_call_id": call, "content": json.dumps(result)},
    ]
