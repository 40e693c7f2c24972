"""A session as its host has it, and what each event of the client does to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from msgspec import UNSET
from msgspec.structs import replace

from chatbots.realtime.events import client, server
from chatbots.realtime.events.event import ClientEvent, Dialect, Event
from chatbots.realtime.events.items import ContentPart, Item
from chatbots.realtime.events.session import (
    Manner,
    ResponseParams,
    Session,
    Transcription,
)
from chatbots.realtime.hosting.answer import Answer, Frame, said
from chatbots.realtime.hosting.configuring import (
    detection_of,
    heard,
    manner_of,
    spoken,
    transcription_of,
    updated,
)
from chatbots.realtime.hosting.demands import (
    Cancelled,
    Cleared,
    Configured,
    Demand,
    Heard,
    Respond,
    Spoken,
)
from chatbots.realtime.hosting.hearing import Hearing
from chatbots.realtime.hosting.items import Items, without_audio
from chatbots.realtime.hosting.outbox import Ids, Outbox
from chatbots.realtime.hosting.refusal import Refusal
from chatbots.realtime.playback import bytes_per_ms


class Hosted:
    """The session, its items, the user's audio, and the answers that are being given."""

    def __init__(self, session: Session, dialect: Dialect, ids: Ids) -> None:
        self.session = session
        self.items = Items()
        self.hearing = Hearing()
        self.outbox = Outbox(dialect, ids)
        self.limits: tuple[server.RateLimit, ...] = ()
        self.voice_complaint: Callable[[str], str | None] | None = None
        self.conversation_id = ids("conv_")
        self.answers: dict[str, Answer] = {}

    @property
    def active(self) -> Answer | None:
        """The answer that writes to the conversation."""
        return next((one for one in self.answers.values() if not one.aside), None)

    def take_in(self, event: ClientEvent) -> list[Demand]:
        """Do what the client asks; raises `Refusal`, and nothing has changed."""
        return _ON[type(event)](self, event)

    def respond(self, params: ResponseParams | None) -> list[Demand]:
        """Begin an answer; raises `Refusal` while there is one."""
        self.check_voice(params, "response")
        aside = params is not None and params.conversation == "none"
        if not aside and (active := self.active) is not None:
            raise Refusal(
                f"Conversation already has an active response in progress: {active.id}. "
                "Wait until the response is finished before creating a new one.",
                "conversation_already_has_active_response",
            )
        given = said(params.input) if params is not None else None
        resolved = [self._resolved(item) for item in given or ()]
        frame = Frame(
            self.outbox,
            None if aside else self.items,
            None if aside else self.conversation_id,
            self.limits,
        )

        def context() -> Iterable[Item]:
            return self.items if given is None else resolved

        answer = Answer(frame, manner_of(self.session, params), context, self._ended)
        self.answers[answer.id] = answer
        return [Respond(answer)]

    def commit(self) -> list[Demand]:
        """Make a message of the user's audio; raises `Refusal` for too little."""
        name = self.hearing.speaking or self.outbox.new_id("item_")
        audio = self.hearing.take()
        part = ContentPart(type="input_audio")
        item = Item(type="message", id=name, role="user", content=(part,))
        self.outbox.tell(
            server.InputAudioBufferCommitted(item_id=name, previous_item_id=self.items.last)
        )
        self.add(item)
        self.items.keep(name, audio)
        return [Spoken(name, audio, self.transcription)]

    def add(self, item: Item, after: str | None = None) -> None:
        """Put an item in the conversation and say so; raises `Refusal` where it cannot be."""
        whole = replace(
            item,
            id=item.id or self.outbox.new_id("item_"),
            object="realtime.item",
            status=item.status or "completed",
        )
        before = self.items.add(without_audio(whole), after)
        told = without_audio(whole)
        self.outbox.tell(server.ConversationItemAdded(item=told, previous_item_id=before))
        self.outbox.tell(server.ConversationItemDone(item=told, previous_item_id=before))

    @property
    def transcription(self) -> Transcription | None:
        """How the user's speech is written down, if it is."""
        return transcription_of(self.session)

    def check_voice(self, told: Manner | None, name: str) -> None:
        """Raise `Refusal` for a voice that there is not."""
        voice = spoken(told).voice if told is not None else None
        if self.voice_complaint is None or not isinstance(voice, str):
            return
        if (complaint := self.voice_complaint(voice)) is not None:
            raise Refusal(complaint, param=f"{name}.audio.output.voice")

    def _ended(self, answer: Answer) -> None:
        del self.answers[answer.id]

    def _resolved(self, item: Item) -> Item:
        return self.items.get(item.id or "") if item.type == "item_reference" else item


