"""Our messages -> the request bodies of chat completions."""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

from msgspec.structs import replace

from chatbots.messages import Message, ModelRequest
from chatbots.sampling import UNSAID, Sampling
from chatbots.tool_calls import CHOICES

Body: TypeAlias = dict[str, Any]

Dialect: TypeAlias = Literal["openai", "compatible"]
"""OpenAI itself takes `max_completion_tokens`; servers that speak its API know `max_tokens`."""

_REASONING_MODELS: Final = ("o1", "o3", "o4", "gpt-5", "gpt-6")
"""OpenAI's models that refuse to be told how to pick words, by the beginning of their name."""

_REFUSED: Final = dict.fromkeys(
    ("temperature", "top_p", "frequency_penalty", "presence_penalty", "logprobs")
)


def encode_request(
    request: ModelRequest, *, model: str, default: Sampling, dialect: Dialect
) -> Body:
    """Return the body to post for *request*, for `msgspec` to encode.

    *model* is who is asked, and *default* what the bot was configured with; the request's own
    values win over that.
    """
    body: Body = {
        "model": model,
        # A plain message is written as it is: a long past costs little.
        "messages": [
            m if not (m.images or m.tool_calls or m.terms) and m.heard_ms is None else _parted(m)
            for m in request.messages
        ],
        **_sampling(request.sampling, default, model, dialect),
    }
    if request.output is not None:
        shape = request.output
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": shape.name, "schema": shape.schema, "strict": shape.strict},
        }
    if request.tools:
        body["tools"] = [{"type": "function", "function": tool} for tool in request.tools]
        if (choice := request.tool_choice) is not None:
            body["tool_choice"] = (
                choice if choice in CHOICES else {"type": "function", "function": {"name": choice}}
            )
    if request.stream:
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
    return body


def _sampling(said: Sampling, default: Sampling, model: str, dialect: Dialect) -> Body:
    if dialect == "openai" and model.startswith(_REASONING_MODELS):
        default = replace(default, **_REFUSED)
    chosen = said.over(default)
    if chosen == UNSAID:
        return {}
    # Neither None nor an empty tuple, but 0.
    body = {n: v for n in chosen.__struct_fields__ if (v := getattr(chosen, n)) not in (None, ())}
    if dialect == "openai" and "max_tokens" in body:
        body["max_completion_tokens"] = body.pop("max_tokens")
    if "logprobs" in body:
        body["logprobs"], body["top_logprobs"] = True, body["logprobs"]
    return body


def _parted(message: Message) -> Body:
    """Return a message of several parts: text, images, calls of tools; of a spoken one the text."""
    said: Body = {"role": message.role, "content": message.content or None}
    if message.images:
        text = [{"type": "text", "text": message.content}] if message.content else []
        said["content"] = [*text, *({"type": "image_url", "image_url": i} for i in message.images)]
    if message.tool_calls:
        said["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in message.tool_calls
        ]
    return said
