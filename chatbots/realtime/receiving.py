"""Where a conversation stands, and what each event of the server does to that, as a table."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Final, Literal, TypeAlias, cast, get_args

from chatbots.deltas import TextDelta
from chatbots.joined import Joined
from chatbots.realtime.conversation import Conversation, Entry
from chatbots.realtime.events import client, responses, server
from chatbots.realtime.events.beta import in_ga
from chatbots.realtime.events.event import ClientEvent, Dialect, Event, ServerEvent
from chatbots.realtime.events.registry import BETA_SERVER, SERVER, write
from chatbots.realtime.events.session import Audio, AudioInput, Session, TurnDetection
from chatbots.realtime.listening import Listening
from chatbots.realtime.outcomes import (
    Began,
    Called,
    Ended,
    Outcome,
    Refused,
    Updated,
    UserSaid,
)
from chatbots.realtime.playback import Playback
from chatbots.realtime.responding import Responding
from chatbots.realtime.turns import Illegal, Turns, UserDeed

ASIDE: Final = "aside"
"""The key in a response's metadata that tells one beside the conversation from those in it."""

_ALREADY: Final = "conversation_already_has_active_response"
_VOICE: Final = "cannot_update_voice"

_State: TypeAlias = Literal["completed", "incomplete", "cancelled", "failed"]
_STATES: Final = frozenset(get_args(_State))


class Standing:
    """A conversation on one connection: what is known, what has come of it, what is to be sent."""

    def __init__(self, conversation: Conversation, dialect: Dialect) -> None:
        self.conversation = conversation
        self.turns = Turns()
        self.session = Session()
        """The session as the server says it is, in today's words."""
        self.rate_limits: tuple[server.RateLimit, ...] = ()
        self.responding = Responding(self.turns)
        self.playback = Playback(conversation)
        self.listening = Listening()
        self.said = Joined()
        """The text of the response that is under way."""
        self.outcomes: list[Outcome] = []
        self.frames: list[bytes] = []
        self.updates: deque[str | None] = deque()
        """The events that change the session and were not answered; the server answers in order."""
        self._dialect: Dialect = dialect

    def write(self, event: ClientEvent) -> None:
        """Let an event be sent next; raises `InvalidRequest` if it cannot be right."""
        self.frames.append(write(event, self._dialect))

    def check(self, event: ClientEvent) -> None:
        """Raise `InvalidRequest` if *event* cannot be right."""
        write(event, self._dialect)

    def silent(self) -> None:
        """Take note if nothing sounds any more."""
        if self.turns.may("played") and not self.playback.unheard:
            self.turns.does("played")

    def cut_short(self) -> None:
        """Take in that what still sounds is not heard."""
        told, cuts = self.playback.interrupted()
        self.outcomes += told
        for event in cuts:
            self.write(event)

    def take_in(self, event: ServerEvent) -> None:
        """Let *event* change what it changes; raises `Illegal`, and nothing has changed."""
        if (handle := _ON.get(type(event))) is not None:
            handle(self, event)


def _on_session(now: Standing, event: server.SessionCreated | server.SessionUpdated) -> None:
    now.session = in_ga(event.session)
    now.playback.configure(now.session)
    now.listening.configure(now.session)
    match now.session:
        case Session(audio=Audio(input=AudioInput(turn_detection=TurnDetection() as detection))):
            now.turns.interruptible = detection.interrupt_response is not False
        case _:
            now.turns.interruptible = True
    if now.updates and isinstance(event, server.SessionUpdated):
        now.outcomes.append(Updated(now.updates.popleft(), now.session))


def _on_rate_limits(now: Standing, event: server.RateLimitsUpdated) -> None:
    now.rate_limits = event.rate_limits


def _on_error(now: Standing, event: server.ErrorEvent) -> None:
    error = event.error
    about = error.event_id or None
    if about is None and error.code == _ALREADY:  # not every server says which event
        about = now.responding.asked
    of_session = error.code == _VOICE or (error.param or "").startswith("session")
    if about is None and of_session and now.updates:
        about = now.updates[0]
    now.responding.refused(about)
    if about in now.updates:
        now.updates.remove(about)
    now.outcomes.append(Refused(about, error))


def _on_user(now: Standing, event: ServerEvent) -> None:
    interrupted = now.turns.heard(deed := _DEEDS[type(event)])
    if deed in ("committed", "cleared"):
        now.listening.forget()
    speaks_into = now.turns.interruptible and now.turns.user == "speaking"
    # What was said before a call may still sound while results are owed.
    if interrupted or (speaks_into and now.playback.unheard):
        now.cut_short()


def _on_item(
    now: Standing, event: server.ConversationItemCreated | server.ConversationItemDone
) -> None:
    now.conversation.add(event.item, event.previous_item_id)


def _on_deleted(now: Standing, event: server.ConversationItemDeleted) -> None:
    now.conversation.delete(event.item_id)


