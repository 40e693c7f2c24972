"""A realtime conversation without its socket: frames go in and out, and what they mean comes out.

    protocol.receive(frame)          what the server sent
    protocol.outcomes()              what there is to show, play, run and tell
    protocol.send(ResponseCreate())  what is wanted; it may have to wait for its turn
    protocol.data_to_send()          the frames to send now, in order

No clock, no socket: deadlines, reconnecting and playing are the session's.
What a server does out of turn changes nothing and is counted in `ignored`.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from chatbots.realtime.conversation import Conversation
from chatbots.realtime.events import client
from chatbots.realtime.events.event import GA, ClientEvent, Dialect, ServerEvent
from chatbots.realtime.events.items import Item, generate_id
from chatbots.realtime.events.registry import read_server
from chatbots.realtime.events.session import ResponseParams, Session
from chatbots.realtime.events.unknown import UnknownEvent
from chatbots.realtime.outcomes import Ended, Outcome
from chatbots.realtime.receiving import ASIDE, Standing
from chatbots.realtime.recently import Recently
from chatbots.realtime.turns import Illegal

REMEMBERED: Final = 1024
"""Events whose ids are known, so that one that comes twice counts once."""


class Protocol:
    """One connection of a conversation; the next one is given the same `Conversation`."""

    def __init__(self, conversation: Conversation | None = None, *, dialect: Dialect = GA) -> None:
        self.now = Standing(conversation or Conversation(), dialect)
        self.ignored = 0
        """Events that came twice, too late, or out of turn."""
        self.told: Session | None = None
        """What the session was told to be, the last time."""
        self._recently = Recently(REMEMBERED)

    def receive(self, frame: bytes | str) -> ServerEvent | UnknownEvent | None:
        """Take in a frame; return its event, or None if it does not count.

        Then fetch `outcomes` and `data_to_send`. Raises `ProviderError` for what is no JSON.
        """
        event = read_server(frame)
        if isinstance(event, UnknownEvent):
            return event
        if event.event_id is None or not self._recently.seen(event.event_id):
            try:
                self.now.take_in(event)
            except Illegal:
                pass
            else:
                return event
        self.ignored += 1
        return None

    def outcomes(self) -> list[Outcome]:
        """Return what has come of it since this was last called."""
        come, self.now.outcomes = self.now.outcomes, []
        return come

    def data_to_send(self) -> list[bytes]:
        """Return the frames to send now; they count as sent."""
        for event in self.now.responding.due():
            self.now.write(event)
        frames, self.now.frames = self.now.frames, []
        return frames

    def send(self, event: ClientEvent) -> str | None:
        """Let *event* be sent in its turn; return the id by which an error would name it.

        A response waits for the one before it and for results that are owed.
        What stops whichever response there is, is not sent where there is none.
        Raises `InvalidRequest` for an event that cannot be right.
        """
        if event.event_id is None and not isinstance(event, client.InputAudioBufferAppend):
            event = replace(event, event_id=generate_id("event_", 21))
        active = self.now.responding.active
        match event:
            case client.ResponseCreate(response=ResponseParams(conversation="none")):
                self.now.write(_aside(event))
            case client.ResponseCreate():
                self.now.check(event)
                self.now.responding.ask(event)
            case client.ResponseCancel(response_id=name) if name in (None, active):
                self._cancel(event)
            case client.InputAudioBufferAppend(audio=audio):
                self.now.listening.hears(audio)
                self.now.write(event)
            case client.InputAudioBufferCommit():
                self.now.listening.check()
                self.now.listening.forget()
                self.now.write(event)
            case client.ConversationItemTruncate():
                self.now.write(self.now.playback.cut(event))
            case client.SessionUpdate():
                self.now.write(event)
                self.now.updates.append(event.event_id)
                self.told = event.session
            case client.ConversationItemCreate(item=Item(type="function_call_output") as item):
                self.now.write(event)
                self.now.responding.owed.pop(item.call_id or "", None)
            case _:
                self.now.write(event)
        return event.event_id

    def output(self, call_id: str, text: str) -> None:
        """Tell the model what came of a call; after the last, a response is asked for.

        Raises `InvalidRequest` for a call that was not made, or was answered.
        """
        self.now.write(self.now.responding.answer(call_id, text))

    def played(self, item_id: str, ms: int) -> None:
        """Say how much of an item has been heard, and say 0 as its first audio comes.

        Who never does is taken to hear everything.
        """
        self.now.playback.played(item_id, ms)
        self.now.silent()

    def interrupt(self) -> None:
        """Stop the answer as the user speaking would: what was not heard was not said.

        What waits to be asked for is forgotten.
        """
        self.now.responding.forget()
        if self.now.turns.model in ("asked", "answering", "sounding"):
            self._cancel(client.ResponseCancel())
            self.now.cut_short()
            self.now.silent()

    def lost(self) -> None:
        """Take in that the connection is gone; a response that was under way is interrupted."""
        if (active := self.now.responding.active) is not None:
            self.now.outcomes.append(Ended(active, "interrupted", "lost", self.now.said.text))
        self.now.turns.heard("lost")
        self.now.responding.lost()
        self.now.frames.clear()

    def _cancel(self, event: client.ResponseCancel) -> None:
        if self.now.turns.may("cancel"):
            self.now.turns.does("cancel")
            if self.now.turns.model == "stopping":
                self.now.write(event)


def _aside(event: client.ResponseCreate) -> client.ResponseCreate:
    """Mark a response that is not to be part of the conversation; its events show the mark."""
    told = event.response or ResponseParams()
    metadata = {**(told.metadata or {}), ASIDE: event.event_id or ""}
    return replace(event, response=replace(told, metadata=metadata))
