"""The events that a server sends about its session, the conversation and what the user says."""

from __future__ import annotations

from msgspec import Struct

from chatbots.realtime.events.event import ServerEvent
from chatbots.realtime.events.items import Item
from chatbots.realtime.events.session import JsonObject, Session


class ApiError(Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """What went wrong; `event_id` is the id of the client's event that it is about."""

    type: str | None = None
    code: str | None = None
    message: str | None = None
    param: str | None = None
    event_id: str | None = None


class ErrorEvent(ServerEvent, frozen=True, kw_only=True, tag="error"):
    """Something went wrong. Most errors leave the session as it was."""

    error: ApiError


class RateLimit(Struct, frozen=True, gc=False, omit_defaults=True):
    """How many `requests` or `tokens` are left, and after how many seconds all are back."""

    name: str | None = None
    limit: int | None = None
    remaining: int | None = None
    reset_seconds: float | None = None


class RateLimitsUpdated(ServerEvent, frozen=True, kw_only=True, tag="rate_limits.updated"):
    """What is left, sent as a response begins; its output is already reckoned in."""

    rate_limits: tuple[RateLimit, ...]


class SessionCreated(ServerEvent, frozen=True, kw_only=True, tag="session.created"):
    """The first event of a connection: the session as it is by default."""

    session: Session


class SessionUpdated(ServerEvent, frozen=True, kw_only=True, tag="session.updated"):
    """The session as it is now."""

    session: Session


class Conversation(Struct, frozen=True, gc=False, omit_defaults=True):
    """The conversation of a session."""

    id: str | None = None
    object: str | None = None


class ConversationCreated(ServerEvent, frozen=True, kw_only=True, tag="conversation.created"):
    """The session has its conversation; not every server says so."""

    conversation: Conversation


class _ItemEvent(ServerEvent, frozen=True, kw_only=True, tag=""):
    item: Item
    previous_item_id: str | None = None


class ConversationItemCreated(
    _ItemEvent, frozen=True, kw_only=True, tag="conversation.item.created"
):
    """An item is in the conversation, after `previous_item_id`; a message may yet be growing."""


class ConversationItemAdded(
    ConversationItemCreated, frozen=True, kw_only=True, tag="conversation.item.added"
):
    """The same in the words of today."""


class ConversationItemDone(_ItemEvent, frozen=True, kw_only=True, tag="conversation.item.done"):
    """An item is whole."""


class ConversationItemRetrieved(
    ServerEvent, frozen=True, kw_only=True, tag="conversation.item.retrieved"
):
    """The item that was asked for, with all its audio."""

    item: Item


class _OfItem(ServerEvent, frozen=True, kw_only=True, tag=""):
    item_id: str


class ConversationItemDeleted(_OfItem, frozen=True, kw_only=True, tag="conversation.item.deleted"):
    """The model does not see the item any more."""


class ConversationItemTruncated(
    _OfItem, frozen=True, kw_only=True, tag="conversation.item.truncated"
):
    """The audio of the item was cut to `audio_end_ms`, and its transcript removed."""

    content_index: int | None = None
    audio_end_ms: int


class Logprob(Struct, frozen=True, gc=False, omit_defaults=True):
    """A token of a transcript, the logarithm of its probability, and its UTF-8."""

    token: str
    logprob: float
    bytes: tuple[int, ...] | None = None


class Language(Struct, frozen=True, gc=False):
    """A language that was heard, by its code."""

    code: str


class _Transcription(_OfItem, frozen=True, kw_only=True, tag=""):
    content_index: int | None = None


class ConversationItemInputAudioTranscriptionDelta(
    _Transcription,
    frozen=True,
    kw_only=True,
    tag="conversation.item.input_audio_transcription.delta",
):
    """The next piece of what the user said."""

    delta: str | None = None
    logprobs: tuple[Logprob, ...] | None = None


class ConversationItemInputAudioTranscriptionCompleted(
    _Transcription,
    frozen=True,
    kw_only=True,
    tag="conversation.item.input_audio_transcription.completed",
):
    """What the user said; it may come before its item, and after the answer to it.

    `usage` counts `tokens`, or `seconds` (its `type` is then `duration`).
    """

    transcript: str
    usage: JsonObject | None = None
    logprobs: tuple[Logprob, ...] | None = None
    languages: tuple[Language, ...] | None = None


class ConversationItemInputAudioTranscriptionFailed(
    _Transcription,
    frozen=True,
    kw_only=True,
    tag="conversation.item.input_audio_transcription.failed",
):
    """What the user said could not be written down; the model may have heard it all the same."""

    error: ApiError


class ConversationItemInputAudioTranscriptionSegment(
    _Transcription,
    frozen=True,
    kw_only=True,
    tag="conversation.item.input_audio_transcription.segment",
):
    """What one speaker said, from `start` to `end` in seconds."""

    id: str | None = None
    text: str
    speaker: str | None = None
    start: float = 0.0
    end: float = 0.0


class InputAudioBufferCommitted(
    _OfItem, frozen=True, kw_only=True, tag="input_audio_buffer.committed"
):
    """The audio so far will be the user's message `item_id`."""

    previous_item_id: str | None = None


class InputAudioBufferCleared(
    ServerEvent, frozen=True, kw_only=True, tag="input_audio_buffer.cleared"
):
    """The audio so far is forgotten."""


class InputAudioBufferSpeechStarted(
    _OfItem, frozen=True, kw_only=True, tag="input_audio_buffer.speech_started"
):
    """The user began to speak, `audio_start_ms` into all audio of the session."""

    audio_start_ms: int | None = None


class InputAudioBufferSpeechStopped(
    _OfItem, frozen=True, kw_only=True, tag="input_audio_buffer.speech_stopped"
):
    """The user's turn ended."""

    audio_end_ms: int | None = None


class InputAudioBufferTimeoutTriggered(
    _OfItem, frozen=True, kw_only=True, tag="input_audio_buffer.timeout_triggered"
):
    """The user said nothing for as long as `idle_timeout_ms`; the model speaks up."""

    audio_start_ms: int | None = None
    audio_end_ms: int | None = None


class InputAudioBufferDtmfEventReceived(
    ServerEvent, frozen=True, kw_only=True, tag="input_audio_buffer.dtmf_event_received"
):
    """The caller pressed a key, on SIP; `received_at` is in Unix seconds."""

    event: str
    received_at: int | None = None


class McpListToolsInProgress(_OfItem, frozen=True, kw_only=True, tag="mcp_list_tools.in_progress"):
    """The server asks an MCP server for its tools."""


class McpListToolsCompleted(_OfItem, frozen=True, kw_only=True, tag="mcp_list_tools.completed"):
    """It has them."""


class McpListToolsFailed(_OfItem, frozen=True, kw_only=True, tag="mcp_list_tools.failed"):
    """It could not have them."""
