"""What flows from a bot to whoever reads it.

Every reply is `body* (Done | Failed)`: any number of pieces of text, reasoning and sound,
notices and news of tools, then exactly one terminal delta, last.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

from chatbots.errors import ChatError
from chatbots.messages import Metrics, SessionId, TokenLogprob, Usage


class TextDelta(Struct, frozen=True, gc=False, tag_field="type", tag="text"):
    """The next piece of the answer, at least one character."""

    text: str


class ReasoningDelta(Struct, frozen=True, gc=False, tag_field="type", tag="reasoning"):
    """The next piece of what the model thinks before it answers; no part of the answer."""

    text: str


class AudioDelta(Struct, frozen=True, gc=False, tag_field="type", tag="audio"):
    """The next piece of what the answer sounds like: PCM, 16 bits, little-endian, one channel.

    Where `Speech.audio` says so it is G.711.
    `item_id` is the message that is spoken, `rate` the samples a second.
    The text that is spoken comes as text, before or after its sound.
    """

    item_id: str
    pcm: bytes
    rate: int


class UserSaid(Struct, frozen=True, gc=False, tag_field="type", tag="user_said"):
    """What the user said in a call, in the message `item_id`, or wrote, which is in none.

    The text is None where nobody could write it down.
    """

    item_id: str
    text: str | None


class Interrupted(Struct, frozen=True, gc=False, tag_field="type", tag="interrupted"):
    """The user spoke into the answer: play no more of it.

    `heard_ms` of the message `item_id` were heard; None where nobody said how much was played.
    """

    item_id: str | None
    heard_ms: int | None


class Notice(Struct, frozen=True, gc=False, tag_field="type", tag="notice"):
    """Something worth knowing that is not part of the answer."""

    code: str
    message: str


class ToolStarted(Struct, frozen=True, tag_field="type", tag="tool_started"):
    """The model has called a tool, with `arguments` as it wrote them: JSON, or meant to be."""

    call_id: str
    name: str
    arguments: str


class ToolProgress(Struct, frozen=True, tag_field="type", tag="tool_progress"):
    """How far a tool is, by its own account; `fraction` is 0 to 1."""

    call_id: str
    message: str
    fraction: float | None = None


class ToolFinished(Struct, frozen=True, tag_field="type", tag="tool_finished"):
    """A tool's result, as the model is told it, and how many seconds it took."""

    call_id: str
    name: str
    content: str
    is_error: bool
    seconds: float


class Done(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="done"):
    """The answer is whole, or was cut by a limit or a filter (`incomplete`, see `reason`).

    `stored` is false where it should be remembered and the store could not keep it.
    """

    state: Literal["completed", "incomplete"]
    reason: str | None
    usage: Usage | None
    request_id: str
    session: SessionId | None
    logprobs: tuple[TokenLogprob, ...] = ()
    metrics: Metrics | None = None
    stored: bool = True


class Failed(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="failed"):
    """The turn ended without a whole answer; what arrived before stands.

    `failed`: nothing had been shown. `interrupted`: text had been shown. `cancelled`: on purpose.
    `usage` is what the turn cost nevertheless, estimated.
    """

    error: ChatError
    state: Literal["failed", "interrupted", "cancelled"]
    request_id: str
    session: SessionId | None
    usage: Usage | None = None


Terminal: TypeAlias = Done | Failed
ToolDelta: TypeAlias = ToolStarted | ToolProgress | ToolFinished
VoiceDelta: TypeAlias = AudioDelta | UserSaid | Interrupted
Delta: TypeAlias = TextDelta | ReasoningDelta | VoiceDelta | Notice | ToolDelta | Terminal
