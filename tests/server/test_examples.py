"""Every request of the reference, as it is written there, over sockets and a fake upstream."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from chatbots import Chatbots, Settings
from chatbots.testing import FakeOpenAI
from chatbots.tools.builtin import builtin
from tests.server.peer import serving

Frame = dict[str, Any]
EXAMPLES: dict[str, Frame] = json.loads(Path(__file__).with_name("examples.json").read_text())


@asynccontextmanager
async def served(fake: FakeOpenAI) -> AsyncGenerator[ClientConnection]:
    settings = Settings(
        openai_api_key="k",
        openai_base_url=fake.base_url,
        openai_model="the-default",
        db_type="memory",
    )
    tools = map(builtin, ("get_weather", "calculator", "get_current_time"))
    async with (
        Chatbots(settings) as bots,
        serving(bots.asgi(tools=tools)) as (_, address),
        connect(f"ws://{address}/ws") as client,
    ):
        yield client


async def read(client: ClientConnection) -> Frame:
    frame: Frame = json.loads(await client.recv())
    return frame


@pytest.mark.checklist(
    203, 204, 205, 206, 215, 216, 218, 219, 220, 221, 232, 240, 241, 242, 243, 244
)
async def test_every_example_is_answered_as_the_reference_says() -> None:
    async with FakeOpenAI() as fake, served(fake) as client:

        async def ask(name: str) -> Frame:
            await client.send(json.dumps(EXAMPLES[name]))
            frame = await read(client)
            assert frame["request_id"] == EXAMPLES[name]["request_id"]
            assert "error" not in frame
            return frame

        fake.answer(tool_calls=[("get_weather", {"location": "San Francisco, CA"})])
        frame = await ask("chat_completion_with_tools")
        assert frame["type"] == "chat_completion_response"
        message = frame["data"]["choices"][0]["message"]
        assert message["content"] is None
        [call] = message["tool_calls"]
        assert call["type"] == "function"
        assert json.loads(call["function"]["arguments"]) == {"location": "San Francisco, CA"}
        asked = fake.calls[0].json
        assert asked["tools"][0]["function"]["name"] == "get_weather"
        assert asked["tool_choice"] == "auto"
        assert asked["model"] == "the-default"

        frame = await ask("chat_completion")
        assert frame["type"] == "chat_completion_response"
        assert frame["data"]["choices"][0]["message"]["content"] == "Hello!"
        assert frame["data"]["usage"]["total_tokens"] > 0
        asked = fake.calls[1].json
        assert asked["messages"] == EXAMPLES["chat_completion"]["payload"]["messages"]
        assert (asked["model"], asked["max_tokens"], asked["temperature"]) == (
            "gpt-3.5-turbo", 100, 0.7,
        )  # fmt: skip

        fake.answer(["Once ", "upon ", "a time"])
        frames = [await ask("chat_completion_stream")]
        while not frames[-1]["data"].get("done"):
            frames.append(await read(client))
        assert {(f["type"], f["request_id"]) for f in frames} == {
            ("chat_completion_stream_response", "req-124")
        }
        *pieces, last = frames
        text = [piece["data"]["choices"][0]["delta"]["content"] for piece in pieces]
        assert "".join(text) == "Once upon a time"
        assert last["data"]["choices"][0] == {"index": 0, "delta": {}, "finish_reason": "stop"}
        assert last["data"]["usage"]["completion_tokens"] > 0

        frame = await ask("embedding")
        assert frame["type"] == "embedding_response"
        assert frame["data"]["model"] == "text-embedding-ada-002"
        assert len(frame["data"]["data"][0]["embedding"]) > 100
        assert frame["data"]["usage"]["prompt_tokens"] > 0

        assert (await ask("ping"))["type"] == "pong"

        frame = await ask("tools_list")
        assert frame["type"] == "tools_list_response"
        tools = frame["data"]["tools"]
        assert {t["name"] for t in tools} == {"get_weather", "calculator", "get_current_time"}
        assert all(set(t) == {"name", "description", "parameters"} for t in tools)

        frame = await ask("tool_execute")
        assert frame["type"] == "tool_execute_response"
        assert set(frame["data"]) == {"tool_call_id", "content"}
        assert frame["data"]["tool_call_id"] == "call_123"
        assert "San Francisco, CA" in frame["data"]["content"]
