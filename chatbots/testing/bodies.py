"""The JSON that OpenAI's server says, field by field.

Source: the API reference for chat completions, chat completion chunks, models and errors.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

import msgspec
from msgspec import Struct

Json: TypeAlias = dict[str, object]

FINGERPRINT: Final = "fp_c5d5e8a2b1"
OWNER: Final = "chatbots-testing"
MODEL_CREATED: Final = 1767225600


class ChatBodies(Struct, frozen=True, kw_only=True):
    """One chat completion's bodies: the whole answer, or its chunks in order.

    `created` is in seconds since 1970; `said_in` is the field that holds the text,
    `content` or `refusal`; `more` is the text of a field beside it, `obfuscation`.
    """

    id: str
    created: int
    model: str
    said_in: str = "content"
    include_usage: bool = False
    more: str = ""

    def whole(
        self, text: str, finish_reason: str | None, usage: Json, tool_calls: Sequence[Json] = ()
    ) -> Json:
        """Return a `chat.completion`."""
        message: Json = {"role": "assistant", "content": None, "refusal": None, "annotations": []}
        message[self.said_in] = text
        if tool_calls:
            message |= {"content": text or None, "tool_calls": [*tool_calls]}
        return {
            **self._head("chat.completion"),
            "choices": [
                {
                    "index": 0,
                    "message": message,
                    "logprobs": None,
                    "finish_reason": finish_reason,
                }
            ],
            "usage": usage,
        }

    def opening(self) -> Json:
        """Return the first chunk: who speaks, and nothing said."""
        delta: Json = {"role": "assistant", "content": "", "refusal": None}
        if self.said_in == "refusal":
            delta = {"role": "assistant", "content": None, "refusal": ""}
        return self.chunk(delta)

    def piece(self, text: str) -> Json:
        """Return the chunk that carries *text*."""
        return self.chunk({self.said_in: text})

    def closing(self, finish_reason: str) -> Json:
        """Return the chunk that says why the answer ends."""
        return self.chunk({}, finish_reason)

    def accounting(self, usage: Json) -> Json:
        """Return the chunk without choices that only counts tokens."""
        return {**self._head("chat.completion.chunk"), "choices": [], "usage": usage}

    def chunk(self, delta: Json, finish_reason: str | None = None) -> Json:
        """Return a `chat.completion.chunk` with this delta."""
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        chunk: Json = {**self._head("chat.completion.chunk"), "choices": [choice]}
        # With include_usage every chunk has the field, null in all but the last.
        return {**chunk, "usage": None} if self.include_usage else chunk

    def _head(self, kind: str) -> Json:
        more: Json = {"obfuscation": self.more} if self.more else {}
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "service_tier": "default",
            "system_fingerprint": FINGERPRINT,
            **more,
        }


def usage(prompt_tokens: int, completion_tokens: int) -> Json:
    """Return the `usage` of a chat completion."""
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def model(name: str) -> Json:
    """Return one entry of the list of models."""
    return {"id": name, "object": "model", "created": MODEL_CREATED, "owned_by": OWNER}


def error(fields: Mapping[str, object]) -> Json:
    """Return the body of an error response."""
    return {"error": dict(fields)}


def event(body: Json) -> bytes:
    """Return *body* as one server-sent event."""
    return b"data: " + msgspec.json.encode(body) + b"\n\n"


DONE: Final = b"data: [DONE]\n\n"


def token_like(prefix: str, number: int, length: int) -> str:
    """Return an id that looks drawn by lot, the same for the same *number* (at most 64 digits)."""
    return prefix + hashlib.sha256(f"{prefix}{number}".encode()).hexdigest()[:length]
