"""A realtime client of few words, on the package websockets alone."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from chatbots.testing.fake_openai import FakeOpenAI

TEXT = {"type": "realtime", "output_modalities": ["text"]}


def audio(ms: int, *, loud: bool = True) -> str:
    """Return PCM at 24 kHz, as events carry it."""
    return b64encode(b"\x00\x20\x00\xe0" * (12 * ms) if loud else bytes(48 * ms)).decode()


class Client:
    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def send(self, type: str, **fields: object) -> None:  # noqa: A002  # the field's name
        await self.socket.send(json.dumps({"type": type, **fields}))

    async def says(self, text: str) -> None:
        part = {"type": "input_text", "text": text}
        item = {"type": "message", "role": "user", "content": [part]}
        await self.send("conversation.item.create", item=item)

    async def until(self, kind: str) -> list[Any]:
        """Return the events up to the first of this type."""
        told: list[Any] = []
        async for frame in self.socket:
            if isinstance(frame, bytes):  # no event
                continue
            told.append(json.loads(frame))
            if told[-1]["type"] == kind:
                return told
        raise AssertionError(f"no {kind} after {[event['type'] for event in told]}")

    async def asks(self, text: str = "Hi", **response: object) -> list[Any]:
        """Say a text, and return the events of the answer from its beginning."""
        await self.says(text)
        await self.send("response.create", response=response)
        await self.until("response.created")
        return await self.until("response.done")


def address(fake: FakeOpenAI, path: str = "/v1/realtime?model=any") -> str:
    return fake.base_url.replace("http://", "ws://").removesuffix("/v1") + path


@asynccontextmanager
async def session(
    fake: FakeOpenAI,
    path: str = "/v1/realtime?model=any",
    *,
    told: dict[str, Any] | None = None,
    **headers: str,
) -> AsyncIterator[Client]:
    """Open a session, in text unless it is *told* otherwise."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    async with connect(
        address(fake, path), additional_headers=fields, max_size=None, max_queue=None
    ) as socket:
        client = Client(socket)
        await client.until("session.created")
        if "openai-beta" not in fields:
            await client.send("session.update", session=TEXT if told is None else told)
            await client.until("session.updated")
        yield client


def spoken(events: list[Any]) -> str:
    """Return the text of an answer, by its pieces."""
    return "".join(event["delta"] for event in events if event["type"].endswith("text.delta"))
