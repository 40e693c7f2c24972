"""The model, in a process of its own: it answers by the prompt, and writes down what it was asked.

python -m tests.chaos.upstream LOG
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import anyio
import msgspec
from msgspec import Struct

from chatbots.testing import Answer, Call, FakeOpenAI
from chatbots.testing.requests import ChatRequest
from tests.chaos.asked import BEFORE_TOOL, PACE, TOOL, id_in, wants_tool, words_for
from tests.chaos.poison import why_refused


class Read(Struct):
    """One request as the model has read it. `again`: with the result of a tool."""

    prompt: str
    again: bool
    refused: str | None


def rule(request: ChatRequest) -> Answer:
    """Answer by the prompt; where it wants a tool, call that first."""
    prompt = request.last_said
    if wants_tool(prompt) and request.messages[-1].role != "tool":
        call = (TOOL, {"request_id": id_in(prompt)})
        return Answer(text=BEFORE_TOOL, tool_calls=[call], delay=PACE)
    return Answer(text=words_for(prompt), delay=PACE)


def read_of(call: Call) -> Read:
    """Judge a request."""
    messages = call.json["messages"]
    prompt = next(said["content"] for said in reversed(messages) if said["role"] == "user")
    return Read(prompt, messages[-1]["role"] == "tool", why_refused(messages))


def reads(log: Path) -> list[Read]:
    """Return what the model has read so far."""
    lines = log.read_bytes().splitlines() if log.exists() else []
    return [msgspec.json.decode(line, type=Read) for line in lines]


async def main(log: str) -> None:
    """Serve until stdin ends: with whoever has started it."""
    to = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(call: Call) -> None:
        os.write(to, msgspec.json.encode(read_of(call)) + b"\n")

    async with FakeOpenAI(rule=rule, log=write) as fake:
        print(fake.base_url, flush=True)
        await anyio.to_thread.run_sync(sys.stdin.read)


if __name__ == "__main__":
    anyio.run(main, sys.argv[1])
