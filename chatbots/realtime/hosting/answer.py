"""A response as it is given: a few verbs, told to the client in the order of OpenAI's server."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, Literal, TypeAlias, TypeVar

from msgspec import Struct, UnsetType
from msgspec.structs import replace

from chatbots.realtime.events import responses, server
from chatbots.realtime.events.event import ServerEvent
from chatbots.realtime.events.items import ContentPart, Item, encoded
from chatbots.realtime.events.session import Audio, Maybe, ResponseParams
from chatbots.realtime.hosting.items import Items
from chatbots.realtime.hosting.outbox import Outbox

State: TypeAlias = Literal["completed", "incomplete", "cancelled", "failed"]

T = TypeVar("T")

CALL: Final = "function_call"


def said(value: Maybe[T]) -> T | None:
    """Return what a field says; None where it says nothing."""
    return None if isinstance(value, UnsetType) else value


def part_of(kind: str, text: str) -> ContentPart:
    """Return a part of a message as events about parts tell it."""
    if kind == "audio":
        return ContentPart(type=kind, transcript=text)
    return ContentPart(type=kind, text=text)


class Frame(Struct, frozen=True):
    """What a response stands on: where it is told, and the conversation it writes to, if any."""

    outbox: Outbox
    items: Items | None
    conversation_id: str | None
    limits: tuple[server.RateLimit, ...] = ()


class _Message:
    """The message that is being said."""

    def __init__(self, item: Item) -> None:
        self.item = item
        self.words: list[str] = []
        self.sound: list[bytes] = []


class Answer:
    """One response. After its end each verb does nothing: a cancelled one may still be told more.

        answer.say("Six times seven ")     text, or what the audio says
        answer.sound(pcm)                  audio in the session's output format
        answer.call("multiply", '{"a":6,', '"b":7}')
        answer.end()

    A message opens with its first words, and closes where a function is called or at the end.
    """

    def __init__(
        self,
        frame: Frame,
        manner: ResponseParams,
        context: Callable[[], Iterable[Item]],
        ended: Callable[[Answer], None],
    ) -> None:
        self.id = frame.outbox.new_id("resp_")
        self.manner = manner
        """How to answer."""
        self.over = False
        """Whether it has ended, however it did."""
        self._frame = frame
        self._context = context
        self._ended = ended
        self._output: list[Item] = []
        self._message: _Message | None = None
        self._tell(responses.ResponseCreated(response=self._as("in_progress")))

    @property
    def context(self) -> tuple[Item, ...]:
        """What is answered: the conversation as it is by now, or what was said for this response.

        Look at it before the first word, and after what the user said was written down.
        """
        return tuple(self._context())

    @property
    def audible(self) -> bool:
        """Whether it is to be heard; else it is read."""
        return "audio" in (said(self.manner.output_modalities) or ("audio",))

    @property
    def aside(self) -> bool:
        """Whether it is beside the conversation."""
        return self._frame.items is None

    def say(self, text: str) -> None:
        """Say the next piece of text, or of what the audio says."""
        if not text or (message := self._speaking()) is None:
            return
        message.words.append(text)
        if self.audible:
            self._tell_part(responses.ResponseAudioTranscriptDelta(delta=text))
        else:
            self._tell_part(responses.ResponseTextDelta(delta=text))

    def sound(self, audio: bytes) -> None:
        """Say the next piece of audio; nobody hears it where text was asked for."""
        if not audio or not self.audible or (message := self._speaking()) is None:
            return
        message.sound.append(audio)
        self._tell_part(responses.ResponseAudioDelta(delta=encoded(audio)))

    def call(self, name: str, *arguments: str, call_id: str | None = None) -> None:
        """Call a function of the client's; *arguments* are pieces of JSON text."""
        if self.over:
            return
        self._close("completed")
        call_id = call_id or self._frame.outbox.new_id("call_")
        item = self._open(Item(type=CALL, name=name, call_id=call_id, arguments=""))
        for piece in arguments:
            delta = responses.ResponseFunctionCallArgumentsDelta(call_id=call_id, delta=piece)
            self._tell_of(item, delta)
        whole = "".join(arguments)
        self._tell_of(
            item,
            responses.ResponseFunctionCallArgumentsDone(
                call_id=call_id, name=name, arguments=whole
            ),
        )
        self._finish(replace(item, arguments=whole, status="completed"))

    def end(
        self,
        state: State = "completed",
        reason: str | None = None,
        *,
        usage: responses.ResponseUsage | None = None,
        error: responses.ResponseFailure | None = None,
    ) -> None:
        """End it: `incomplete` for `max_output_tokens` or `content_filter`, `failed` by an *error*.

        What was open is closed, as incomplete unless the response is completed.
        """
        if self.over:
            return
        self._close("completed" if state == "completed" else "incomplete")
        self.over = True
        why = responses.ResponseStatus(type=state, reason=reason, error=error)
        response = replace(
            self._as(state),
            status_details=None if state == "completed" else why,
            usage=usage or responses.ResponseUsage(0, 0, 0),
        )
        self._tell(responses.ResponseDone(response=response))
        if self._frame.limits:
            self._tell(server.RateLimitsUpdated(rate_limits=self._frame.limits))
        self._ended(self)

    def _tell(self, event: ServerEvent, **where: object) -> None:
        self._frame.outbox.tell(event, **where)

    def _tell_of(self, item: Item, event: ServerEvent, **where: object) -> None:
        place = len(self._output)
        self._tell(event, response_id=self.id, output_index=place, item_id=item.id, **where)

    def _tell_part(self, event: ServerEvent) -> None:
        assert self._message is not None  # noqa: S101 - it is being said
        self._tell_of(self._message.item, event, content_index=0)

    def _speaking(self) -> _Message | None:
        if self._message is None and not self.over:
            item = self._open(Item(type="message", role="assistant", content=()))
            self._message = _Message(item)
            part = part_of("audio" if self.audible else "text", "")
            self._tell_part(responses.ResponseContentPartAdded(part=part))
        return self._message

    def _open(self, item: Item) -> Item:
        named = self._frame.outbox.new_id("item_")
        item = replace(item, id=named, object="realtime.item", status="in_progress")
        place = {"response_id": self.id, "output_index": len(self._output)}
        self._tell(responses.ResponseOutputItemAdded(item=item), **place)
        if self._frame.items is not None:
            before = self._frame.items.add(item)
            self._tell(server.ConversationItemAdded(item=item, previous_item_id=before))
        return item

    def _close(self, status: str) -> None:
        if (message := self._message) is None:
            return
        text = "".join(message.words)
        if self.audible:
            self._tell_part(responses.ResponseAudioDone())
            self._tell_part(responses.ResponseAudioTranscriptDone(transcript=text))
        else:
            self._tell_part(responses.ResponseTextDone(text=text))
        part = part_of("audio" if self.audible else "text", text)
        self._tell_part(responses.ResponseContentPartDone(part=part))
        self._message = None
        if message.sound and self._frame.items is not None:
            self._frame.items.keep(message.item.id or "", b"".join(message.sound))
        spoken = replace(part, type=f"output_{part.type}")
        self._finish(replace(message.item, content=(spoken,), status=status))

    def _finish(self, item: Item) -> None:
        if self._frame.items is not None:
            before = self._frame.items.renew(item)
            self._tell(server.ConversationItemDone(item=item, previous_item_id=before))
        place = {"response_id": self.id, "output_index": len(self._output)}
        self._tell(responses.ResponseOutputItemDone(item=item), **place)
        self._output.append(item)

    def _as(self, status: str) -> responses.Response:
        manner = self.manner
        audio = manner.audio if isinstance(manner.audio, Audio) else None
        return responses.Response(
            id=self.id,
            object="realtime.response",
            status=status,
            output=tuple(self._output),
            conversation_id=self._frame.conversation_id,
            metadata=said(manner.metadata),
            output_modalities=said(manner.output_modalities),
            max_output_tokens=said(manner.max_output_tokens),
            audio=None if audio is None else Audio(output=audio.output),
        )
