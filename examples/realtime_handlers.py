"""Handlers in the manner of the reference: `python examples/realtime_handlers.py QUESTION`.

They are called with every event, in order; the conversation is told in the reference's own words.
"""

from __future__ import annotations

import sys

import anyio

from chatbots import Chatbots, ConnHandler
from chatbots.realtime.compat import (
    ClientSession,
    ConversationItemCreateEvent,
    MessageContentPart,
    MessageContentTypeInputText,
    MessageItem,
    MessageItemTypeMessage,
    MessageRoleUser,
    ModalityText,
    ResponseCreateEvent,
    ResponseDoneEvent,
    ResponseTextDeltaEvent,
    SessionUpdateEvent,
)


async def main(question: str) -> None:
    """Ask, and have two functions called with what comes."""
    done = anyio.Event()

    def show(event: object) -> None:
        if isinstance(event, ResponseTextDeltaEvent):
            print(event.delta, end="", flush=True)

    async def tell(event: object) -> None:
        if isinstance(event, ResponseDoneEvent):
            print(f"\nFull response: {event.response.output_text}")
            done.set()

    async with Chatbots() as bots, bots.realtime_client().connect() as conn:
        handler = ConnHandler(conn, show, tell)
        handler.start()
        await conn.send(SessionUpdateEvent(ClientSession(modalities=[ModalityText])))
        part = MessageContentPart(type=MessageContentTypeInputText, text=question)
        message = MessageItem(type=MessageItemTypeMessage, role=MessageRoleUser, content=[part])
        await conn.send(ConversationItemCreateEvent(message))
        await conn.send(ResponseCreateEvent())
        await done.wait()
    print("ended:", await handler.err())


if __name__ == "__main__":
    anyio.run(main, " ".join(sys.argv[1:]) or "What is a river?")
