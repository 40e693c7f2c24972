"""What a client may say: a session, a response and an item are checked before they are taken."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final, TypeAlias

import msgspec

from chatbots.realtime.events import client
from chatbots.realtime.events.beta import GONE, NEW, PLACES, translate
from chatbots.realtime.events.event import BETA, GA, ClientEvent, Dialect
from chatbots.realtime.events.items import MAX_ITEM_ID, Item
from chatbots.realtime.events.registry import CLIENT, read_client
from chatbots.realtime.events.session import ResponseParams, Session
from chatbots.realtime.events.unknown import UnknownEvent
from chatbots.realtime.hosting.refusal import Refusal, missing, not_read, unknown
from chatbots.realtime.names import AUDIO_FORMATS
from chatbots.tool_calls import CHOICES

Body: TypeAlias = dict[str, Any]

_OURS: Final = {"id", "object", "expires_at", "client_secret"}
"""What the server says of a session, and nobody else."""
_MODALITIES: Final[dict[Dialect, tuple[set[str], ...]]] = {
    GA: ({"text"}, {"audio"}),
    BETA: ({"text"}, {"audio", "text"}),
}
_CONTENT: Final = {
    "user": ("input_text", "input_audio", "input_image"),
    "system": ("input_text",),
    "assistant": ("output_text", "output_audio"),
}
_NEEDED: Final = {
    "message": ("role", "content"),
    "function_call": ("name", "arguments"),
    "function_call_output": ("call_id", "output"),
    "mcp_approval_response": ("approval_request_id", "approve"),
}
_WAYS: Final = ("server_vad", "semantic_vad")


def read(frame: bytes | str, dialect: Dialect) -> ClientEvent:
    """Return a client's event in the words of today; raises `Refusal` for what no server takes.

    Raises `ProviderError` for what is no JSON.
    """
    event = read_client(frame)
    if isinstance(event, UnknownEvent):
        raise not_read(event, CLIENT)
    if isinstance(event, client.SessionUpdate):
        told = _told(frame, "session", Session, dialect)
        if dialect == GA and "type" not in told:
            raise missing("session.type")
        _check_manner(told, "session", dialect)
    elif isinstance(event, client.ResponseCreate) and event.response is not None:
        _check_manner(_told(frame, "response", ResponseParams, dialect), "response", dialect)
    elif isinstance(event, client.ConversationItemCreate):
        _check_item(event.item, dialect)
    if dialect == BETA:
        return msgspec.convert(translate(msgspec.to_builtins(event), GA), type(event))
    return event


def _told(
    frame: bytes | str, name: str, kind: type[Session | ResponseParams], dialect: Dialect
) -> Body:
    """Return what is told of a session or a response; raises `Refusal` for a field there is not."""
    told: Body = json.loads(frame)[name]  # it takes half a surrogate pair, as read_client does
    others = {*PLACES, *GONE} if dialect == GA else {*NEW, *(way[0] for way in PLACES.values())}
    for field in told:
        if field not in kind.__struct_fields__ or field in others | _OURS:
            raise unknown(f"{name}.{field}")
    return told


def _check_manner(told: Body, name: str, dialect: Dialect) -> None:
    """Raise `Refusal` for a value that the API refuses."""
    field = "output_modalities" if dialect == GA else "modalities"
    if (said := told.get(field)) is not None and set(said) not in _MODALITIES[dialect]:
        pairs = " and ".join(str(sorted(pair)) for pair in _MODALITIES[dialect])
        raise Refusal(
            f"Invalid modalities: {said}. Supported combinations are: {pairs}.",
            param=f"{name}.{field}",
        )
    for place, tool in enumerate(told.get("tools") or ()):
        if tool.get("type", "function") == "function" and "name" not in tool:
            raise missing(f"{name}.tools[{place}].name")
    match told.get("tool_choice"):
        case str(word) if word not in CHOICES:
            raise _not_one(word, CHOICES, f"{name}.tool_choice")
        case {"type": "function", **rest} if "name" not in rest:
            raise missing(f"{name}.tool_choice.name")
        case _:
            pass
    limit = told.get("max_output_tokens", told.get("max_response_output_tokens", "inf"))
    if limit not in ("inf", None) and not 1 <= limit <= 4096:
        param = f"{name}.max_output_tokens"
        way, what, bound = ("below_min", "minimum", ">= 1")
        if limit > 1:
            way, what, bound = ("above_max", "maximum", "<= 4096")
        raise Refusal(
            f"Invalid '{param}': integer {way[:5]} {what} value. "
            f"Expected a value {bound}, but got {limit} instead.",
            f"integer_{way}_value",
            param,
        )
    _check_audio(translate({"type": "", "session": dict(told)}, GA)["session"], name)


def _check_audio(told: Body, name: str) -> None:
    audio: Body = told.get("audio") or {}
    for way in ("input", "output"):
        spoken: Body = audio.get(way) or {}
        sound: Body = spoken.get("format") or {}
        if (kind := sound.get("type", AUDIO_FORMATS[0])) not in AUDIO_FORMATS:
            raise _not_one(kind, AUDIO_FORMATS, f"{name}.audio.{way}.format.type")
    heard: Body = audio.get("input") or {}
    detection: Body = heard.get("turn_detection") or {}
    if (kind := detection.get("type", _WAYS[0])) not in _WAYS:
        raise _not_one(kind, _WAYS, f"{name}.audio.input.turn_detection.type")


def _check_item(item: Item, dialect: Dialect) -> None:
    """Raise `Refusal` for an item that no client can make."""
    if item.type is None:
        raise missing("item.type")
    if item.type not in _NEEDED:
        raise _not_one(item.type, _NEEDED, "item.type")
    for field in _NEEDED[item.type]:
        if getattr(item, field) is None:
            raise missing(f"item.{field}")
    if len(item.id or "") > MAX_ITEM_ID:
        raise Refusal(
            "Invalid 'item.id': string too long. Expected a string with maximum length "
            f"{MAX_ITEM_ID}, but got a string with length {len(item.id or '')} instead.",
            "string_above_max_length",
            "item.id",
        )
    if item.type == "message":
        _check_content(item, dialect)


def _check_content(item: Item, dialect: Dialect) -> None:
    kinds = _CONTENT.get(item.role or "")
    if kinds is None:
        raise _not_one(item.role, _CONTENT, "item.role")
    if dialect == BETA and item.role == "assistant":
        kinds = ("text",)
    for place, part in enumerate(item.content or ()):
        if part.type not in kinds:
            raise _not_one(part.type, kinds, f"item.content[{place}].type")


def _not_one(said: object, known: Iterable[str], param: str) -> Refusal:
    names = ", ".join(f"'{name}'" for name in known)
    return Refusal(f"Invalid value: '{said}'. Supported values are: {names}.", param=param)
