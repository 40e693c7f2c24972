"""A streamed answer, taken in as it comes: what it says goes out at once."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Final

import anyio

from chatbots.deltas import Delta, ReasoningDelta, TextDelta
from chatbots.errors import ChatError, ProviderError
from chatbots.interfaces import Sink
from chatbots.joined import Joined
from chatbots.messages import ModelAnswer
from chatbots.provider.answer import Answer, Completion, Failure, decode, talk
from chatbots.provider.guard import EmptyAnswer
from chatbots.provider.sse import EventDecoder, EventTooLarge
from chatbots.telemetry import redact

MAX_BODY: Final = 32 * 1024 * 1024
"""Bytes an answer may have, whole or streamed."""

END: Final = b"[DONE]"
NO_REASON: Final = "the server ended it without a finish_reason"


class StreamedAnswer:
    """Takes network reads, and narrates them into *out*; no error tells the *secret*."""

    def __init__(self, out: Sink, *, secret: str = "") -> None:
        self.answer = Answer(Joined.of(out))
        self.ended = False
        self.shown = False
        # When the last of the answer's content came; comments and empty chunks are none.
        self.heard_at = monotonic()
        self._out = out
        self._secret = secret
        self._decoder = EventDecoder()
        # Sinks that can take a delta without waiting say so, as anyio's memory streams do.
        self._send_nowait: Callable[[Delta], None] | None = getattr(out, "send_nowait", None)
        self._text = ""
        self._size = 0
        self._waiting: list[Delta] = []
        self._error: Exception | None = None

    def take(self, data: bytes) -> bool:
        """Take in a network read; true where `settle` has something to do, or nothing may follow.

        One read is one hand-over, and what came before a broken event is shown.
        """
        try:
            self._read(self._decoder.feed(data))
        except Exception as error:  # `settle` raises it, in the task it belongs to
            # What follows a finish reason changes nothing of the answer.
            if not self.answer.finished:
                self._error = error
        self._size += len(data)
        if self._size > MAX_BODY:
            self._error = EventTooLarge(f"it has more than {MAX_BODY:,} bytes")
        answer, text = self.answer, self._text
        if text:
            self._text = ""
            self._show(TextDelta(text))
        elif answer.called:
            answer.called = False
            self.heard_at = monotonic()
        if self._waiting or self._error is not None:
            return True
        return not answer.talks and (self.ended or answer.finished)

    def take_whole(self, data: bytes) -> None:
        """Take in a whole answer, and show nothing of one that is not; `settle` does the rest."""
        try:
            self._read([data])
        except Exception as error:
            self._error = error
        else:
            if self.answer.finished:
                self._show_text()
            else:
                self._error = ValueError("it holds no finished answer")

    async def settle(self) -> None:
        """Hand over what had to wait for its reader; raise what `take` could not.

        Raises `ProviderError` and `InvalidRequest`.
        """
        while self._waiting:
            await self._out.send(self._waiting.pop(0))
            # The time a slow reader takes is not the server's.
            self.heard_at = monotonic()
        error = self._error
        if isinstance(error, ValueError):
            # A chunk that cannot be read may have held text: from there on the answer has a hole.
            broken = self.shown and not isinstance(error, EventTooLarge)
            raise (interrupted(str(error)) if broken else senseless(str(error))) from error
        if error is not None:
            raise error

    def result(self) -> ModelAnswer:
        """Return the whole answer; raises `ProviderError` where it broke off, or says nothing."""
        if not self.answer.finished:
            raise interrupted(NO_REASON) if self.shown else senseless("it ended without a word")
        answer = self.answer.result()
        if answer.reason == "error":
            # So OpenRouter ends what failed on its way.
            raise interrupted("the server says that it failed")
        if answer.state == "completed" and not (answer.text or answer.tool_calls):
            why = "The server's answer makes no sense: it is empty."
            raise EmptyAnswer("upstream_bad_response", why)
        return answer

    def _read(self, events: list[bytes]) -> None:
        answer = self.answer
        for event in events:
            if answer.talks:
                try:
                    text = talk(event).choices[0].delta.content
                except (ValueError, RecursionError):
                    pass  # There is more to it.
                else:
                    self._text += text
                    if answer.own:
                        answer.say(text)
                    continue
            if event == END:
                self.ended = True
                answer.talks = False
                break
            part = decode(event)
            if part.error is not None:
                raise refusal(part, self._secret)
            text = answer.add(part)
            if answer.reasoning:
                self._show_text()
                self._show(ReasoningDelta(answer.take_reasoning()))
            self._text += text

    def _show_text(self) -> None:
        if self._text:
            self._show(TextDelta(self._text))
            self._text = ""

    def _show(self, delta: Delta) -> None:
        self.shown = True
        self.heard_at = monotonic()
        send = self._send_nowait
        if send is None or self._waiting:
            self._waiting.append(delta)
            return
        try:
            send(delta)
        except anyio.WouldBlock:
            self._waiting.append(delta)
        except Exception as error:
            self._error = error


def refusal(part: Completion, secret: str = "") -> ChatError:
    """Return the error that a server sent in place of a part of an answer, without the *secret*."""
    from chatbots.provider.resilience import of_code

    said = part.failure or Failure()
    return of_code(said.code or said.type, redact(said.message or "", secret))


def senseless(why: str) -> ProviderError:
    """Return the error for an answer that is none."""
    return ProviderError(
        "upstream_bad_response", f"The server's answer makes no sense: {why.rstrip('.')}."
    )


def interrupted(why: str = "the connection to the model was lost") -> ProviderError:
    """Return the error for an answer that broke off, and *why*."""
    return ProviderError(
        "stream_interrupted",
        f"The answer broke off before it was whole: {why}.",
        hint="Ask again to get a whole one.",
    )
