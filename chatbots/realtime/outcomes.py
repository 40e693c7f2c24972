"""What the protocol makes of what it is told: text and audio, calls, and how responses end."""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

from chatbots.deltas import Interrupted as Interrupted, TextDelta, UserSaid as UserSaid
from chatbots.realtime.events.responses import ResponseAudioDelta, ResponseUsage
from chatbots.realtime.events.server import ApiError
from chatbots.realtime.events.session import Session
from chatbots.tool_calls import ToolCall


class Called(Struct, frozen=True, gc=False):
    """The model has called a function; its result is owed."""

    call: ToolCall


class Began(Struct, frozen=True, gc=False):
    """A response has begun: the one that the event `event_id` asked for, or one of the server's."""

    response_id: str
    event_id: str | None


class Ended(Struct, frozen=True, gc=False):
    """A response has ended. `reason` says why it is not `completed`; `lost`: the connection.

    `message` is what the server says of one that failed.
    """

    response_id: str
    state: Literal["completed", "incomplete", "cancelled", "failed", "interrupted"]
    reason: str | None
    text: str
    usage: ResponseUsage | None = None
    metadata: dict[str, str] | None = None
    message: str | None = None


class Updated(Struct, frozen=True, gc=False):
    """The session is now as the event `event_id` of ours asked."""

    event_id: str | None
    session: Session


class Refused(Struct, frozen=True, gc=False):
    """The server refuses what the event `event_id` of ours asks; None where it does not say."""

    event_id: str | None
    error: ApiError


Outcome: TypeAlias = (
    TextDelta
    | ResponseAudioDelta
    | UserSaid
    | Called
    | Interrupted
    | Began
    | Ended
    | Updated
    | Refused
)
