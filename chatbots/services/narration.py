"""The way out of a turn: what goes by is remembered, measured and logged."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Final

import anyio
from anyio.abc import ObjectSendStream

from chatbots import telemetry
from chatbots.deltas import Delta, TextDelta
from chatbots.interfaces import Sink
from chatbots.joined import Joined
from chatbots.messages import Message, Metrics, ModelAnswer, ModelRequest, UnderWay, Usage
from chatbots.sessions.tokens import estimate, tokens_of, tokens_of_tools

KEEP_INTERVAL: Final = 1.0
"""Seconds of output a crash may cost at most (promise P3), and between two `token.flush` lines."""

SHORTEST_STREAM: Final = 0.001
"""Seconds from the first text to the last below which an answer came at once, at no rate."""


class Spoken:
    """What the assistant has said in a turn: the text, and the messages it is kept as.

    The text is what comes to stand in *said* from now on.
    """

    def __init__(self, said: Joined) -> None:
        self.said = said
        self._start = said.size
        self._settled: list[Message] = []
        self._settled_chars = 0

    @property
    def text(self) -> str:
        """All of the text."""
        return self.said.text[self._start :]

    @property
    def messages(self) -> list[Message]:
        """What is settled, and the text since."""
        text = self.text[self._settled_chars :]
        return [*self._settled, Message("assistant", text)] if text else self._settled[:]

    def settle(self, *messages: Message) -> None:
        """Keep the text so far as these *messages*: calls of tools, and their results."""
        self._settled += messages
        self._settled_chars = len(self.text)


class Narration(ObjectSendStream[Delta]):
    """The way out of a turn: passes deltas on and remembers the text that was shown, as `said`.

    About once a second, in the course of sending, it logs how much it was and awaits *keep*.
    `request` is what the model was asked.
    """

    def __init__(self, out: Sink) -> None:
        self._out = out
        self._send_nowait: Callable[[Delta], None] = getattr(out, "send_nowait", _would_block)
        kept = Joined.of(out)
        self._own = kept is None
        self.spoken = Spoken(kept or Joined())
        self._started = monotonic()
        self._keep_at = math.inf
        self._unlogged = 0
        self.deadline = anyio.CancelScope()
        self.waits_for_session = False
        self.keep: Callable[[UnderWay | None], Awaitable[None]] | None = None
        self.request: ModelRequest | None = None
        self._first_at: float | None = None

    @property
    def said(self) -> Joined:
        """Where the text comes to stand; see `Joined.of`."""
        return self.spoken.said

    @property
    def timed_out(self) -> bool:
        """Whether the turn's deadline has passed."""
        return self.deadline.cancel_called

    @property
    def text(self) -> str:
        """What was shown so far."""
        return self.spoken.text

    async def send(self, item: Delta) -> None:
        """Pass *item* on."""
        if isinstance(item, TextDelta):
            if self._own:
                # First remember, then show: what is stored may be ahead of the screen, not behind.
                self.said.add(item.text)
            self._unlogged += 1
            if self._first_at is None:
                self._begin(monotonic())
        if monotonic() >= self._keep_at:
            # Before more is shown: a crash while it is kept must not cost more than the interval.
            self._keep_at = monotonic() + KEEP_INTERVAL
            self._log_flushes()
            await self.keep_now()
        await self._out.send(item)

    def _begin(self, now: float) -> None:
        self._first_at = now
        self._keep_at = now + KEEP_INTERVAL

    async def keep_now(self, doing: UnderWay | None = None) -> None:
        """Have kept what was said, and what the turn is doing from now on if that is new."""
        if self.keep is not None:
            await self.keep(doing)

    def send_nowait(self, item: Delta) -> None:
        """Pass *item* on at once; raises `anyio.WouldBlock` where only `send` can."""
        now = monotonic()
        if now >= self._keep_at:
            raise anyio.WouldBlock
        self._send_nowait(item)
        if isinstance(item, TextDelta):
            if self._own:
                self.said.add(item.text)
            self._unlogged += 1
            if self._first_at is None:
                self._begin(now)

    def metrics(self, answer: ModelAnswer) -> Metrics:
        """Return how quick the turn was that got *answer*, now that it is over."""
        now = monotonic()
        first = self._first_at
        written = answer.usage.output_tokens if answer.usage else 0
        streamed = first is not None and now - first > SHORTEST_STREAM and written > 1
        return Metrics(
            seconds=now - self._started,
            first_token=None if first is None else first - self._started,
            tokens_per_second=(written - 1) / (now - first) if streamed and first else None,
            retries=answer.retries,
        )

    def estimate(self) -> Usage | None:
        """Return about how many tokens a turn has cost that broke off; None if it showed nothing.

        The server says what it counted at the end only.
        """
        if self.request is None or not self.text:
            return None
        read = tokens_of(self.request.messages) + tokens_of_tools(self.request.tools)
        written = estimate(self.text)
        return Usage(read, written, read + written, estimated=True)

    def _log_flushes(self) -> None:
        """Log how many pieces went out since the last time."""
        if self._unlogged:
            telemetry.emit("debug", "token.flush", pieces=self._unlogged, chars=len(self.text))
        self._unlogged = 0

    def log_end(self, level: telemetry.Level, event: str, **facts: telemetry.Value) -> None:
        """Log what is left to log, and with *facts* how the turn ended."""
        self._log_flushes()
        telemetry.emit(level, event, seconds=round(monotonic() - self._started, 3), **facts)

    async def aclose(self) -> None:
        """Leave the way open: it is the caller's."""


def _would_block(item: Delta) -> None:  # noqa: ARG001 - a way out's
    raise anyio.WouldBlock
