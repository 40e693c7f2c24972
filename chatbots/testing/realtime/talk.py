"""What was said on one realtime socket, by both sides."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, cast

import msgspec

from chatbots.realtime.events.event import Dialect
from chatbots.testing.bodies import Json
from chatbots.testing.calls import Call

KEPT: Final = 32 * 1024 * 1024
"""Bytes of each side that are remembered; the oldest frames go first."""


class Frames(deque[bytes]):
    """The latest frames of one side."""

    def __init__(self) -> None:
        super().__init__()
        self._size = 0

    def append(self, frame: bytes) -> None:
        """Remember a frame, and forget what is too old."""
        super().append(frame)
        self._size += len(frame)
        while self._size > KEPT:
            self._size -= len(self.popleft())


@dataclass(eq=False, kw_only=True)
class Talk:
    """One session, as it goes on; `call` is its handshake.

    `heard` and `said` are the frames of the client and of the server, as they were.
    """

    call: Call
    dialect: Dialect
    model: str
    changed: Callable[[], None]
    heard: Frames = field(default_factory=Frames)
    said: Frames = field(default_factory=Frames)
    open: bool = True

    @property
    def received(self) -> list[Any]:
        """The client's events; raises `ValueError` where one is no JSON."""
        return _decoded(self.heard)

    @property
    def sent(self) -> list[Any]:
        """The server's events; what was spoilt is left out."""
        return _decoded(self.said)

    def of(self, kind: str) -> list[Any]:
        """Return the events of this type, of whichever side they are."""
        both = self.received + self.sent
        return [
            one for one in both if isinstance(one, dict) and cast("Json", one).get("type") == kind
        ]


def _decoded(frames: Iterable[bytes]) -> list[Any]:
    return [msgspec.json.decode(frame) for frame in frames]
