"""What every event is: a value whose `type` is its name on the wire."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from msgspec import Struct

Dialect: TypeAlias = Literal["ga", "beta"]
"""`ga` is what OpenAI speaks today, `beta` what it spoke until May 2026 and others still do."""

GA: Final[Dialect] = "ga"
BETA: Final[Dialect] = "beta"


class Event(
    Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, tag_field="type", tag=""
):
    """An event; `event_id` is its sender's name for it, and an `error` names the event it is of."""

    event_id: str | None = None

    @property
    def type(self) -> str:
        """The event's name on the wire, as it was sent or will be in the dialect of today."""
        return str(self.__struct_config__.tag)


class ClientEvent(Event, frozen=True, kw_only=True, tag=""):
    """An event that the client sends."""


class ServerEvent(Event, frozen=True, kw_only=True, tag=""):
    """An event that the server sends. What it leaves out has the default of its field."""
