"""An event that this package does not know, or not like that."""

from __future__ import annotations

import json

from msgspec import Struct
from msgspec.structs import replace


class UnknownEvent(Struct, frozen=True, gc=False):
    """What was in a frame whose `type` is new, or whose fields are not those of its type.

    `type` is empty where there is none. `raw` is the frame, `problem` what is wrong with it.
    """

    type: str
    raw: bytes
    problem: str

    @classmethod
    def of(cls, raw: bytes, problem: str) -> UnknownEvent:
        """Return the event in *raw*, which is JSON; raises `ValueError` if it is none."""
        event = cls("", raw, problem)
        match event.payload:
            case {"type": str(name)}:
                return replace(event, type=name)
            case _:
                return event

    @property
    def payload(self) -> object:
        """What the frame says, decoded now: for an event, a dict."""
        decoded: object = json.loads(self.raw)
        return decoded
