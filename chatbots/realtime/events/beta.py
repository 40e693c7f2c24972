"""The beta dialect: six other names of events, and other places for what a session is told.

Everything else is the same in both, so one class serves an event of either name:
`isinstance(event, ResponseTextDelta)` holds for `response.text.delta` too.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import msgspec

from chatbots.errors import InvalidRequest
from chatbots.realtime.events import responses
from chatbots.realtime.events.event import BETA, GA, Dialect
from chatbots.realtime.events.server import SessionUpdated
from chatbots.realtime.events.session import Session

Body: TypeAlias = dict[str, Any]
"""An event or a part of one, about to be JSON."""


class BetaResponseTextDelta(
    responses.ResponseTextDelta, frozen=True, kw_only=True, tag="response.text.delta"
):
    """The next piece of text."""


class BetaResponseTextDone(
    responses.ResponseTextDone, frozen=True, kw_only=True, tag="response.text.done"
):
    """A text is whole, or was cut."""


class BetaResponseAudioDelta(
    responses.ResponseAudioDelta, frozen=True, kw_only=True, tag="response.audio.delta"
):
    """The next piece of audio."""


class BetaResponseAudioDone(
    responses.ResponseAudioDone, frozen=True, kw_only=True, tag="response.audio.done"
):
    """An audio is whole, or was cut."""


class BetaResponseAudioTranscriptDelta(
    responses.ResponseAudioTranscriptDelta,
    frozen=True,
    kw_only=True,
    tag="response.audio_transcript.delta",
):
    """The next piece of what the audio says."""


class BetaResponseAudioTranscriptDone(
    responses.ResponseAudioTranscriptDone,
    frozen=True,
    kw_only=True,
    tag="response.audio_transcript.done",
):
    """What the audio says is whole, or was cut."""


class TranscriptionSessionUpdated(
    SessionUpdated, frozen=True, kw_only=True, tag="transcription_session.updated"
):
    """The session that only transcribes, as it is now."""


GA_NAMES: Final = {
    "response.text.delta": "response.output_text.delta",
    "response.text.done": "response.output_text.done",
    "response.audio.delta": "response.output_audio.delta",
    "response.audio.done": "response.output_audio.done",
    "response.audio_transcript.delta": "response.output_audio_transcript.delta",
    "response.audio_transcript.done": "response.output_audio_transcript.done",
}
"""What the beta dialect calls otherwise -> its name today."""

ONLY: Final = frozenset({*GA_NAMES, "transcription_session.updated"})
"""The names that only servers of the beta dialect use."""

BETA_NAMES: Final = {ga: beta for beta, ga in GA_NAMES.items()} | {
    "conversation.item.added": "conversation.item.created"
}
"""The names of today -> what the beta dialect says; of an item it says no more than this."""

_LIMIT: Final = "max_response_output_tokens"
PLACES: Final = {
    "modalities": ("output_modalities",),
    _LIMIT: ("max_output_tokens",),
    "input_audio_format": ("audio", "input", "format"),
    "input_audio_transcription": ("audio", "input", "transcription"),
    "input_audio_noise_reduction": ("audio", "input", "noise_reduction"),
    "turn_detection": ("audio", "input", "turn_detection"),
    "output_audio_format": ("audio", "output", "format"),
    "voice": ("audio", "output", "voice"),
    "speed": ("audio", "output", "speed"),
}
"""The beta dialect's flat field -> where it is today."""

_FORMATS: Final[dict[str, Body]] = {
    "pcm16": {"type": "audio/pcm", "rate": 24000},
    "g711_ulaw": {"type": "audio/pcmu"},
    "g711_alaw": {"type": "audio/pcma"},
}
_FORMAT_NAMES: Final = {body["type"]: name for name, body in _FORMATS.items()}

GONE: Final = ("temperature", "client_secret")
"""What a session is not told any more."""
NEW: Final = ("type", "reasoning", "truncation", "include", "prompt", "parallel_tool_calls")
"""What a session was not told yet."""

_PART_TYPES: Final = {
    "assistant": {"text": "output_text", "audio": "output_audio"},
    "user": {"text": "input_text", "audio": "input_audio"},
    "system": {"text": "input_text"},
}
"""Who speaks -> what the types `text` and `audio` of a part are today."""


def translate(body: Body, dialect: Dialect) -> Body:
    """Return an event's *body* in the words of *dialect*, whichever it was in; changes *body*.

    What the dialect has no words for is left out.
    Raises `InvalidRequest` where that is the session itself, which only transcribes.
    """
    names = GA_NAMES if dialect == GA else BETA_NAMES
    kind = body["type"] = names.get(body["type"], body["type"])
    items = [body["item"]] if "item" in body else []
    for part in {"session", "response"} & body.keys():
        told = manner(body[part], dialect)
        if part == "session" and dialect == BETA and told.get("type") == "transcription":
            raise InvalidRequest(
                "invalid_request",
                "The beta dialect knows no sessions that only transcribe.",
                hint="Speak today's dialect, or let a session transcribe its input.",
                param="session.type",
            )
        for name in GONE if dialect == GA else NEW:
            told.pop(name, None)
        items += [*(told.get("input") or ()), *(told.get("output") or ())]
        if part == "session" and dialect == GA:
            told.setdefault("type", "realtime")
        if part == "response" and kind != "response.create" and _LIMIT in told:
            told["max_output_tokens"] = told.pop(_LIMIT)  # a response always called it so
    for item in items:
        _retype(item, dialect)
    return body


def manner(told: Body, dialect: Dialect) -> Body:
    """Return what a session or a response is *told* where *dialect* has it; changes *told*.

    Said in both ways, the way of *dialect* wins.
    """
    if dialect == GA:
        for flat, path in PLACES.items():
            if flat in told:
                _put(told, path, _today(flat, told.pop(flat)))
        return told
    for flat, path in PLACES.items():
        if path[-1] in (holder := _holder(told, path)):
            told.setdefault(flat, _before(flat, holder[path[-1]]))
    for name in {path[0] for path in PLACES.values()}:
        told.pop(name, None)
    return told


def in_ga(session: Session) -> Session:
    """Return a *session* with everything where it is today."""
    return msgspec.convert(manner(msgspec.to_builtins(session), GA), Session)


def _holder(told: Body, path: tuple[str, ...]) -> Body:
    """Return the object that *path* ends in, or an empty one."""
    for name in path[:-1]:
        told = told.get(name) or {}
    return told


def _put(told: Body, path: tuple[str, ...], value: object) -> None:
    for name in path[:-1]:
        told[name] = told = told.get(name) or {}
    told.setdefault(path[-1], value)


def _today(flat: str, value: Any) -> Any:
    if flat.endswith("_format") and value is not None:
        return _FORMATS.get(value, {"type": value})
    # Today's answers are text, or audio with its transcript.
    return ["audio"] if flat == "modalities" and "audio" in (value or ()) else value


def _before(flat: str, value: Any) -> Any:
    if flat.endswith("_format") and value:
        return _FORMAT_NAMES.get(value.get("type"), value.get("type"))
    if flat == "turn_detection" and value:
        value.pop("idle_timeout_ms", None)
    return ["audio", "text"] if flat == "modalities" and "audio" in (value or ()) else value


def _retype(item: Body, dialect: Dialect) -> None:
    types = _PART_TYPES.get(item.get("role", ""), {})
    if dialect == BETA:
        # The beta dialect differs in what the assistant says alone.
        types = {ga: beta for beta, ga in types.items()} if item.get("role") == "assistant" else {}
    for part in item.get("content") or ():
        if "type" in part:
            part["type"] = types.get(part["type"], part["type"])
