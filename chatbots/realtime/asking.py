"""The responses that a session was asked for, each as one who waits for it sees it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from typing import Final, TypeAlias
from weakref import ref

import anyio

from chatbots.deltas import Notice, TextDelta
from chatbots.errors import ChatError, ProviderError
from chatbots.realtime.audience import Audience, Stream
from chatbots.realtime.events.client import ResponseCreate
from chatbots.realtime.events.responses import ResponseAudioDelta
from chatbots.realtime.events.session import Session
from chatbots.realtime.failures import Peer
from chatbots.realtime.outcomes import (
    Began,
    Called,
    Ended,
    Interrupted,
    Outcome,
    Refused,
    Updated,
)
from chatbots.realtime.receiving import ASIDE
from chatbots.wakeup import Wakeup

Told: TypeAlias = Outcome | Notice
"""What a session tells: what came of it, and how the connection fares."""

_TURNS: Final = frozenset({Began, Ended, Updated, Refused})
_PIECES: Final = (TextDelta, ResponseAudioDelta, Called, Interrupted)


class Response(Stream[Told]):
    """A response that was asked for: `async for` its pieces as they come, or await its end.

    The pieces are `TextDelta`, `ResponseAudioDelta`, `Called` and `Interrupted`.

    Both raise the `ChatError` of one that failed or was lost, with the text so far as `partial`.
    Let go of it, or call `ended`, and what was not read is dropped; held unread, it makes the
    session wait.
    """

    def __init__(self, room: Wakeup, event_id: str) -> None:
        super().__init__(room)
        self.event_id = event_id
        """The id of the event that asked for it."""
        self.id: str | None = None
        """Its own id, once it has begun."""
        self._result: Ended | None = None
        self._ended = anyio.Event()

    def put(self, things: Sequence[Told], size: int) -> None:
        """Tell what is of a response among *things*."""
        super().put([one for one in things if isinstance(one, _PIECES)], size)

    async def ended(self) -> Ended:
        """Wait until it has ended; return how: `completed`, `incomplete` or `cancelled`."""
        if not self.begun:
            self.close()
        await self._ended.wait()
        if self.error is not None:
            raise self.error
        assert self._result is not None  # noqa: S101 - it has ended
        return self._result

    def settle(self, result: Ended | ChatError) -> None:
        """Take in how it ended; its session says so."""
        if isinstance(result, ChatError):
            self.error = result
        else:
            self._result = result
        self.end(self.error)
        self._ended.set()


class _Asked:
    """A request: who waits for its response, if anybody does, and what was said so far."""

    def __init__(self, event: ResponseCreate, response: Response) -> None:
        self.event = event
        self.response = ref(response)
        self.in_line = event.response is None or event.response.conversation != "none"
        self.again = False


class _Change:
    """A change of the session that the server has not answered."""

    def __init__(self) -> None:
        self.answered = anyio.Event()
        self.answer: Session | ChatError | None = None


class Asking:
    """The responses that were asked for and have not ended; *again* asks for one once more."""

    def __init__(
        self, room: Wakeup, peer: Callable[[], Peer], again: Callable[[ResponseCreate], bool]
    ) -> None:
        self.reader = Audience[Told](room)
        """Who is told the response that is under way."""
        self.refused: Callable[[str], object] = lambda _: None
        """Called with the id of each event of ours that the server refuses."""
        self._peer = peer
        self._again = again
        self._asked: dict[str, _Asked] = {}
        self._changes: dict[str, _Change] = {}
        self._begun: str | None = None
        self._shown = False

    def ask(self, event: ResponseCreate) -> Response:
        """Return the response to *event*, which has an id."""
        name = event.event_id or ""
        response = Response(self.reader.room, name)
        self._asked[name] = _Asked(event, response)
        return response

    async def changed(self, event_id: str, within: float) -> Session:
        """Wait for the answer to the event that changes the session; raises `ChatError`."""
        change = self._changes[event_id] = _Change()
        try:
            with anyio.fail_after(within):
                await change.answered.wait()
        except TimeoutError:
            said = f"The server has not confirmed the change within {within:g} seconds."
            raise ProviderError("upstream_timeout", said, hint="It may have been made.") from None
        finally:
            self._changes.pop(event_id, None)
        if isinstance(change.answer, ChatError):
            raise change.answer
        assert change.answer is not None  # noqa: S101 - it was answered
        return change.answer

    def updated(self, event_id: str | None, session: Session) -> None:
        """Take in that the session is as that event asked and those before it; None: and all."""
        if event_id is None or event_id in self._changes:
            for name in list(self._changes):
                self._answer(name, session)
                if name == event_id:
                    return

    def _answer(self, name: str, answer: Session | ChatError) -> None:
        change = self._changes.pop(name)
        change.answer = answer
        change.answered.set()

    def tell(self, outcomes: Sequence[Told], size: int) -> None:
        """Tell of each response who waits for it; *outcomes* came in messages of *size* bytes."""
        first = 0
        for at, outcome in enumerate(outcomes):
            kind = type(outcome)
            if kind in _TURNS:
                self._pieces(outcomes[first:at], size)
                self._turn(outcome)
                first = at + 1
        self._pieces(outcomes[first:], size)

    def _pieces(self, outcomes: Sequence[Told], size: int) -> None:
        if outcomes:
            self._shown = True
            self.reader.tell(outcomes, size)

    def _turn(self, outcome: Told) -> None:
        match outcome:
            case Began(response_id, str(name)) if (one := self._asked.get(name)) is not None:
                self._begun, self._shown = name, False
                if (response := one.response()) is not None:
                    response.id = response_id
                    self.reader.join(response)
            case Refused(str(name), error):
                self.refused(name)
                why = self._peer().told(error.code or error.type, error.message)
                if name in self._asked:
                    self._end(name, why)
                elif name in self._changes:
                    self._answer(name, why)
            case Updated(str(name), session):
                self.updated(name, session)
            case Ended():
                self._ended(outcome)
            case _:
                pass

    def __bool__(self) -> bool:
        return bool(self._asked or self._changes)

    @property
    def in_line(self) -> bool:
        """Whether one is asked for that is to be part of the conversation."""
        return any(one.in_line for one in self._asked.values())

    def give_up(self, event_id: str, error: ChatError) -> None:
        """End the response to that event with *error*, unless it has ended."""
        if event_id in self._asked:
            self._end(event_id, error)

    def cancel(self, but: str | None) -> None:
        """End all that is to be part of the conversation, *but* what was sent and has not ended."""
        for name, one in list(self._asked.items()):
            if one.in_line and name != but:
                self._end(name, Ended("", "cancelled", "client_cancelled", ""))

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
        error = self._peer().told(ended.reason, ended.message)
        error.partial = ended.text
        if error.code == "rate_limited" and not (one.again or ended.text):
            one.again = True
            if self._again(one.event):
                if (response := one.response()) is not None:
                    self.reader.leave(response)
                return
        self._end(one.event.event_id, error)

    def _end(self, name: str | None, result: Ended | ChatError) -> None:
        if (response := self._asked.pop(name or "").response()) is not None:
            self.reader.leave(response)
            response.settle(result)

    def lost(self, error: ChatError, partial: str) -> list[ResponseCreate]:
        """End what has said anything with *error*, and *partial*; return what to ask again.

        That is what nothing was heard of yet, unless it was asked for again before; then it ends.
        """
        begun, self._begun = self._begun, None
        for name, one in list(self._asked.items()):
            if one.again or (name == begun and self._shown):
                its = copy(error)
                its.partial = partial if name == begun else ""
                self._end(name, its)
            elif name == begun and (response := one.response()) is not None:
                self.reader.leave(response)
            one.again = True
        return [one.event for one in self._asked.values()]

    def fail(self, error: ChatError) -> None:
        """End all with *error*."""
        for name in list(self._asked):
            self._end(name, copy(error))
        for name in list(self._changes):
            self._answer(name, copy(error))
