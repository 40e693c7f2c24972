"""The responses that a session was asked for, each as one who waits for it sees it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from typing import Final, Self, TypeAlias
from weakref import ref

import anyio

from chatbots.deltas import Notice, TextDelta
from chatbots.errors import ChatError
from chatbots.realtime.audience import Audience, Stream
from chatbots.realtime.events.client import ResponseCreate
from chatbots.realtime.events.responses import ResponseAudioDelta
from chatbots.realtime.failures import Peer
from chatbots.realtime.outcomes import Began, Called, Ended, Interrupted, Outcome, Refused
from chatbots.realtime.receiving import ASIDE

Told: TypeAlias = Outcome | Notice
"""What a session tells: what came of it, and how the connection fares."""

_OF_A_RESPONSE: Final = (TextDelta, ResponseAudioDelta, Called, Interrupted)


class Response:
    """A response that was asked for: `async for` its outcomes as they come, or await its end.

    Both raise the `ChatError` of one that failed or was lost, with the text so far as `partial`.
    Let go of it, or call `ended`, and what was not read is dropped; held unread, it makes the
    session wait.
    """

    def __init__(self, stream: Stream[Told], event_id: str) -> None:
        self.event_id = event_id
        """The id of the event that asked for it."""
        self.id: str | None = None
        """Its own id, once it has begun."""
        self.stream = stream
        """Where it is told; the session's."""
        self._result: Ended | ChatError | None = None
        self._over = anyio.Event()
        self._read = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> TextDelta | ResponseAudioDelta | Called | Interrupted:
        self._read = True
        while True:
            outcome = await anext(self.stream)
            if isinstance(outcome, _OF_A_RESPONSE):
                return outcome

    async def ended(self) -> Ended:
        """Wait until it has ended; return how: `completed`, `incomplete` or `cancelled`."""
        if not self._read:
            self.stream.close()
        await self._over.wait()
        if isinstance(self._result, ChatError):
            raise self._result
        assert self._result is not None  # noqa: S101 - it is over
        return self._result

    def end(self, result: Ended | ChatError) -> None:
        """Take in how it ended; its session says so."""
        if self._result is None:
            self._result = result
            self.stream.end(result if isinstance(result, ChatError) else None)
            self._over.set()


class _Asked:
    """A request: who waits for its response, if anybody does, and what was said so far."""

    def __init__(self, event: ResponseCreate, response: Response) -> None:
        self.event = event
        self.response = ref(response)
        self.again = False


class Asking:
    """The responses that were asked for and have not ended; *again* asks for one once more."""

    def __init__(
        self,
        audience: Audience[Told],
        peer: Callable[[], Peer],
        again: Callable[[ResponseCreate], bool],
    ) -> None:
        self._audience = audience
        self._peer = peer
        self._again = again
        self._asked: dict[str, _Asked] = {}
        self._begun: str | None = None

    def ask(self, event: ResponseCreate) -> Response:
        """Return the response to *event*, which has an id."""
        name = event.event_id or ""
        response = Response(Stream(self._audience.room), name)
        self._asked[name] = _Asked(event, response)
        return response

    def tell(self, outcomes: Sequence[Told], size: int) -> bool:
        """Tell everybody, as `Audience.tell`."""
        for outcome in outcomes:
            if type(outcome) is Began and (one := self._asked.get(outcome.event_id or "")):
                self._begun = outcome.event_id
                if (response := one.response()) is not None:
                    response.id = outcome.response_id
                    self._audience.join(response.stream)
        full = self._audience.tell(outcomes, size)
        for outcome in outcomes:
            if type(outcome) is Ended:
                self._ended(outcome)
            elif type(outcome) is Refused and outcome.event_id in self._asked:
                error = self._peer().told(
                    outcome.error.code or outcome.error.type, outcome.error.message
                )
                self._end(outcome.event_id, error)
        return full

    def __bool__(self) -> bool:
        return bool(self._asked)

    def waits(self, event_id: str | None) -> bool:
        """Tell whether the response to that event has not ended."""
        return event_id in self._asked

    def _ended(self, ended: Ended) -> None:
        if ended.reason == "lost":  # `fail` says why
            return
        aside = (ended.metadata or {}).get(ASIDE)
        name = self._begun if aside is None else aside
        if aside is None:
            self._begun = None
        if (one := self._asked.get(name or "")) is None:
            return
        if ended.state != "failed":
            self._end(one.event.event_id, ended)
            return
        error = self._peer().told(ended.reason, None)
        error.partial = ended.text
        if error.code == "rate_limited" and not (one.again or ended.text):
            one.again = True
            if self._again(one.event):
                return
        self._end(one.event.event_id, error)

    def _end(self, name: str | None, result: Ended | ChatError) -> None:
        if (response := self._asked.pop(name or "").response()) is not None:
            self._audience.leave(response.stream)
            response.end(result)

    def fail(self, error: ChatError, partial: str) -> None:
        """End all with *error*; the one that had begun has said *partial*."""
        begun, self._begun = self._begun, None
        for name in list(self._asked):
            its = copy(error)
            its.partial = partial if name == begun else ""
            self._end(name, its)
