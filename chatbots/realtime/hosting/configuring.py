"""What a session is: what it is made with, and how a partial update changes it."""

from __future__ import annotations

from typing import Any, Final, TypeAlias, TypeVar

import msgspec

from chatbots.realtime.events.session import (
    Audio,
    AudioInput,
    AudioOutput,
    Manner,
    ResponseParams,
    Session,
    Transcription,
    TurnDetection,
)

MannerT = TypeVar("MannerT", bound=Manner)
Body: TypeAlias = dict[str, Any]

_DETECTION: Final[dict[str, Body]] = {
    "server_vad": {
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 500,
        "idle_timeout_ms": None,
    },
    "semantic_vad": {"eagerness": "auto"},
}
_ALWAYS: Final = {"create_response": True, "interrupt_response": True}

DEFAULT: Final[Body] = {
    "type": "realtime",
    "object": "realtime.session",
    "instructions": "",
    "output_modalities": ["audio"],
    "audio": {
        "input": {
            "format": {"type": "audio/pcm", "rate": 24000},
            "noise_reduction": None,
            "transcription": None,
            "turn_detection": {"type": "server_vad"} | _ALWAYS | _DETECTION["server_vad"],
        },
        "output": {
            "format": {"type": "audio/pcm", "rate": 24000}, "voice": "marin", "speed": 1.0,
        },
    },
    "tools": [],
    "tool_choice": "auto",
    "max_output_tokens": "inf",
    "truncation": "auto",
    "tracing": None,
    "include": None,
    "prompt": None,
}  # fmt: skip
"""A session of which nothing was said."""

_WAYS: Final = ("input", "output")


def session_of(**said: object) -> Session:
    """Return a session as it begins, with these fields in place of the defaults."""
    return msgspec.convert(merged(DEFAULT, said), Session)


def updated(session: Session, update: Session) -> Session:
    """Return a *session* after an *update*: what that leaves out stays as it is."""
    body = merged(msgspec.to_builtins(session), msgspec.to_builtins(update))
    return msgspec.convert(body, Session)


def manner_of(session: Session, params: ResponseParams | None) -> ResponseParams:
    """Return how one response is given: as the *session* says, but for what *params* say."""
    body: Body = {
        name: value
        for name, value in msgspec.to_builtins(session).items()
        if name in Manner.__struct_fields__
    }
    return msgspec.convert(
        merged(body, msgspec.to_builtins(params or ResponseParams())), ResponseParams
    )


def heard(session: Session) -> AudioInput:
    """Return how a session hears."""
    match session:
        case Session(audio=Audio(input=AudioInput() as told)):
            return told
        case _:
            return AudioInput()


def spoken(session: Manner) -> AudioOutput:
    """Return how a session or a response sounds."""
    match session:
        case Manner(audio=Audio(output=AudioOutput() as told)):
            return told
        case _:
            return AudioOutput()


def detection_of(session: Session) -> TurnDetection | None:
    """Return how the end of the user's turn is found; None where the client says it."""
    told = heard(session).turn_detection
    return told if isinstance(told, TurnDetection) else None


def transcription_of(session: Session) -> Transcription | None:
    """Return how the user's speech is written down for the client, if it is."""
    told = heard(session).transcription
    return told if isinstance(told, Transcription) else None


def merged(body: Body, more: Body, nested: tuple[str, ...] = ("audio",)) -> Body:
    """Return *body* with what *more* says; turn detection gets what it leaves out by default."""
    both = dict(body)
    for name, value in more.items():
        if name in nested:
            below = _WAYS if name == "audio" else ()
            both[name] = merged(both.get(name) or {}, value or {}, below)
        else:
            both[name] = value
    if detection := both.get("turn_detection"):
        defaults = _ALWAYS | _DETECTION.get(detection["type"], {})
        both["turn_detection"] = defaults | detection
    return both
