"""A conversation with a realtime server, which outlives its connections."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, overload

import anyio
from anyio.abc import TaskGroup

from chatbots.errors import ChatError, InvalidRequest, ProviderError
from chatbots.realtime.address import Address
from chatbots.realtime.asking import Response, Told
from chatbots.realtime.audience import Stream
from chatbots.realtime.conversation import Conversation
from chatbots.realtime.dialling import LONGEST_WAIT, Dialling
from chatbots.realtime.events.client import (
    ConversationItemCreate,
    InputAudioBufferAppend,
    ResponseCreate,
)
from chatbots.realtime.events.event import ClientEvent, ServerEvent
from chatbots.realtime.events.items import function_output, generate_id
from chatbots.realtime.events.session import ResponseParams, Session
from chatbots.realtime.events.unknown import UnknownEvent
from chatbots.realtime.handlers import Handler, Said, SaidT
from chatbots.realtime.lifeline import Lifeline
from chatbots.realtime.link import Link
from chatbots.realtime.patience import Clock, Patience
from chatbots.realtime.telling import Telling
from chatbots.realtime.transport import WebSocketDialer


class RealtimeSession:
    """A conversation in an `async with`: connected there, and closed within 2 seconds after it.

    A connection that is lost is made anew, and before the server lets the session expire, another
    takes over: what was said is told to the new one. What is under way then fails; a `Notice`
    among the outcomes says what happens. Where that cannot be, all that is asked raises why.

    *config* is what the session is told to be. *conversation* is one to go on with.
    *plays*: `played` will say how much of the audio has been heard.
    """

    def __init__(
        self,
        dialer: WebSocketDialer,
        address: Address,
        *,
        config: Session | None = None,
        model: str | None = None,
        patience: Patience | None = None,
        conversation: Conversation | None = None,
        plays: bool = False,
        clock: Clock | None = None,
    ) -> None:
        self.conversation = conversation or Conversation()
        self._patience = patience or Patience()
        self._clock = clock or Clock()
        dialling = Dialling(
            dialer, address, model, patience=self._patience, clock=self._clock, plays=plays
        )
        self._telling = Telling(lambda: dialling.peer, self._later, self._patience.reader)
        self.line = Lifeline(dialling, self._telling, self.conversation, config)
        """What keeps it connected; `line.over` says why it is over."""
        self._group: TaskGroup | None = None

    async def __aenter__(self) -> Self:
        """Connect; raises `ChatError`."""
        await self.line.open()
        self._group = await anyio.create_task_group().__aenter__()
        self._group.start_soon(self._telling.run)
        self._group.start_soon(self.line.run)
        self._call_handlers()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the session, and whatever waits for it."""
        assert self._group is not None  # noqa: S101 - it was entered
        self._group.cancel_scope.cancel()
        try:
            await self._group.__aexit__(None, None, None)
        finally:
            await self.line.close()

    @property
    def id(self) -> str | None:
        """What the server calls the session now; another one after a renewal."""
        name = self._session.id
        return name if isinstance(name, str) else None

    @property
    def expires_at(self) -> int | None:
        """When the server will end the session, in Unix seconds, if it says so."""
        when = self._session.expires_at
        return when if isinstance(when, int) else None

    @property
    def _session(self) -> Session:
        link = self.line.link or self.line.next
        return Session() if link is None else link.protocol.now.session

    async def send(self, event: ClientEvent) -> str:
        """Send an event; return its id, by which an error would name it; audio has none.

        Returns once it is on its way, and waits while the server takes nothing.
        While the connection is lost it waits as well, but for audio: the last of it is kept.
        Raises `InvalidRequest` for an event that cannot be right, and the `ChatError` that ended
        the session.
        """
        line = self.line
        if isinstance(event, InputAudioBufferAppend) and line.link is None and line.over is None:
            line.unsent.add(event)
            return ""
        link = line.link or await line.connected()
        name = self._say(link, event)
        await _flush(link)
        return name

    async def respond(self, params: ResponseParams | None = None) -> Response:
        """Ask for a response; it is sent when the one before it has ended and nothing is owed.

        Raises as `send`.
        """
        event = ResponseCreate(params, event_id=generate_id("event_", 21))
        link = await self.line.connected()
        link.protocol.send(event)
        response = self._telling.asking.ask(event)
        if params is not None and params.conversation == "none" and self._group is not None:
            self._group.start_soon(self._wait_for, response.event_id)
        await _flush(link)
        return response

    async def output(self, call_id: str, text: str) -> Response | None:
        """Tell the model what came of a call that it made.

        With the last result that is owed a response is asked for: it is returned, unless one was
        asked for already. Raises `InvalidRequest` for a call that was not made, or was answered.
        """
        link = await self.line.connected()
        owed = link.protocol.now.responding.owed
        if call_id not in owed:
            raise InvalidRequest(
                "invalid_request",
                f"No result is owed for the call {call_id!r}: it was not made, or was answered.",
                param="call_id",
            )
        self._say(link, ConversationItemCreate(function_output(call_id, text)))
        if not owed and not self._telling.asking.in_line:
            return await self.respond()
        await _flush(link)
        return None

    def _say(self, link: Link, event: ClientEvent) -> str:
        # Noted before there is a connection, it would be told to that one twice.
        event = self.line.note(event)
        try:
            return link.protocol.send(event) or ""
        except InvalidRequest:
            self.line.forget(event.event_id)
            raise

    def played(self, item_id: str, ms: int) -> None:
        """Say how much of an item has been heard."""
        if (link := self.line.link) is not None:
            link.protocol.played(item_id, ms)
            link.attend()

    async def interrupt(self) -> None:
        """Stop the answer as the user speaking would: what was not heard was not said.

        What was asked for and has not begun is cancelled as well.
        """
        asked = None
        if (link := self.line.link) is not None:
            link.protocol.interrupt()
            self._telling.tell(None, link.protocol.outcomes(), 0)
            asked = link.protocol.now.responding.asked
        self._telling.hand_over()
        self._telling.asking.cancel(asked)
        if link is not None:
            await _flush(link)

    def outcomes(self) -> Stream[Told]:
        """Return a stream of all that comes of the conversation from now on, for one reader."""
        return self._telling.outcomes.join()

    def events(self) -> Stream[Said]:
        """Return a stream of the server's events from now on; those that count for nothing are not
        among them."""
        return self._telling.events.join()

    @overload
    def on(self, what: Handler[Said], /) -> Callable[[], None]: ...
    @overload
    def on(self, what: type[SaidT], handler: Handler[SaidT], /) -> Callable[[], None]: ...
    def on(self, what: Any, handler: Any = None, /) -> Callable[[], None]:
        """Have a function, async or not, called with each event, or each of one kind.

        They are called in order, in a task of their own, one after the other; what one raises is
        logged. One that waits for a response keeps the others waiting.
        Return what ends it.
        """
        kind, called = (ServerEvent | UnknownEvent, what) if handler is None else (what, handler)
        off = self._telling.handlers.add(kind, called)
        self._call_handlers()
        return off

    def _call_handlers(self) -> None:
        group, handlers = self._group, self._telling.handlers
        if group is not None and self.line.over is None and handlers and not handlers.called:
            handlers.called = True
            group.start_soon(self._keep_calling, self.events())

    async def _keep_calling(self, events: Stream[Said]) -> None:
        """Call the handlers; when they were too far behind they miss something, and go on."""
        await self._telling.handlers.run(events)
        while self.line.over is None:
            await self._telling.handlers.run(self.events())

    def _later(self, event: ResponseCreate) -> bool:
        """Ask once more for a response that the server had no room for; return whether that is."""
        link = self.line.link
        limits = () if link is None else link.protocol.now.rate_limits
        seconds = max((limit.reset_seconds or 0.0 for limit in limits), default=0.0)
        if self._group is None or seconds > LONGEST_WAIT:
            return False
        self._telling.notice("queued", f"The server asks to slow down; waiting {seconds:g} s.")
        self._group.start_soon(self._ask_again, event, seconds)
        return True

    async def _wait_for(self, event_id: str) -> None:
        """Give up a response beside the conversation that does not end: nothing else tells."""
        seconds = self._patience.response
        await anyio.sleep(seconds)
        said = f"The response was not there within {seconds:g} seconds."
        self._telling.asking.give_up(event_id, ProviderError("upstream_timeout", said))

    async def _ask_again(self, event: ResponseCreate, seconds: float) -> None:
        await self._clock.sleep(seconds)
        link = self.line.link
        if link is not None and self._telling.asking.waits(event.event_id):
            link.protocol.send(event)
            await _flush(link)


async def _flush(link: Link) -> None:
    """Write what is due; that a connection is lost, who reads it says."""
    with suppress(ChatError, anyio.ClosedResourceError):
        await link.flush()
