"""The server's side of a realtime conversation: a client's frames in, frames and demands out.

    host = Host(model="any")
    send(host.data_to_send())                session.created
    for demand in host.receive(frame):       what there is to hear, to answer and to stop
        if isinstance(demand, Respond):
            demand.answer.say("Hello.")
            demand.answer.end()
    send(host.data_to_send())

No clock, no socket, no model: those are its caller's.
A client's mistake is answered by an `error` event, and the session stays as it was.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from chatbots.errors import ChatError
from chatbots.realtime.events import server
from chatbots.realtime.events.event import BETA, GA, Dialect, ServerEvent
from chatbots.realtime.events.session import ResponseParams, Session
from chatbots.realtime.events.unknown import UnknownEvent
from chatbots.realtime.hosting.checks import read
from chatbots.realtime.hosting.configuring import detection_of, session_of
from chatbots.realtime.hosting.demands import Cancelled, Demand
from chatbots.realtime.hosting.hearing import Hearing
from chatbots.realtime.hosting.hosted import Hosted
from chatbots.realtime.hosting.items import Items
from chatbots.realtime.hosting.outbox import Ids, random_id
from chatbots.realtime.hosting.refusal import Refusal


class Host:
    """One session. After each call fetch `data_to_send`.

    *session*: what it is from the start, in place of defaults (`configuring.session_of`).
    *expires_at*: Unix seconds, told to the client. *limits*: told at the end of every response.
    *ids* makes ids from a prefix such as `item_`.
    *voice_complaint* tells what is wrong with a voice's name; None: every name is right.
    """

    def __init__(
        self,
        *,
        model: str,
        dialect: Dialect = GA,
        session: Session | None = None,
        expires_at: int | None = None,
        limits: tuple[server.RateLimit, ...] = (),
        ids: Ids = random_id,
        voice_complaint: Callable[[str], str | None] | None = None,
    ) -> None:
        first = replace(
            session or session_of(),
            model=model,
            id=ids("sess_"),
            object="realtime.session",
            expires_at=expires_at,
        )
        self._hosted = Hosted(first, dialect, ids)
        self._hosted.limits = limits
        self._hosted.voice_complaint = voice_complaint
        self.dialect: Dialect = dialect
        self.items: Items = self._hosted.items
        """The conversation."""
        self.hearing: Hearing = self._hosted.hearing
        """What the user says that is not yet a message."""
        self._tell(server.SessionCreated(session=self.session))
        if dialect == BETA:
            made = server.Conversation(self._hosted.conversation_id, "realtime.conversation")
            self._tell(server.ConversationCreated(conversation=made))

    @property
    def session(self) -> Session:
        """The session as it is now, in today's words."""
        return self._hosted.session

    def receive(self, frame: bytes | str) -> list[Demand]:
        """Take in a frame of the client's; return what there is to do, in order."""
        try:
            return self._hosted.take_in(read(frame, self._hosted.outbox.dialect))
        except Refusal as refusal:
            said = refusal
        except ChatError as error:
            said = Refusal(str(error.message), "invalid_json")
        self.complain(
            said.message,
            said.code,
            kind="invalid_request_error",
            param=said.param,
            event_id=_event_id(frame),
        )
        return []

    def data_to_send(self) -> list[bytes]:
        """Return the frames to send now, in order; they count as sent."""
        return self._hosted.outbox.take()

    def respond(self, params: ResponseParams | None = None) -> list[Demand]:
        """Begin an answer that the client did not ask for; while there is one, none begins."""
        try:
            return self._hosted.respond(params)
        except Refusal:
            return []

    def speech_started(self, ms: int | None = None) -> list[Demand]:
        """Say that the user speaks since *ms* of the session's audio (now); it may interrupt.

        Nothing happens where the user speaks already.
        """
        hosted, detection = self._hosted, detection_of(self.session)
        if hosted.hearing.speaking is not None:
            return []
        name, start = hosted.outbox.new_id("item_"), hosted.hearing.ms if ms is None else ms
        padding = detection.prefix_padding_ms if detection is not None else 0
        start = max(0, start - (padding if isinstance(padding, int) else 0))
        hosted.hearing.start(name, start)
        self._tell(server.InputAudioBufferSpeechStarted(item_id=name, audio_start_ms=start))
        active = hosted.active
        if active is None or detection is None or detection.interrupt_response is False:
            return []
        active.end("cancelled", "turn_detected")
        return [Cancelled(active)]

    def speech_stopped(self, ms: int | None = None) -> list[Demand]:
        """Say that the user's turn ended: what was heard is a message, and maybe answered.

        A turn too short to be a message is forgotten.
        """
        hosted, detection = self._hosted, detection_of(self.session)
        if (name := hosted.hearing.speaking) is None:
            return []
        end = hosted.hearing.ms if ms is None else ms
        self._tell(server.InputAudioBufferSpeechStopped(item_id=name, audio_end_ms=end))
        try:
            demands = hosted.commit()
        except Refusal:
            hosted.hearing.clear()
            self._tell(server.InputAudioBufferCleared())
            return []
        answers = detection is not None and detection.create_response is not False
        if not answers or self.session.type == "transcription":
            return demands
        return [*demands, *self.respond()]

    def transcribing(self, item_id: str, delta: str) -> None:
        """Say the next piece of what the user said in an item."""
        self._tell(
            server.ConversationItemInputAudioTranscriptionDelta(
                item_id=item_id, content_index=0, delta=delta
            )
        )

    def transcribed(self, item_id: str, text: str, *, seconds: float | None = None) -> None:
        """Say what the user said in an item; *seconds* of audio are its usage.

        The client is told where it asked for it; whoever answers sees it in any case.
        """
        self.items.transcribe(item_id, text)
        if self._hosted.transcription is not None:
            self._tell(
                server.ConversationItemInputAudioTranscriptionCompleted(
                    item_id=item_id,
                    content_index=0,
                    transcript=text,
                    usage={"type": "duration", "seconds": seconds or 0.0},
                )
            )

    def not_transcribed(
        self, item_id: str, message: str, code: str = "audio_unintelligible"
    ) -> None:
        """Say why what the user said could not be written down."""
        error = server.ApiError(type="transcription_error", code=code, message=message)
        self._tell(
            server.ConversationItemInputAudioTranscriptionFailed(
                item_id=item_id, content_index=0, error=error
            )
        )

    def complain(
        self,
        message: str,
        code: str | None = None,
        *,
        kind: str = "server_error",
        param: str | None = None,
        event_id: str | None = None,
    ) -> None:
        """Say that something went wrong: `error`, about the client's event with that id."""
        error = server.ApiError(
            type=kind,
            code=code,
            message=_whole(message),
            param=param and _whole(param),
            event_id=event_id and _whole(event_id),
        )
        self._tell(server.ErrorEvent(error=error))

    def _tell(self, event: ServerEvent) -> None:
        self._hosted.outbox.tell(event)


def _event_id(frame: bytes | str) -> str | None:
    """Return the id of the event in a frame that is wrong, if it has one."""
    try:
        event = UnknownEvent.of(frame.encode() if isinstance(frame, str) else frame, "")
    except (ValueError, RecursionError):
        return None
    match event.payload:
        case {"event_id": str(name)}:
            return name
        case _:
            return None


def _whole(text: str) -> str:
    """Return *text* with U+FFFD for half a surrogate pair, which no frame can have."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