def _on_truncated(now: Standing, event: server.ConversationItemTruncated) -> None:
    now.playback.truncated(event.item_id, event.audio_end_ms)


def _on_transcript(
    now: Standing, event: server.ConversationItemInputAudioTranscriptionCompleted
) -> None:
    now.conversation.transcribe(event.item_id, event.transcript)
    now.outcomes.append(UserSaid(event.item_id, event.transcript))


def _on_no_transcript(
    now: Standing, event: server.ConversationItemInputAudioTranscriptionFailed
) -> None:
    now.outcomes.append(UserSaid(event.item_id, None))


def _on_created(now: Standing, event: responses.ResponseCreated) -> None:
    if ASIDE in (event.response.metadata or ()):
        return
    if now.turns.model in ("idle", "calling", "sounding"):
        # Nobody asked: the server has heard the end of the user's turn, if it said so or not.
        now.turns.heard("committed")
    asked_by = now.responding.began(event.response.id or "")
    now.said = Joined()
    now.outcomes.append(Began(now.responding.active or "", asked_by))
    if now.turns.model == "stopping":  # it was cancelled before it began, or the user speaks
        now.write(client.ResponseCancel())


def _on_output_item(
    now: Standing, event: responses.ResponseOutputItemAdded | responses.ResponseOutputItemDone
) -> None:
    if now.responding.is_active(event.response_id):
        now.conversation.add(event.item)


def _entry(
    now: Standing, event: responses.ResponseTextDelta | responses.ResponseAudioDelta
) -> Entry:
    """Return the item that an event lets grow; raises `Illegal` where nobody hears it."""
    entry = now.conversation.entries.get(event.item_id or "")
    active = now.responding.active
    if entry is None or now.turns.model != "answering" or (event.response_id or active) != active:
        raise Illegal("No such item is growing.")
    return entry


def _on_text(now: Standing, event: responses.ResponseTextDelta) -> None:
    _entry(now, event).words.add(event.delta)
    now.said.add(event.delta)
    if event.delta:
        now.outcomes.append(TextDelta(event.delta))


def _on_audio(now: Standing, event: responses.ResponseAudioDelta) -> None:
    now.playback.sounds(_entry(now, event), event)
    now.outcomes.append(event)


def _on_done(now: Standing, event: responses.ResponseDone) -> None:
    response = event.response
    said = response.output_text
    if ASIDE not in (response.metadata or ()):
        if not now.responding.is_active(response.id):
            raise Illegal("It has ended.")
        for item in response.output or ():
            now.conversation.add(item)
        whole = response.status == "completed"
        calls = [i for i in response.output or () if whole and i.type == "function_call"]
        made = now.responding.ended(calls, sounding=now.playback.unheard)
        now.outcomes += map(Called, made)
        said = said or now.said.text
    now.outcomes.append(
        Ended(
            response.id or "",
            cast("_State", response.status if response.status in _STATES else "completed"),
            _reason(response),
            said,
            response.usage,
            response.metadata,
            _message(response),
        )
    )


def _reason(response: responses.Response) -> str | None:
    """Return why a response ended as it did."""
    if (why := response.status_details) is None:
        return None
    return why.reason or (None if why.error is None else why.error.code or why.error.type)


def _message(response: responses.Response) -> str | None:
    why = response.status_details
    return None if why is None or why.error is None else why.error.message


_DEEDS: Final[dict[type[Event], UserDeed]] = {
    server.InputAudioBufferSpeechStarted: "speech_started",
    server.InputAudioBufferSpeechStopped: "speech_stopped",
    server.InputAudioBufferCommitted: "committed",
    server.InputAudioBufferCleared: "cleared",
}

_HANDLERS: Final[dict[type[Event], Callable[[Standing, Any], None]]] = {
    server.SessionCreated: _on_session,
    server.SessionUpdated: _on_session,
    server.RateLimitsUpdated: _on_rate_limits,
    server.ErrorEvent: _on_error,
    **dict.fromkeys(_DEEDS, _on_user),
    server.ConversationItemCreated: _on_item,
    server.ConversationItemDone: _on_item,
    server.ConversationItemDeleted: _on_deleted,
    server.ConversationItemTruncated: _on_truncated,
    server.ConversationItemInputAudioTranscriptionCompleted: _on_transcript,
    server.ConversationItemInputAudioTranscriptionFailed: _on_no_transcript,
    responses.ResponseCreated: _on_created,
    responses.ResponseOutputItemAdded: _on_output_item,
    responses.ResponseOutputItemDone: _on_output_item,
    responses.ResponseTextDelta: _on_text,
    responses.ResponseAudioTranscriptDelta: _on_text,
    responses.ResponseAudioDelta: _on_audio,
    responses.ResponseDone: _on_done,
}

_ON: Final = {
    event: _HANDLERS[kind]
    for event in (*SERVER.values(), *BETA_SERVER.values())
    for kind in event.__mro__
    if kind in _HANDLERS
}
"""Each event -> what takes it in; an event of another name is taken in as the class it is of."""
