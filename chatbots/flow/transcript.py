"""What the deltas of a reply add up to: its text, its end, and the value asked for."""

from __future__ import annotations

from typing import Any, Generic, cast

from anyio.abc import ObjectSendStream

from chatbots.deltas import Delta, Done, Failed, TextDelta
from chatbots.errors import ChatError
from chatbots.joined import Joined
from chatbots.messages import REFUSAL, Prompt, Reply
from chatbots.output import OutputFormat, OutputT_co


class Transcript(Generic[OutputT_co]):
    """What has come of the reply to *prompt*."""

    def __init__(self, prompt: Prompt) -> None:
        self.terminal: Done | Failed | None = None
        self._wish = cast("OutputFormat[OutputT_co] | None", prompt.output)
        self.said = Joined()
        """The text, perhaps more of it than has been heard."""
        self.heard = 0
        """How many of its characters the reader has."""
        self._reply: Reply[OutputT_co] | None = None

    @property
    def text(self) -> str:
        """The text so far."""
        return self.said.text[: self.heard]

    def add(self, delta: Delta) -> None:
        """Take in the next delta."""
        if isinstance(delta, TextDelta):
            self.said.add(delta.text)
            self.heard += len(delta.text)
        elif isinstance(delta, Done | Failed):
            self.terminal = delta

    def reply(self) -> Reply[OutputT_co]:
        """Return the reply, or raise the error it ended with.

        Raises `ProviderError` (`output_invalid`) where a service let pass what does not fit.
        """
        end = self.terminal
        if end is None:
            raise RuntimeError("The reply has not ended: its service sent no terminal delta yet.")
        if self._reply is None:
            try:
                self._reply = self._finished(end)
            except ChatError as error:
                error.partial = self.text
                raise
        return self._reply

    def _finished(self, end: Done | Failed) -> Reply[OutputT_co]:
        if isinstance(end, Failed):
            raise end.error
        wish = self._wish
        if end.state != "completed" or end.reason == REFUSAL:
            wish = None
        return Reply(
            text=self.text,
            state=end.state,
            reason=end.reason,
            usage=end.usage,
            request_id=end.request_id,
            session=end.session,
            logprobs=end.logprobs,
            metrics=end.metrics,
            stored=end.stored,
            output=None if wish is None else wish.value_of(self.text),
        )


class Collector(ObjectSendStream[Delta]):
    """A `Sink` that makes the transcript, and never makes the sender wait."""

    def __init__(self, prompt: Prompt) -> None:
        self.transcript = Transcript[Any](prompt)
        self.said = self.transcript.said

    async def send(self, item: Delta) -> None:
        """Take in *item*."""
        self.transcript.add(item)

    async def aclose(self) -> None:
        """Take nothing more."""
