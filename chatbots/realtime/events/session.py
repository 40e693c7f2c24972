"""What a session is told to be, in the words of both dialects; `null`, `false` and 0 are said."""

from __future__ import annotations

from typing import Literal, TypeAlias, TypeVar

from msgspec import UNSET, Struct, UnsetType

from chatbots.realtime.events.items import Item
from chatbots.tool_calls import CHOICES, ToolSpec, tool_choice_of

T = TypeVar("T")
Maybe: TypeAlias = T | UnsetType | None
"""A field that is left out (`UNSET`), sent as `null` (None), or sent as it is."""

IntOrInf: TypeAlias = int | Literal["inf"]
"""A number of tokens, or as many as there may be."""

JsonObject: TypeAlias = dict[str, object]


class AudioFormat(Struct, frozen=True, gc=False, kw_only=True):
    """`audio/pcm` (16 bits, little-endian, one channel), `audio/pcmu`, `audio/pcma` (G.711).

    `rate` is in Hz and of `audio/pcm` alone, where it is 24,000.
    """

    type: Maybe[str] = UNSET
    rate: Maybe[int] = UNSET


class NoiseReduction(Struct, frozen=True, gc=False, kw_only=True):
    """What the microphone is: `near_field` (a headset) or `far_field` (a room)."""

    type: Maybe[str] = UNSET
    strength: Maybe[float] = UNSET


class Transcription(Struct, frozen=True, gc=False, kw_only=True):
    """How the user's speech is written down, beside the model's own hearing."""

    model: Maybe[str] = UNSET
    language: Maybe[str] = UNSET
    languages: Maybe[tuple[str, ...]] = UNSET
    prompt: Maybe[str] = UNSET
    keywords: Maybe[tuple[str, ...]] = UNSET
    delay: Maybe[str] = UNSET


class TurnDetection(Struct, frozen=True, gc=False, kw_only=True):
    """How the server finds where the user's turn ends.

    `server_vad` hears silence: `threshold` 0 to 1, and milliseconds.
    `semantic_vad` understands: `eagerness` is `low`, `medium`, `high` or `auto`.
    """

    type: str = "server_vad"
    create_response: Maybe[bool] = UNSET
    interrupt_response: Maybe[bool] = UNSET
    threshold: Maybe[float] = UNSET
    prefix_padding_ms: Maybe[int] = UNSET
    silence_duration_ms: Maybe[int] = UNSET
    idle_timeout_ms: Maybe[int] = UNSET
    eagerness: Maybe[str] = UNSET


class AudioInput(Struct, frozen=True, gc=False, kw_only=True):
    """What the server hears. `turn_detection` None: the client says where a turn ends."""

    format: Maybe[AudioFormat] = UNSET
    noise_reduction: Maybe[NoiseReduction] = UNSET
    transcription: Maybe[Transcription] = UNSET
    turn_detection: Maybe[TurnDetection] = UNSET


class AudioOutput(Struct, frozen=True, gc=False, kw_only=True):
    """What the server says: a `voice` by its name or `{"id": ...}`, `speed` 0.25 to 1.5."""

    format: Maybe[AudioFormat] = UNSET
    voice: Maybe[str | JsonObject] = UNSET
    speed: Maybe[float] = UNSET


class Audio(Struct, frozen=True, gc=False, kw_only=True):
    """Both ways of a session's audio."""

    input: Maybe[AudioInput] = UNSET
    output: Maybe[AudioOutput] = UNSET


