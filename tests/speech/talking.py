"""A client of a conversation on made-up engines: what it sends, what it is told, and when."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio

from chatbots.realtime.hosting.host import Host
from chatbots.speech.conversing import Conversation
from chatbots.testing import ScriptedModel
from tests.local.processes import eventually
from tests.speech.engines_of import Recogniser, Voice, engines_of
from tests.speech.test_ear import silence, tone

PUSH_TO_TALK: dict[str, Any] = {"audio": {"input": {"turn_detection": None}}}


class Talk:
    """A conversation; `told` is what the client was told, in order."""

    def __init__(
        self, model: ScriptedModel, recogniser: Recogniser, voice: Voice, *, reads_ahead: bool
    ) -> None:
        self.model = model
        self.recogniser = recogniser
        self.voice = voice
        self.told: list[dict[str, Any]] = []
        self._put, self.frames = anyio.create_memory_object_stream[bytes | str](1000)
        self.host = Host(model="local")
        engines = engines_of(model, recogniser, voice, reads_ahead=reads_ahead)
        self.conversation = Conversation(engines, self.host, self._take)

    async def _take(self, frame: bytes) -> None:
        self.told.append(json.loads(frame))

    async def send(self, type: str, **fields: object) -> None:  # noqa: A002  # the field's name
        await self._put.send(json.dumps({"type": type, **fields}))

    async def session(self, **told: object) -> None:
        await self.send("session.update", session={"type": "realtime", **told})

    async def append(self, pcm: bytes) -> None:
        for start in range(0, len(pcm), 4800):
            audio = b64encode(pcm[start : start + 4800]).decode()
            await self.send("input_audio_buffer.append", audio=audio)

    async def speak(self, ms: int = 600, *, then: int = 1000) -> None:
        """Be loud for a while, and then silent."""
        await self.append(tone(ms) + silence(then))

    async def until(self, kind: str, count: int = 1) -> dict[str, Any]:
        """Return the event of this type, once so many of them were told."""
        await eventually(lambda: len(self.of(kind)) >= count, within=10)
        return self.of(kind)[count - 1]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.told if event["type"] == kind]

    @property
    def sound(self) -> int:
        """How many ms of sound the client was told."""
        deltas = self.of("response.output_audio.delta")
        return sum(len(b64decode(delta["delta"])) for delta in deltas) // 48

    @property
    def said(self) -> str:
        """What the client was told that it hears."""
        return "".join(one["delta"] for one in self.of("response.output_audio_transcript.delta"))

    def leave(self) -> None:
        self._put.close()


@asynccontextmanager
async def talking(
    model: ScriptedModel, *heard: str, voice: Voice | None = None, reads_ahead: bool = False
) -> AsyncGenerator[Talk]:
    talk = Talk(model, Recogniser(*heard), voice or Voice(), reads_ahead=reads_ahead)
    with talk.frames:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(talk.conversation.run, talk.frames)
            yield talk
            talk.leave()
