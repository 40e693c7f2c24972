"""The events that a server sends of a response: the answer as it forms, and its end."""

from __future__ import annotations

from base64 import b64decode

from msgspec import Struct

from chatbots.errors import ProviderError
from chatbots.realtime.events.event import ServerEvent
from chatbots.realtime.events.items import ContentPart, Item
from chatbots.realtime.events.session import Audio, IntOrInf


class CachedTokens(Struct, frozen=True, gc=False, omit_defaults=True):
    """Of the tokens that the server knew already, how many were what."""

    text_tokens: int | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None


class TokenDetails(CachedTokens, frozen=True, gc=False, omit_defaults=True):
    """How many of the tokens were what."""

    cached_tokens: int | None = None
    cached_tokens_details: CachedTokens | None = None


class ResponseUsage(Struct, frozen=True, gc=False, omit_defaults=True):
    """Tokens that a response cost."""

    total_tokens: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_token_details: TokenDetails | None = None
    output_token_details: TokenDetails | None = None


class ResponseFailure(Struct, frozen=True, gc=False, omit_defaults=True):
    """Why a response failed."""

    type: str | None = None
    code: str | None = None
    message: str | None = None


class ResponseStatus(Struct, frozen=True, gc=False, omit_defaults=True):
    """Why a response ended: `turn_detected`, `client_cancelled`, `max_output_tokens`, ..."""

    type: str | None = None
    reason: str | None = None
    error: ResponseFailure | None = None


