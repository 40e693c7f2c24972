"""The response bodies of chat completions -> what the model answered.

Lenient in what it reads: compatible servers leave out, repeat and null almost any field.
Strict in what it makes of it: an answer without a finish reason is not an answer.
"""

from __future__ import annotations

import json
from typing import Final, Literal

import msgspec
from msgspec import Struct

from chatbots.joined import Joined
from chatbots.messages import REFUSAL, ModelAnswer, TokenLogprob, Usage
from chatbots.provider.calls import Called, Calls

INCOMPLETE: Final = frozenset({"length", "content_filter"})
"""Finish reasons that mean the answer was cut; any other means the model had finished."""


class _Delta(Struct, gc=False):
    content: str | None = None
    refusal: str | None = None
    # DeepSeek, vLLM and llama.cpp say the first, OpenRouter and newer vLLM the second.
    reasoning_content: str | None = None
    reasoning: object = None
    tool_calls: list[Called] | None = None


class _Likely(Struct, gc=False):
    token: str = ""
    logprob: float | None = None
    top_logprobs: list[_Likely] | None = None


class _Logprobs(Struct, gc=False):
    content: list[_Likely] | None = None


class _Choice(Struct, gc=False):
    delta: _Delta | None = None
    message: _Delta | None = None
    finish_reason: str | None = None
    index: int | None = 0
    logprobs: _Logprobs | None = None


class _Details(Struct, gc=False):
    cached_tokens: int | None = 0
    reasoning_tokens: int | None = 0


class _Usage(Struct, gc=False):
    prompt_tokens: int | None = 0
    completion_tokens: int | None = 0
    total_tokens: int | None = 0
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None

    @property
    def counted(self) -> Usage:
        read, written = self.prompt_tokens or 0, self.completion_tokens or 0
        known, thought = self.prompt_tokens_details, self.completion_tokens_details
        return Usage(
            read,
            written,
            self.total_tokens or read + written,
            cached_tokens=(known.cached_tokens if known else 0) or 0,
            reasoning_tokens=(thought.reasoning_tokens if thought else 0) or 0,
        )


class Failure(Struct, gc=False):
    """The error that a server sent in place of an answer."""

    message: str | None = None
    code: str | int | None = None
    type: str | None = None


class Completion(Struct, gc=False):
    """A chunk of a streamed answer, or a whole one: the fields that matter."""

    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: Failure | str | None = None
    model: str | None = None

    @property
    def failure(self) -> Failure | None:
        """The error that the server sent in place of an answer."""
        return Failure(message=self.error) if isinstance(self.error, str) else self.error


class _Words(Struct, gc=False):
    content: str
    refusal: None = None
    reasoning_content: None = None
    reasoning: None = None
    tool_calls: None = None


class _OnlyChoice(Struct, gc=False):
    delta: _Words
    finish_reason: None = None
    index: Literal[0] = 0
    logprobs: None = None


class _Talk(Struct, gc=False):
    choices: tuple[_OnlyChoice]
    usage: None = None
    error: None = None


talk: Final = msgspec.json.Decoder(_Talk).decode
"""As `decode`, for a chunk that has text and nothing else that matters, as most have.

Raises `ValueError` or `RecursionError` for any other."""

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


class Answer:
    """What the chunks of one answer add up to.

    *said* is where its text comes to stand once it is shown; else it is kept here.
    """

    def __init__(self, said: Joined | None = None) -> None:
        self.reasoning = ""
        """What the model thought in the parts since it was last taken."""
        self.called = False
        """Whether pieces of tool calls have come."""
        self.talks = False
        """Whether it has begun and not finished: most of what comes then is `talk`."""
        self.own = said is None
        """Whether `say` has something to do."""
        self._said = said or Joined()
        self._start = self._said.size
        self._calls = Calls()
        self._logprobs: list[TokenLogprob] = []
        self._finish_reason: str | None = None
        self._usage: _Usage | None = None
        self._model: str | None = None
        self._refused = False

    @property
    def finished(self) -> bool:
        """Whether a finish reason has come: without one an answer is not whole."""
        return self._finish_reason is not None

    def add(self, part: Completion) -> str:
        """Take in the next part and return its text; what comes after the end is ignored.

        A refusal is an answer. Raises `ArgumentsTooLong`.
        """
        if part.usage is not None:
            self._usage = part.usage
        if self._finish_reason is not None:
            return ""
        for choice in part.choices or ():
            if choice.index:
                continue
            self._finish_reason = choice.finish_reason or None
            self.talks = self._finish_reason is None
            if self._model is None:
                self._model = part.model
            if choice.logprobs is not None:
                self._logprobs += map(_logprob, choice.logprobs.content or ())
            said = choice.delta or choice.message
            if said is None:
                break
            text = said.content or ""
            if said.tool_calls or said.reasoning_content or said.reasoning or said.refusal:
                text += self._beside_text(said)
            self.say(text)
            return text
        return ""

    def say(self, text: str) -> None:
        """Take in text alone."""
        if self.own:
            self._said.add(text)

    def _beside_text(self, said: _Delta) -> str:
        """Take in what is no content; return the words of a refusal."""
        if said.tool_calls:
            self._calls.add(said.tool_calls)
            self.called = True
        thought = said.reasoning_content or said.reasoning
        if isinstance(thought, str):
            self.reasoning += thought
        self._refused = self._refused or bool(said.refusal)
        return said.refusal or ""

    def take_reasoning(self) -> str:
        """Return the `reasoning` and forget it."""
        taken, self.reasoning = self.reasoning, ""
        return taken

    def result(self) -> ModelAnswer:
        """Return the whole answer; raises `ValueError` if it is not finished."""
        reason = self._finish_reason
        if reason is None:
            raise ValueError("The answer has no finish reason.")
        cut = reason in INCOMPLETE
        return ModelAnswer(
            text=self._said.text[self._start :],
            state="incomplete" if cut else "completed",
            reason=REFUSAL if self._refused and reason == "stop" else reason,
            usage=None if self._usage is None else self._usage.counted,
            tool_calls=() if cut else self._calls.whole(),
            logprobs=tuple(self._logprobs),
            model=self._model,
        )


def _logprob(token: _Likely) -> TokenLogprob:
    top = tuple((each.token, each.logprob or 0.0) for each in token.top_logprobs or ())
    return TokenLogprob(token.token, token.logprob or 0.0, top)
