"""Our messages <-> request and response bodies of chat completions.

Lenient in what it reads: compatible servers leave out, repeat and null almost any field.
Strict in what it makes of it: an answer without a finish reason is not an answer.
"""

from __future__ import annotations

import json
from typing import Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Struct

from chatbots.joined import Joined
from chatbots.messages import ModelAnswer, ModelRequest, Usage
from chatbots.sampling import Sampling

Body: TypeAlias = dict[str, Any]

Dialect: TypeAlias = Literal["openai", "compatible"]
"""OpenAI itself takes `max_completion_tokens`; servers that speak its API know `max_tokens`."""

INCOMPLETE: Final = frozenset({"length", "content_filter"})
"""Finish reasons that mean the answer was cut; any other means the model had finished."""

_REASONING_MODELS: Final = ("o1", "o3", "o4", "gpt-5", "gpt-6")
"""OpenAI's models that refuse `temperature` unless it is 1, by the beginning of their name."""


class _Delta(Struct, gc=False):
    content: str | None = None
    refusal: str | None = None


class _Choice(Struct, gc=False):
    delta: _Delta | None = None
    message: _Delta | None = None
    finish_reason: str | None = None
    index: int | None = 0


class _Usage(Struct, gc=False):
    prompt_tokens: int | None = 0
    completion_tokens: int | None = 0
    total_tokens: int | None = 0


class _Error(Struct, gc=False):
    message: str | None = None
    code: str | int | None = None
    type: str | None = None


class Completion(Struct, gc=False):
    """A chunk of a streamed answer, or a whole one: the fields that matter."""

    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: _Error | str | None = None

    @property
    def failure(self) -> _Error | None:
        """The error that the server sent in place of an answer."""
        return _Error(message=self.error) if isinstance(self.error, str) else self.error

    @property
    def text(self) -> str:
        """What it adds to the answer. A refusal is an answer."""
        for choice in self.choices or ():
            part = choice.delta or choice.message
            if part is not None and not choice.index:
                return (part.content or "") + (part.refusal or "")
        return ""

    @property
    def finish_reason(self) -> str | None:
        """Why the model stopped, once it has."""
        for choice in self.choices or ():
            if choice.finish_reason and not choice.index:
                return choice.finish_reason
        return None

    @property
    def counted(self) -> Usage | None:
        """The tokens the server counted, where it says so."""
        if self.usage is None:
            return None
        read, written = self.usage.prompt_tokens or 0, self.usage.completion_tokens or 0
        return Usage(read, written, self.usage.total_tokens or read + written)


_decoder: Final = msgspec.json.Decoder(Completion)


def decode(data: bytes) -> Completion:
    """Return the completion in *data*; raises `ValueError` (`msgspec.MsgspecError`) for none.

    Text that is not Unicode (lone surrogates, written as JSON escapes) gets U+FFFD in its place.
    """
    try:
        return _decoder.decode(data)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        if b"\\ud" not in data.lower():
            raise
        return _decoder.decode(_mend_surrogates(data))
    except RecursionError:
        raise ValueError("The JSON is nested too deeply.") from None


def _mend_surrogates(data: bytes) -> bytes:
    text = json.dumps(json.loads(data), ensure_ascii=False)
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()


def encode_request(
    request: ModelRequest, *, model: str, default: Sampling, dialect: Dialect
) -> Body:
    """Return the body to post for *request*.

    *default* is what the bot was configured with; the request's own values win.
    """
    body: Body = {
        "model": request.model or model,
        "messages": [{"role": m.role, "content": m.content} for m in request.messages],
        **_sampling(request, default, request.model or model, dialect),
    }
    if request.stream:
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
    return body


def _sampling(request: ModelRequest, default: Sampling, model: str, dialect: Dialect) -> Body:
    chosen = request.sampling.over(default)
    limit = "max_completion_tokens" if dialect == "openai" else "max_tokens"
    body: Body = {}
    if chosen.max_tokens is not None:
        body[limit] = chosen.max_tokens
    refuses = dialect == "openai" and model.startswith(_REASONING_MODELS)
    if chosen.temperature is not None and not (refuses and request.sampling.temperature is None):
        body["temperature"] = chosen.temperature
    return body


class Answer:
    """What the chunks of one answer add up to."""

    def __init__(self) -> None:
        self._text = Joined()
        self._finish_reason: str | None = None
        self._usage: Usage | None = None

    @property
    def finished(self) -> bool:
        """Whether a finish reason has come: without one an answer is not whole."""
        return self._finish_reason is not None

    def add(self, part: Completion) -> str:
        """Take in the next part and return its text; what comes after the end is ignored."""
        if part.usage is not None:
            self._usage = part.counted
        if self._finish_reason is not None:
            return ""
        self._finish_reason = part.finish_reason
        text = part.text
        self._text.add(text)
        return text

    def result(self) -> ModelAnswer:
        """Return the whole answer; raises `ValueError` if it is not finished."""
        reason = self._finish_reason
        if reason is None:
            raise ValueError("The answer has no finish reason.")
        return ModelAnswer(
            text=self._text.text,
            state="incomplete" if reason in INCOMPLETE else "completed",
            reason=reason,
            usage=self._usage,
        )
