"""A bot of your own around one of ours: `python examples/own_bot.py "What is a river?"`.

A `ChatService` is anything with `respond(prompt, out)`.
This one changes the question, watches the answer on its way, and passes everything else on.
"""

from __future__ import annotations

import sys

import anyio
from anyio.abc import ObjectSendStream
from msgspec.structs import replace

from chatbots import (
    Chatbots,
    ChatService,
    Delta,
    Message,
    Prompt,
    Settings,
    Sink,
    TextDelta,
    stream,
)


class Shouting(ObjectSendStream[Delta]):
    """Passes deltas on, the text in capitals."""

    def __init__(self, out: Sink) -> None:
        self._out = out

    async def send(self, item: Delta) -> None:
        """Pass *item* on."""
        await self._out.send(TextDelta(item.text.upper()) if isinstance(item, TextDelta) else item)

    async def aclose(self) -> None:
        """Leave the way open: it is the caller's."""


class LoudBot:
    """Asks another bot to be brief, and shouts its answer."""

    def __init__(self, inner: ChatService) -> None:
        self._inner = inner

    async def respond(self, prompt: Prompt, out: Sink) -> None:
        """Answer *prompt* loudly."""
        brief = Message("system", "Answer in one sentence.")
        await self._inner.respond(
            replace(prompt, messages=(brief, *prompt.messages)), Shouting(out)
        )


async def main(question: str) -> None:
    """Ask and print."""
    async with Chatbots(Settings.load()) as bots:
        bot = LoudBot(bots.streaming().service)
        async with stream(bot, question) as answer:
            async for text in answer.text:
                print(text, end="", flush=True)
        print()


if __name__ == "__main__":
    anyio.run(main, " ".join(sys.argv[1:]) or "What is a river?")
