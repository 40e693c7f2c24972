"""What keeps a conversation connected: lost, it connects anew; before it expires, it moves."""

from __future__ import annotations

from collections.abc import Collection
from functools import reduce
from typing import Any, Final

import anyio
from anyio.abc import TaskGroup
from msgspec import UNSET, Struct
from msgspec.structs import replace

from chatbots import telemetry
from chatbots.errors import ChatError, InvalidRequest
from chatbots.realtime.conversation import Conversation
from chatbots.realtime.dialling import Dialling
from chatbots.realtime.events.client import ConversationItemCreate, ResponseCreate, SessionUpdate
from chatbots.realtime.events.event import ClientEvent
from chatbots.realtime.events.items import generate_id
from chatbots.realtime.events.session import Session
from chatbots.realtime.link import Link
from chatbots.realtime.telling import Telling
from chatbots.realtime.unsent import Unsent
from chatbots.tool_calls import ToolCall

UPDATES: Final = 16
"""Changes of the session that may still be refused; older ones were not."""


class Lifeline:
    """The connection of a *conversation*, and the next one."""

    def __init__(
        self,
        dialling: Dialling,
        telling: Telling,
        conversation: Conversation,
        config: Session | None,
    ) -> None:
        self.link: Link | None = None
        """The connection, while there is one."""
        self.next: Link | None = None
        """The connection that will take over."""
        self.over: ChatError | None = InvalidRequest(
            "invalid_request", "The session is not open.", hint="Use it in an `async with`."
        )
        """Why there is none and will be none."""
        self.unsent = Unsent(dialling.patience.unsent_audio, config)
        telling.after, telling.asking.refused = self._move, self.forget
        self._dialling = dialling
        self._telling = telling
        self._conversation = conversation
        self._failed = 0
        self._up = anyio.Event()
        self._items: dict[str, ConversationItemCreate] = {}
        self._told = {} if config is None else {"": config}
        """What the session is told to be, by the events that told it."""
        self._closing: TaskGroup

    async def open(self) -> None:
        """Connect for the first time; raises `ChatError`."""
        if self.over is not None and self._up.is_set():
            raise self.over  # it was open before
        tries = self._dialling.patience.first_tries
        self.next = await self._dialling.dial(self._conversation, self._wanted(), tries=tries)
        self.over = None

    async def connected(self) -> Link:
        """Return the connection, once there is one; raises `ChatError` when the session is over."""
        while self.link is None:
            if self.over is not None:
                raise self.over
            await self._up.wait()
        return self.link

    async def run(self) -> None:
        """Keep the connection, until it is lost for good."""
        async with anyio.create_task_group() as self._closing:
            try:
                self._take_over({})
                while (link := self.link) is not None:
                    if (error := await self._live(link)) is not None:
                        await self._again(link, error)
            except ChatError as error:
                self.end(error)

    def end(self, error: ChatError | None) -> None:
        """Take in that there will be no connection any more; None: it was closed here."""
        if self.over is None:
            self.over = error or InvalidRequest("invalid_request", "The session is closed.")
            self._telling.hand_over()
            self._telling.asking.fail(self.over)
            self._telling.end(error)
            self._up.set()

    async def close(self) -> None:
        """Close what is open; nothing can be asked any more."""
        self.end(None)
        async with anyio.create_task_group() as group:
            for link in (self.link, self.next):
                if link is not None:
                    group.start_soon(self._dialling.hang_up, link.conn)
        self.link = self.next = None

    def note(self, event: ClientEvent) -> ClientEvent:
        """Return *event* as it is to be sent; what another connection must be told is kept."""
        match event:
            case SessionUpdate(session=session):
                event = replace(event, event_id=event.event_id or generate_id("event_", 21))
                self._told[event.event_id or ""] = session
                if len(self._told) > UPDATES:
                    first, second, *_ = self._told
                    self._told[second] = merged(self._told.pop(first), self._told[second])
            case ConversationItemCreate(item=item):
                event = replace(
                    event,
                    event_id=event.event_id or generate_id("event_", 21),
                    item=item if item.id else replace(item, id=generate_id("item_", 21)),
                )
                known = self._conversation.entries
                kept = {n: e for n, e in self._items.items() if e.item.id not in known}
                self._items = {**kept, event.event_id or "": event}
            case _:
                pass
        return event

    async def _live(self, link: Link) -> ChatError | None:
        """Use a connection until it is lost, or left for the next; return why it is lost."""
        error: ChatError | None = None
        async with anyio.create_task_group() as group:
            group.start_soon(link.write)
            group.start_soon(self._renew, link)
            while error is None and self.link is link:
                error = await link.listen(self._telling.tell, self._telling.catch_up)
                if error is None and self._may_move(link):
                    self._take_over({})
            group.cancel_scope.cancel()
        return error

    async def _renew(self, link: Link) -> None:
        """Have another connection ready before this one expires."""
        expires, dialling = link.protocol.now.session.expires_at, self._dialling
        if not isinstance(expires, int) or self.next is not None:
            return
        left = expires - dialling.clock.now()
        await dialling.clock.sleep(max(left - dialling.patience.renew_before, left / 2, 0.0))
        try:
            tries = dialling.patience.tries
            self.next = await dialling.dial(self._conversation, self._wanted(), tries=tries)
        except ChatError as error:  # it may go better once the session has expired
            telemetry.emit("warning", "realtime.renewal", code=error.code)
        self._move()

    def _move(self) -> None:
        """Leave the connection for the next one, if both are ready for it."""
        if self.link is not None and self._may_move(self.link):
            self.link.leave()

    def forget(self, event_id: str | None) -> None:
        """Tell the next connection nothing that is refused."""
        self._told.pop(event_id or "", None)
        self._items.pop(event_id or "", None)

    def _wanted(self, without: Collection[str | None] = ()) -> Session | None:
        """Return what a session is to be, *without* what these events told it."""
        told = (session for name, session in self._told.items() if name not in without)
        return reduce(merged, told, None)

    def _may_move(self, link: Link) -> bool:
        """Tell whether the next connection can take over: nobody has the word, nothing is owed."""
        turns, owed = link.protocol.now.turns, link.protocol.now.responding.owed
        at_rest = turns.user == "silent" and turns.model == "idle"
        busy = owed or link.pending or self._telling.asking
        return self.next is not None and at_rest and not busy

    def _take_over(self, owed: dict[str, ToolCall], *waiting: ResponseCreate) -> None:
        """Let the next connection be the one: tell it all that was said, and ask what waits."""
        old, link = self.link, self.next
        assert link is not None  # noqa: S101 - whoever calls this has opened it
        for early in link.early:
            self._telling.tell(*early)
        config = self._wanted()
        if config is None or config == link.protocol.told:
            self._telling.asking.updated(None, link.protocol.now.session)
        else:  # it was changed since the connection was opened
            link.protocol.send(SessionUpdate(config, event_id=[*self._told][-1]))
        known = self._conversation.entries
        unknown = [event for event in self._items.values() if event.item.id not in known]
        wanted = {*owed, *(event.item.call_id for event in unknown)}
        for item in (*self._conversation.replay(wanted), *unknown):
            link.protocol.send(item)
        link.protocol.now.responding.owed.update(owed)
        audio, dropped = self.unsent.take()
        for piece in audio:
            link.protocol.send(piece)
        for event in waiting:
            link.protocol.send(event)
        if dropped:
            said = f"{dropped} ms of what was said while there was no connection are lost."
            self._telling.notice("audio_dropped", said)
        link.attend()
        self.link, self.next = link, None
        self._up.set()
        if old is not None:
            self._closing.start_soon(self._dialling.hang_up, old.conn)
            self._telling.notice("session_renewed", "The conversation goes on in a new session.")

    async def _again(self, link: Link, error: ChatError) -> None:
        """Let another connection take over from one that is lost; raises `ChatError`."""
        now = link.protocol.now
        owed, partial = dict(now.responding.owed), now.said.text
        self._failed = 0 if link.progressed else self._failed + 1
        self.link, self._up = None, anyio.Event()
        self.unsent.recover(link.pending)
        self._closing.start_soon(self._dialling.hang_up, link.conn)
        link.protocol.lost()
        self._telling.tell(None, link.protocol.outcomes(), 0)
        self._telling.hand_over()
        waiting = self._telling.asking.lost(error, partial)
        if error.retryable:
            self._telling.notice("reconnecting", f"{error.message} Connecting again.")
        if self.next is None or not error.retryable:
            tries = self._dialling.patience.tries
            config = self._wanted(now.updates)  # what may be refused would end all, told at first
            self.next = await self._dialling.dial(
                self._conversation, config, tries=tries, failed=self._failed, after=error
            )
        asking = self._telling.asking
        self._take_over(owed, *(event for event in waiting if asking.waits(event.event_id)))
        self._telling.notice("reconnected", "The connection is there again.")


def merged(old: Session | None, new: Session) -> Session:
    """Return *old* with all that *new* says."""
    told: Session = _merged(old or Session(), new)
    return told


def _merged(old: Struct, new: Struct) -> Any:
    changes: dict[str, object] = {}
    for field in new.__struct_fields__:
        now, before = getattr(new, field), getattr(old, field)
        if now is not UNSET:
            alike = isinstance(now, Struct) and type(now) is type(before)
            changes[field] = _merged(before, now) if alike else now
    return replace(old, **changes)
