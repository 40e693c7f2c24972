"""A realtime server in this process that hears and speaks: loud bytes are speech, sound is loud."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import anyio
from anyio.abc import TaskGroup

from chatbots.deltas import AudioDelta, Delta, TextDelta
from chatbots.flow.calling import Asking
from chatbots.flow.unwrap import unwrapped
from chatbots.interfaces import ChatModel
from chatbots.messages import ModelRequest
from chatbots.realtime.address import Address
from chatbots.realtime.audio import ms_of, size_of
from chatbots.realtime.events.session import Session
from chatbots.realtime.hosting.answer import Answer
from chatbots.realtime.hosting.demands import Demand, Heard, Respond, Spoken
from chatbots.realtime.session import RealtimeSession
from chatbots.services.call import VoiceCall
from chatbots.services.speech import Speech
from chatbots.services.take_turn import Manner
from chatbots.services.voice import VoiceBot, VoiceChat
from chatbots.sessions.in_memory import InMemorySessions
from chatbots.testing import ScriptedModel
from tests.services.hosted import QUICK, Hosted, HostedConn, _Saying

MS_PER_CHAR = 20
PAUSE_MS = 500


class Server(Hosted):
    """Hears `words`, one for each turn: None is not understood, `...` never written down."""

    def __init__(self, model: ChatModel, tasks: TaskGroup, *words: str | None) -> None:
        super().__init__(model, tasks)
        self.words = list(words)

    async def dial(self, url: str, headers: Mapping[str, str]) -> HostedConn:
        if self.refusals:
            raise self.refusals.pop(0)
        self.conns.append(SpeakingConn(self))
        return self.conns[-1]

    def speaking(
        self, model: str | None, config: Session, *, plays: bool = False
    ) -> AbstractAsyncContextManager[RealtimeSession]:
        address = Address(base_url="http://hosted/v1")
        return RealtimeSession(
            self, address, config=config, model=model, patience=QUICK, plays=plays
        )

    def sent(self, kind: str) -> list[Any]:
        return [frame for frame in self.frames if frame["type"] == kind]


class SpeakingConn(HostedConn):
    _hosted: Server
    _quiet = 0

    def _do(self, demands: list[Demand]) -> None:
        for demand in demands:
            match demand:
                case Heard(audio) if self._host.session.audio.input.turn_detection:  # type: ignore[union-attr]
                    loud = any(audio)
                    self._quiet = 0 if loud else self._quiet + ms_of(len(audio))
                    if loud:
                        self._do(self._host.speech_started())
                    elif self._quiet >= PAUSE_MS:
                        self._do(self._host.speech_stopped())
                case Spoken(item_id):
                    words = self._hosted.words.pop(0) if self._hosted.words else "Hm?"
                    if words is None:
                        self._host.not_transcribed(item_id, "Noise.")
                    elif words != "...":
                        self._host.transcribed(item_id, words)
                case Respond(answer) if not answer.audible:
                    raise AssertionError("A voice has to be heard.")
                case _:
                    super()._do([demand])

    def _saying(self, answer: Answer) -> _Saying:
        return _Aloud(self, answer)


class _Aloud(_Saying):
    async def send(self, item: Delta) -> None:
        await super().send(item)
        if isinstance(item, TextDelta):
            self._answer.sound(b"\x01" * size_of(MS_PER_CHAR * len(item.text)))
            self._conn._flush()


@asynccontextmanager
async def serving(model: ChatModel, *words: str | None) -> AsyncGenerator[Server]:
    with unwrapped():
        async with anyio.create_task_group() as tasks:
            yield (server := Server(model, tasks, *words))
            tasks.cancel_scope.cancel()
        assert not server.bugs


def heard(request: ModelRequest) -> list[str]:
    return [message.content for message in request.messages]


SPEECH = b"\x01" * size_of(300)


class Talk:
    def __init__(self, bot: VoiceBot, server: Server, model: ScriptedModel) -> None:
        self.bot = bot
        self.server = server
        self.model = model
        self.told: list[Delta] = []

    async def until(self, call: VoiceCall, kind: type[Delta]) -> Delta:
        """Read the call up to the next delta of a *kind*."""
        with anyio.fail_after(20):
            async for delta in call.deltas:
                self.told.append(delta)
                if isinstance(delta, kind):
                    return delta
        raise AssertionError(f"There was no {kind}.")

    def pcm(self) -> bytes:
        return b"".join(delta.pcm for delta in self.told if isinstance(delta, AudioDelta))


@asynccontextmanager
async def talking(
    *answers: str,
    words: tuple[str | None, ...] = (),
    speech: Speech | None = None,
    plays: bool = False,
    store: InMemorySessions | None = None,
    **asking: object,
) -> AsyncGenerator[Talk]:
    model = ScriptedModel(*answers)
    store = store or InMemorySessions()
    async with serving(model, *words) as server:
        manner = Manner(instructions="Be brief.")
        chat = VoiceChat(server.speaking, store, manner, speech=speech)
        options: Asking = {"session": "ada", **asking}  # type: ignore[typeddict-item]
        talk = Talk(VoiceBot(chat, store, plays=plays, **options), server, model)
        yield talk
        await chat.aclose()
        assert all(conn.closed for conn in server.conns)


async def says(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def speak(call: VoiceCall) -> None:
    await call.send_audio(SPEECH)
    await call.send_audio(bytes(size_of(500)))
