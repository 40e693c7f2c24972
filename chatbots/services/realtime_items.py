"""A request to a chat model in the words of a realtime session, and its answer back from there."""

from __future__ import annotations

import binascii
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec
from msgspec import UNSET, Struct
from msgspec.structs import replace

from chatbots.deltas import AudioDelta
from chatbots.errors import InvalidRequest
from chatbots.messages import Message, ModelAnswer, ModelRequest, Usage
from chatbots.realtime.audio import RATE
from chatbots.realtime.events.items import (
    ContentPart,
    Item,
    assistant_text,
    function_call,
    function_output,
    system_text,
)
from chatbots.realtime.events.responses import ResponseAudioDelta, ResponseUsage
from chatbots.realtime.events.session import ResponseParams, Session, Tool, choice
from chatbots.realtime.outcomes import Ended
from chatbots.tool_calls import ToolCall

_REASONS: Final = {"max_output_tokens": "length"}
"""Why a response is incomplete -> what a chat completion calls it."""

_SAID: Final = frozenset({"max_tokens", "reasoning_effort"})
"""What of `Sampling` a realtime session can be told."""


class Asked(Struct, frozen=True):
    """A request in two: what the session is told at its beginning, and the conversation."""

    model: str | None
    instructions: str
    tools: tuple[Tool, ...]
    messages: tuple[Message, ...]

    @classmethod
    def of(cls, request: ModelRequest) -> Asked:
        """Take *request* apart; raises `InvalidRequest` for what no realtime session can do."""
        sampling = request.sampling
        for name in sampling.__struct_fields__:
            if name not in _SAID and getattr(sampling, name) is not None:
                raise InvalidRequest(
                    "invalid_request",
                    f"A realtime session cannot be told the {name}.",
                    hint="Leave it out, or ask a bot that streams.",
                    param=name,
                )
        first = next((n for n, m in enumerate(request.messages) if m.role != "system"), 0)
        return cls(
            model=request.model,
            instructions="\n\n".join(message.content for message in request.messages[:first]),
            tools=tuple(Tool.of(spec) for spec in request.tools),
            messages=request.messages[first:],
        )

    @property
    def session(self) -> Session:
        """How the session is to be."""
        return Session(
            instructions=self.instructions or UNSET,
            output_modalities=("text",),
            tools=self.tools or UNSET,
        )

    def since(self, told: Asked) -> tuple[Message, ...] | None:
        """Return what is new since *told*; None where a session that was told that must not go on.

        Its beginning may be missing here: a session sees further back than a request.
        """
        if (self.model, self.instructions, self.tools) != (
            told.model,
            told.instructions,
            told.tools,
        ):
            return None
        if not told.messages:
            return self.messages
        for known in range(min(len(told.messages), len(self.messages)), 0, -1):
            if told.messages[-known:] == self.messages[:known]:
                return self.messages[known:]
        return None

    def and_said(self, answer: Message) -> Asked:
        """Return what a session knows that has answered, or begun to."""
        if not (answer.content or answer.tool_calls):
            return self
        return replace(self, messages=(*self.messages, answer))


def params_of(request: ModelRequest) -> ResponseParams | None:
    """Return what one response is told beside what its session was; None for nothing."""
    sampling, shape = request.sampling, request.output
    effort = sampling.reasoning_effort
    params = ResponseParams(
        max_output_tokens=sampling.max_tokens or UNSET,
        reasoning={"effort": effort} if effort else UNSET,
        tool_choice=UNSET if request.tool_choice is None else choice(request.tool_choice),
        instructions=UNSET if shape is None else _demand(request, shape.schema),
    )
    return None if params == ResponseParams() else params


def _demand(request: ModelRequest, schema: object) -> str:
    wish = f"Answer with nothing but JSON that fits this schema: {_json(schema)}"
    return "\n\n".join(filter(None, (Asked.of(request).instructions, wish)))


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def items_of(messages: Iterable[Message]) -> Iterator[Item]:
    """Yield the items that tell a session what was said in *messages*."""
    for message in messages:
        match message.role:
            case "user":
                yield Item(type="message", role="user", content=tuple(_parts(message)))
            case "assistant":
                if message.content:
                    yield assistant_text(message.content)
                for call in message.tool_calls:
                    yield function_call(call.id, call.name, call.arguments)
            case "tool":
                yield function_output(message.tool_call_id or "", message.content)
            case _:
                yield system_text(message.content)


def _parts(message: Message) -> Iterator[ContentPart]:
    if message.content:
        yield ContentPart(type="input_text", text=message.content)
    for image in message.images:
        yield ContentPart(type="input_image", image_url=image.url, detail=image.detail)


def answer_of(ended: Ended, text: str, calls: Sequence[ToolCall], model: str | None) -> ModelAnswer:
    """Return how a response *ended* as the answer of a chat model, with the *text* that came."""
    incomplete = ended.state == "incomplete"
    reason = ended.reason or "length" if incomplete else "tool_calls" if calls else "stop"
    return ModelAnswer(
        text=text,
        state="incomplete" if incomplete else "completed",
        reason=_REASONS.get(reason, reason),
        usage=None if ended.usage is None else _usage(ended.usage),
        tool_calls=tuple(calls),
        model=model,
    )


def sound_of(event: ResponseAudioDelta) -> AudioDelta | None:
    """Return a piece of sound; None where it is none: it is not worth the answer."""
    try:
        pcm = binascii.a2b_base64(event.delta, strict_mode=True)
    except binascii.Error:
        return None
    return AudioDelta(event.item_id or "", pcm, RATE) if pcm and len(pcm) % 2 == 0 else None


def _usage(told: ResponseUsage) -> Usage:
    read, written = told.input_tokens or 0, told.output_tokens or 0
    details = told.input_token_details
    return Usage(
        input_tokens=read,
        output_tokens=written,
        total_tokens=told.total_tokens or read + written,
        cached_tokens=details.cached_tokens or 0 if details else 0,
    )