def _on_update(host: Hosted, event: client.SessionUpdate) -> list[Demand]:
    said = event.session.model
    if said and said != host.session.model:
        raise Refusal("The model of a session cannot be changed.", param="session.model")
    host.check_voice(event.session, "session")
    voice = spoken(event.session).voice or UNSET
    sounded = (item.role == "assistant" and host.items.audio(item.id or "") for item in host.items)
    if voice not in (UNSET, spoken(host.session).voice) and any(sounded):
        raise Refusal(
            "Cannot update a conversation's voice if assistant audio is present.",
            "cannot_update_voice",
        )
    host.session = updated(host.session, event.session)
    host.hearing.per_ms = bytes_per_ms(heard(host.session).format)
    host.outbox.tell(server.SessionUpdated(session=host.session))
    return [Configured(host.session)]


def _on_append(host: Hosted, event: client.InputAudioBufferAppend) -> list[Demand]:
    waits = detection_of(host.session) is not None and host.hearing.speaking is None
    return [Heard(host.hearing.append(event.audio, waits=waits))]


def _on_commit(host: Hosted, _: client.InputAudioBufferCommit) -> list[Demand]:
    return host.commit()


def _on_clear(host: Hosted, _: client.InputAudioBufferClear) -> list[Demand]:
    host.hearing.clear()
    host.outbox.tell(server.InputAudioBufferCleared())
    return [Cleared()]


def _on_item(host: Hosted, event: client.ConversationItemCreate) -> list[Demand]:
    item = event.item
    if item.type == "function_call_output" and not any(
        known.type == "function_call" and known.call_id == item.call_id for known in host.items
    ):
        raise Refusal(
            f"Tool call ID '{item.call_id}' not found in conversation.",
            "invalid_tool_call_id",
        )
    sound = b"".join(_audio(part, place) for place, part in enumerate(item.content or ()))
    item = replace(item, id=item.id or host.outbox.new_id("item_"))
    host.add(item, event.previous_item_id)
    if not sound:
        return []
    host.items.keep(item.id or "", sound)
    return [Spoken(item.id or "", sound, host.transcription, live=False)]


def _audio(part: ContentPart, place: int) -> bytes:
    """Return the sound of a part; raises `Refusal` where it is no base64."""
    try:
        return Hearing().append(part.audio or "", waits=False)
    except Refusal as refusal:
        raise Refusal(refusal.message, refusal.code, f"item.content[{place}].audio") from None


def _on_retrieve(host: Hosted, event: client.ConversationItemRetrieve) -> list[Demand]:
    item = host.items.retrieve(event.item_id)
    host.outbox.tell(server.ConversationItemRetrieved(item=item))
    return []


def _on_truncate(host: Hosted, event: client.ConversationItemTruncate) -> list[Demand]:
    item = host.items.get(event.item_id, "truncate")
    part = dict(enumerate(item.content or ())).get(event.content_index)
    if item.role != "assistant" or part is None or part.type != "output_audio":
        raise Refusal(
            "Only model output audio messages can be truncated.", "unsupported_content_type"
        )
    per_ms = bytes_per_ms(spoken(host.session).format)
    sound = host.items.audio(event.item_id)
    has, end = len(sound) // per_ms, event.audio_end_ms
    if end > has or end < 0:
        raise Refusal(f"Audio content of {has}ms is already shorter than {end}ms")
    host.items.keep(event.item_id, sound[: end * per_ms])
    host.items.transcribe(event.item_id, "")
    host.outbox.tell(
        server.ConversationItemTruncated(
            item_id=event.item_id, content_index=event.content_index, audio_end_ms=end
        )
    )
    return []


def _on_delete(host: Hosted, event: client.ConversationItemDelete) -> list[Demand]:
    host.items.delete(event.item_id)
    host.outbox.tell(server.ConversationItemDeleted(item_id=event.item_id))
    return []


def _on_create(host: Hosted, event: client.ResponseCreate) -> list[Demand]:
    return host.respond(event.response)


def _on_cancel(host: Hosted, event: client.ResponseCancel) -> list[Demand]:
    answer = host.active if event.response_id is None else host.answers.get(event.response_id)
    if answer is None:
        raise Refusal("Cancellation failed: no active response found", "response_cancel_not_active")
    answer.end("cancelled", "client_cancelled")
    return [Cancelled(answer)]


def _on_output_clear(_: Hosted, event: client.OutputAudioBufferClear) -> list[Demand]:
    said = f"Invalid value: '{event.type}'. The client of a WebSocket plays what it hears itself."
    raise Refusal(said, param="type")


_ON: Final[dict[type[Event], Callable[[Hosted, Any], list[Demand]]]] = {
    client.SessionUpdate: _on_update,
    client.InputAudioBufferAppend: _on_append,
    client.InputAudioBufferCommit: _on_commit,
    client.InputAudioBufferClear: _on_clear,
    client.OutputAudioBufferClear: _on_output_clear,
    client.ConversationItemCreate: _on_item,
    client.ConversationItemRetrieve: _on_retrieve,
    client.ConversationItemTruncate: _on_truncate,
    client.ConversationItemDelete: _on_delete,
    client.ResponseCreate: _on_create,
    client.ResponseCancel: _on_cancel,
}
