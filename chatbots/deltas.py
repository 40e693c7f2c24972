"""What flows from a bot to whoever reads it.

Every reply is `body* (Done | Failed)`: any number of text deltas and notices,
then exactly one terminal delta, last.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

from chatbots.errors import ChatError
from chatbots.messages import SessionId, Usage


class TextDelta(Struct, frozen=True, tag_field="type", tag="text"):
    """The next piece of the answer, at least one character."""

    text: str


class Notice(Struct, frozen=True, tag_field="type", tag="notice"):
    """Something worth knowing that is not part of the answer."""

    code: str
    message: str


class Done(Struct, frozen=True, kw_only=True, tag_field="type", tag="done"):
    """The answer is whole, or was cut by a limit or a filter (`incomplete`, see `reason`)."""

    state: Literal["completed", "incomplete"]
    reason: str | None
    usage: Usage | None
    request_id: str
    session: SessionId | None


class Failed(Struct, frozen=True, kw_only=True, tag_field="type", tag="failed"):
    """The turn ended without a whole answer; what arrived before stands.

    `failed`: nothing had been shown. `interrupted`: text had been shown. `cancelled`: on purpose.
    """

    error: ChatError
    state: Literal["failed", "interrupted", "cancelled"]
    request_id: str
    session: SessionId | None


Delta: TypeAlias = TextDelta | Notice | Done | Failed
Terminal: TypeAlias = Done | Failed