class Response(Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """A response; `status` is `in_progress` until it is how the response ended.

    `completed`, `cancelled`, `incomplete` or `failed`, for the reason in `status_details`.
    `modalities`, `voice`, `output_audio_format` and `temperature` are the beta dialect's.
    """

    id: str | None = None
    object: str | None = None
    status: str | None = None
    status_details: ResponseStatus | None = None
    output: tuple[Item, ...] | None = None
    usage: ResponseUsage | None = None
    conversation_id: str | None = None
    metadata: dict[str, str] | None = None
    output_modalities: tuple[str, ...] | None = None
    max_output_tokens: IntOrInf | None = None
    audio: Audio | None = None
    modalities: tuple[str, ...] | None = None
    voice: str | None = None
    output_audio_format: str | None = None
    temperature: float | None = None

    @property
    def output_text(self) -> str:
        """All that is said in it, transcripts included; empty for a call of a function."""
        return "".join(item.text for item in self.output or ())


class ResponseCreated(ServerEvent, frozen=True, kw_only=True, tag="response.created"):
    """A response has begun."""

    response: Response


class ResponseDone(ServerEvent, frozen=True, kw_only=True, tag="response.done"):
    """A response has ended, however it did; it has all its items, without their audio."""

    response: Response


class _OfOutput(ServerEvent, frozen=True, kw_only=True, tag=""):
    response_id: str | None = None
    output_index: int | None = None


class _OutputItem(_OfOutput, frozen=True, kw_only=True, tag=""):
    item: Item


class ResponseOutputItemAdded(
    _OutputItem, frozen=True, kw_only=True, tag="response.output_item.added"
):
    """The response has another item, which will grow."""


class ResponseOutputItemDone(
    _OutputItem, frozen=True, kw_only=True, tag="response.output_item.done"
):
    """An item of the response is whole, or was cut."""


class _Growing(_OfOutput, frozen=True, kw_only=True, tag=""):
    """What is said of an item while it grows."""

    item_id: str | None = None


class _Part(_Growing, frozen=True, kw_only=True, tag=""):
    content_index: int | None = None


class ResponseContentPartAdded(_Part, frozen=True, kw_only=True, tag="response.content_part.added"):
    """A message has another part, which will grow."""

    part: ContentPart


class ResponseContentPartDone(_Part, frozen=True, kw_only=True, tag="response.content_part.done"):
    """A part of a message is whole, or was cut."""

    part: ContentPart


class ResponseTextDelta(_Part, frozen=True, kw_only=True, tag="response.output_text.delta"):
    """The next piece of text."""

    delta: str


class ResponseTextDone(_Part, frozen=True, kw_only=True, tag="response.output_text.done"):
    """A text is whole, or was cut."""

    text: str


class ResponseAudioTranscriptDelta(
    _Part, frozen=True, kw_only=True, tag="response.output_audio_transcript.delta"
):
    """The next piece of what the audio says."""

    delta: str


class ResponseAudioTranscriptDone(
    _Part, frozen=True, kw_only=True, tag="response.output_audio_transcript.done"
):
    """What the audio says is whole, or was cut."""

    transcript: str


class ResponseAudioDelta(_Part, frozen=True, kw_only=True, tag="response.output_audio.delta"):
    """The next piece of audio; `delta` is as it came, base64, until it is asked for."""

    delta: str

    @property
    def audio(self) -> bytes:
        """The audio, decoded now, in the session's output format; raises `ProviderError`."""
        try:
            return b64decode(self.delta, validate=True)
        except ValueError as error:
            raise ProviderError(
                "upstream_bad_response", f"A piece of audio of the server is not base64: {error}."
            ) from error


class ResponseAudioDone(_Part, frozen=True, kw_only=True, tag="response.output_audio.done"):
    """An audio is whole, or was cut."""


class ResponseFunctionCallArgumentsDelta(
    _Growing, frozen=True, kw_only=True, tag="response.function_call_arguments.delta"
):
    """The next piece of the arguments of a call."""

    call_id: str | None = None
    delta: str


class ResponseFunctionCallArgumentsDone(
    _Growing, frozen=True, kw_only=True, tag="response.function_call_arguments.done"
):
    """The arguments of a call are whole, or were cut; a server may leave the `name` to the item."""

    call_id: str | None = None
    name: str | None = None
    arguments: str


class ResponseMcpCallArgumentsDelta(
    _Growing, frozen=True, kw_only=True, tag="response.mcp_call_arguments.delta"
):
    """The next piece of the arguments of a call that the server makes."""

    delta: str
    obfuscation: str | None = None


class ResponseMcpCallArgumentsDone(
    _Growing, frozen=True, kw_only=True, tag="response.mcp_call_arguments.done"
):
    """The arguments of a call that the server makes are whole."""

    arguments: str


class ResponseMcpCallInProgress(
    _Growing, frozen=True, kw_only=True, tag="response.mcp_call.in_progress"
):
    """The server calls a tool of an MCP server."""


class ResponseMcpCallCompleted(
    _Growing, frozen=True, kw_only=True, tag="response.mcp_call.completed"
):
    """The tool has answered."""


class ResponseMcpCallFailed(_Growing, frozen=True, kw_only=True, tag="response.mcp_call.failed"):
    """The tool has failed."""


class OutputAudioBufferStarted(
    ServerEvent, frozen=True, kw_only=True, tag="output_audio_buffer.started"
):
    """The server began to play a response, on WebRTC and SIP."""

    response_id: str | None = None


class OutputAudioBufferStopped(
    ServerEvent, frozen=True, kw_only=True, tag="output_audio_buffer.stopped"
):
    """The server has played all of a response, on WebRTC and SIP."""

    response_id: str | None = None


class OutputAudioBufferCleared(
    ServerEvent, frozen=True, kw_only=True, tag="output_audio_buffer.cleared"
):
    """The server stopped playing a response, on WebRTC and SIP."""

    response_id: str | None = None


ResponseOutputTextDelta = ResponseTextDelta
ResponseOutputTextDone = ResponseTextDone
ResponseOutputAudioDelta = ResponseAudioDelta
ResponseOutputAudioDone = ResponseAudioDone
ResponseOutputAudioTranscriptDelta = ResponseAudioTranscriptDelta
ResponseOutputAudioTranscriptDone = ResponseAudioTranscriptDone
