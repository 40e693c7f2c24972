"""Clients that others wrote are the judges of the fake realtime server."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from openai import AsyncOpenAI

from chatbots.testing.fake_openai import FakeOpenAI
from report.environments import prepare, prepare_npm

HERE = Path(__file__).parent
EXPECTED = {"said": ["Hello.", "It is 42."], "tools": ["42"]}
MULTIPLY = {
    "type": "function",
    "name": "multiply",
    "parameters": {"type": "object", "properties": {"a": {"type": "number"}}},
}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]  # the first run installs


@asynccontextmanager
async def scripted() -> AsyncIterator[FakeOpenAI]:
    """Answer with a text, then with a call and, after its result, with another."""
    async with FakeOpenAI() as server:
        server.answer("Hello.")
        server.answer(tool_calls=[("multiply", {"a": 6, "b": 7})])
        server.answer("It is 42.")
        yield server


def nothing_was_refused(fake: FakeOpenAI) -> bool:
    (talk,) = fake.talks
    return talk.of("error") == []


async def program(fake: FakeOpenAI, *command: str | Path) -> Any:
    """Run a client against *fake*; return what it prints."""
    url = fake.base_url.replace("http://", "ws://") + "/realtime?model=gpt-realtime"
    with anyio.fail_after(50):
        done = await anyio.run_process([*command, url], check=False)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


@pytest.mark.parametrize("dialect", ["ga", "beta"])
async def test_openais_own_client_holds_a_text_turn_and_a_tool_turn(dialect: str) -> None:
    async with scripted() as fake:
        address = fake.base_url.replace("http://", "ws://")
        async with AsyncOpenAI(
            base_url=fake.base_url, websocket_base_url=address, api_key="any"
        ) as client:
            if dialect == "ga":
                told = {"type": "realtime", "output_modalities": ["text"]}
                met = await by_the_sdk(client.realtime.connect(model="any"), told)
            else:
                connecting = client.beta.realtime.connect(model="any")
                met = await by_the_sdk(connecting, {"modalities": ["text"]})
        assert met == EXPECTED
        assert fake.talks[0].dialect == dialect
        assert nothing_was_refused(fake)


async def by_the_sdk(connecting: Any, session: dict[str, Any]) -> dict[str, list[str]]:
    """Talk as the SDK's guide does, whose two dialects differ in names alone."""
    said: list[str] = []
    tools: list[str] = []
    async with connecting as connection:
        await connection.session.update(session=session | {"tools": [MULTIPLY]})
        for question in ("Say hello.", "What is 6 times 7?"):
            await connection.conversation.item.create(item=message(question))
            await connection.response.create()
            async for event in connection:
                if event.type in ("response.output_text.done", "response.text.done"):
                    said.append(event.text)
                if event.type != "response.done":
                    continue
                if not (outputs := results(event.response.output or [])):
                    break
                tools += [output["output"] for output in outputs]
                for output in outputs:
                    await connection.conversation.item.create(item=output)
                await connection.response.create()
    return {"said": said, "tools": tools}


def message(text: str) -> Any:
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}


def results(items: Sequence[Any]) -> list[Any]:
    """Return what came of the calls among *items*."""
    return [
        {
            "type": "function_call_output",
            "call_id": item.call_id,
            "output": str(json.loads(item.arguments)["a"] * json.loads(item.arguments)["b"]),
        }
        for item in items
        if item.type == "function_call"
    ]


async def test_openai_agents_holds_a_text_turn_and_a_tool_turn() -> None:
    python = await anyio.to_thread.run_sync(prepare, "openai-agents", HERE / "pinned")
    async with scripted() as fake:
        assert await program(fake, python, HERE / "openai_agents.py") == EXPECTED
        assert nothing_was_refused(fake)


async def test_npms_agents_realtime_holds_a_text_turn_and_a_tool_turn() -> None:
    place = await anyio.to_thread.run_sync(prepare_npm, HERE / "npm")
    async with scripted() as fake:
        assert await program(fake, "node", place / "talk.mjs") == EXPECTED
        assert nothing_was_refused(fake)