class Tool(Struct, frozen=True, gc=False, kw_only=True):
    """A function of ours, or an MCP server whose tools the Realtime API calls itself."""

    type: str = "function"
    name: Maybe[str] = UNSET
    description: Maybe[str] = UNSET
    parameters: object = UNSET
    server_label: Maybe[str] = UNSET
    server_url: Maybe[str] = UNSET
    server_description: Maybe[str] = UNSET
    connector_id: Maybe[str] = UNSET
    tunnel_id: Maybe[str] = UNSET
    authorization: Maybe[str] = UNSET
    headers: Maybe[dict[str, str]] = UNSET
    allowed_tools: Maybe[tuple[str, ...] | JsonObject] = UNSET
    allowed_callers: Maybe[tuple[str, ...]] = UNSET
    require_approval: Maybe[str | JsonObject] = UNSET
    defer_loading: Maybe[bool] = UNSET

    @classmethod
    def of(cls, said: object) -> Tool:
        """Return the function *said* flat, nested or bare, or as a `ToolSpec`.

        Raises `InvalidRequest` for what is no function.
        """
        spec = said if isinstance(said, ToolSpec) else ToolSpec.of(said)
        return cls(name=spec.name, description=spec.description, parameters=spec.parameters)


def choice(said: object) -> str | JsonObject:
    """Return the choice of a tool *said* in any spelling in use, as the Realtime API takes it.

    The API refuses the nested `{"type": "function", "function": {"name": ...}}` of the reference.
    Raises `InvalidRequest` for what is no choice.
    """
    chosen = tool_choice_of(said)
    return chosen if chosen in CHOICES else {"type": "function", "name": chosen}


class Manner(Struct, frozen=True, gc=False, kw_only=True):
    """How to answer: what a session and a single response can both be told.

    `output_modalities` is `["text"]` or `["audio"]`.
    `tool_choice` is `auto`, `none`, `required`, or `{"type": "function", "name": ...}`: `choice`.
    `modalities`, `voice`, `output_audio_format`, `temperature` and `max_response_output_tokens`
    are the beta dialect's words; each is sent in the words of the dialect that is spoken.
    """

    instructions: Maybe[str] = UNSET
    output_modalities: Maybe[tuple[str, ...]] = UNSET
    audio: Maybe[Audio] = UNSET
    tools: Maybe[tuple[Tool, ...]] = UNSET
    tool_choice: Maybe[str | JsonObject] = UNSET
    parallel_tool_calls: Maybe[bool] = UNSET
    max_output_tokens: Maybe[IntOrInf] = UNSET
    reasoning: Maybe[JsonObject] = UNSET
    prompt: Maybe[JsonObject] = UNSET
    modalities: Maybe[tuple[str, ...]] = UNSET
    voice: Maybe[str | JsonObject] = UNSET
    output_audio_format: Maybe[str] = UNSET
    temperature: Maybe[float] = UNSET
    max_response_output_tokens: Maybe[IntOrInf] = UNSET


class Session(Manner, frozen=True, kw_only=True):
    """A session: what a client asks for, and what a server says it is.

    `type` is `realtime` or `transcription`; `id`, `object`, `expires_at` (Unix seconds) and
    `client_secret` are the server's. A partial update leaves the rest of the session as it is.
    """

    type: Maybe[str] = UNSET
    model: Maybe[str] = UNSET
    include: Maybe[tuple[str, ...]] = UNSET
    truncation: Maybe[str | JsonObject] = UNSET
    tracing: Maybe[str | JsonObject] = UNSET
    input_audio_format: Maybe[str] = UNSET
    input_audio_transcription: Maybe[Transcription] = UNSET
    input_audio_noise_reduction: Maybe[NoiseReduction] = UNSET
    turn_detection: Maybe[TurnDetection] = UNSET
    speed: Maybe[float] = UNSET
    id: Maybe[str] = UNSET
    object: Maybe[str] = UNSET
    expires_at: Maybe[int] = UNSET
    client_secret: Maybe[JsonObject] = UNSET


class ResponseParams(Manner, frozen=True, kw_only=True):
    """What one response is told, in place of what the session was.

    `conversation` `none` keeps it out of the conversation; `input` replaces what it answers.
    """

    conversation: Maybe[str] = UNSET
    input: Maybe[tuple[Item, ...]] = UNSET
    metadata: Maybe[dict[str, str]] = UNSET
