"""A client of a host, in few words: what it sends, and what it is told."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from itertools import count
from typing import Any

from chatbots.realtime.events.event import GA, Dialect
from chatbots.realtime.events.server import RateLimit
from chatbots.realtime.events.session import Session
from chatbots.realtime.hosting.answer import Answer
from chatbots.realtime.hosting.demands import Demand, Respond
from chatbots.realtime.hosting.host import Host


def audio(ms: int) -> str:
    """Return PCM at 24 kHz, as events carry it."""
    return b64encode(bytes(48 * ms)).decode()


class Client:
    """Talks to a host of its own; what it is told is in `told` since it last sent something."""

    def __init__(
        self,
        dialect: Dialect = GA,
        *,
        session: Session | None = None,
        limits: tuple[RateLimit, ...] = (),
        voice_complaint: Callable[[str], str | None] | None = None,
    ) -> None:
        numbers = count(1)
        self.host = Host(
            model="any",
            dialect=dialect,
            session=session,
            expires_at=1_800_000_000,
            limits=limits,
            ids=lambda prefix: f"{prefix}{next(numbers)}",
            voice_complaint=voice_complaint,
        )
        self.first = self.told

    @property
    def told(self) -> list[dict[str, Any]]:
        return [json.loads(frame) for frame in self.host.data_to_send()]

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.told]

    def send(self, type: str, **fields: object) -> list[Demand]:  # noqa: A002  # the field's name
        return self.host.receive(json.dumps({"type": type, **fields}))

    def says(self, text: str, **fields: object) -> None:
        part = {"type": "input_text", "text": text}
        item = {"type": "message", "role": "user", "content": [part], **fields}
        self.send("conversation.item.create", item=item)

    def texts(self, **session: object) -> None:
        """Let the session answer in text, and end no turn by itself."""
        told = {"type": "realtime", "output_modalities": ["text"], **session}
        self.send("session.update", session=told)
        assert self.types == ["session.updated"]

    def asks(self, **response: object) -> Answer:
        """Ask for a response, and return it."""
        (demand,) = self.send("response.create", response=response)
        assert isinstance(demand, Respond)
        return demand.answer

    def error(self) -> dict[str, Any]:
        """Return the one error that was told, and nothing else."""
        (event,) = self.told
        assert event["type"] == "error"
        error: dict[str, Any] = event["error"]
        return error
