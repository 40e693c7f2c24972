"""A realtime session by openai-agents: `python openai_agents.py URL`; prints what came as JSON."""

from __future__ import annotations

import json
import sys

import anyio
from agents import function_tool
from agents.realtime import RealtimeAgent, RealtimeRunner


@function_tool  # type: ignore[untyped-decorator]  # it is installed where this runs
def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


async def main(url: str) -> None:
    agent = RealtimeAgent(name="any", instructions="Be brief.", tools=[multiply])
    settings = {"model_name": "gpt-realtime", "output_modalities": ["text"]}
    runner = RealtimeRunner(agent, config={"model_settings": settings})
    said: list[str] = []
    tools: list[str] = []
    ended = 0
    async with await runner.run(model_config={"url": url, "api_key": "any"}) as session:
        await session.send_message("Say hello.")
        async for event in session:
            if event.type == "error":
                raise SystemExit(f"error: {event.error}")
            if event.type == "tool_end":
                tools.append(str(event.output))
            if event.type == "raw_model_event" and event.data.type == "raw_server_event":
                raw = event.data.data
                if raw["type"] == "response.output_text.done":
                    said.append(raw["text"])
            if event.type == "raw_model_event" and event.data.type == "turn_ended":
                ended += 1
                if ended == 1:
                    await session.send_message("What is 6 times 7?")
                elif len(said) == 2:
                    break
    sys.stdout.write(json.dumps({"said": said, "tools": tools}))


anyio.run(main, sys.argv[1])
