"""A realtime session of the fake server: a host on a socket, with scripted answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from random import Random
from typing import Final

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup

from chatbots.realtime.hosting.answer import Answer as Told
from chatbots.realtime.hosting.configuring import detection_of, heard
from chatbots.realtime.hosting.demands import Demand, Heard, Respond, Spoken
from chatbots.realtime.hosting.host import Host
from chatbots.realtime.playback import bytes_per_ms
from chatbots.testing.answers import handed_out
from chatbots.testing.desk import Desk
from chatbots.testing.realtime.asking import obliged, request_of
from chatbots.testing.realtime.faults import FAULTS
from chatbots.testing.realtime.socket import FAREWELL, Socket
from chatbots.testing.realtime.sounds import Ear
from chatbots.testing.realtime.spoiling import EXPIRED
from chatbots.testing.realtime.steps import Close, Ping, Raw, Say, Script, Step, Wait
from chatbots.testing.realtime.talk import Talk

SILENCE_MS: Final = 500
"""How long nobody speaks at the end of a turn, where the session does not say."""


class Conversing:
    """One session from its first event to its end."""

    def __init__(self, socket: Socket, host: Host, talk: Talk, desk: Desk, chance: Random) -> None:
        self._socket = socket
        self._host = host
        self._talk = talk
        self._desk = desk
        self._chance = chance
        self._ear = Ear()
        self._order = anyio.Lock()
        self._tasks: TaskGroup

    async def run(self, lifetime: float) -> None:
        """Serve until either side ends it, or for so many seconds."""
        try:
            async with anyio.create_task_group() as self._tasks:
                await self._flush()
                self._tasks.start_soon(self._expire, lifetime)
                while (message := await self._socket.receive()) is not None:
                    self._talk.heard.append(message)
                    self._talk.changed()
                    await self._do(self._host.receive(message))
                self._tasks.cancel_scope.cancel()
        finally:
            self._talk.open = False
            self._talk.changed()

    async def _expire(self, seconds: float) -> None:
        await anyio.sleep(seconds)
        self._host.complain(EXPIRED, "session_expired", kind="invalid_request_error")
        await self._flush()
        await self._play([Close(1001, EXPIRED)])

    async def _do(self, demands: Sequence[Demand]) -> None:
        for demand in demands:
            match demand:
                case Respond(answer):
                    await self._flush()
                    self._tasks.start_soon(self._give, answer)
                case Heard(audio):
                    await self._do(self._listen(audio))
                case Spoken(item_id, audio, transcription):
                    self._write_down(item_id, audio, asked=transcription is not None)
                case _:
                    pass
        await self._flush()

    def _listen(self, audio: bytes) -> list[Demand]:
        detection = detection_of(self._host.session)
        if detection is None:
            return []
        said = detection.silence_duration_ms
        silence = said if isinstance(said, int) else SILENCE_MS
        match self._ear.hears(audio, self._per_ms, silence):
            case "started":
                return self._host.speech_started(int(self._ear.ms) - len(audio) // self._per_ms)
            case "stopped":
                return self._host.speech_stopped()
            case _:
                return []

    def _write_down(self, item_id: str, audio: bytes, *, asked: bool) -> None:
        if self._desk.fault(self._talk.model) == "transcription-failed":
            if asked:
                self._host.not_transcribed(item_id, "The fake server could not understand it.")
            return
        text = self._desk.transcript()
        if asked:
            self._host.transcribing(item_id, text)
        self._host.transcribed(item_id, text, seconds=len(audio) / self._per_ms / 1000)

    @property
    def _per_ms(self) -> int:
        return bytes_per_ms(heard(self._host.session).format)

    async def _give(self, told: Told) -> None:
        request = request_of(told, self._talk.model)
        answer = self._desk.answer(request)
        if not answer.tool_calls:
            answer = replace(answer, tool_calls=obliged(told, request))
        if answer.hold is not None:
            await answer.hold.wait()
        script = Script(told, answer, [], request, self._host, self._chance)
        name, _, number = (answer.fault or "").partition(":")
        async with aclosing(handed_out(answer.text)) as pieces:
            if (fault := FAULTS.get(name)) is not None:
                script.pieces.extend([piece async for piece in pieces])
                self._socket.exchange.call.fault = answer.fault or ""
                self._socket.exchange.struck()
                await self._play(fault.steps(script, float(number) if number else fault.default))
                return
            async for piece in pieces:
                await anyio.sleep(answer.delay)
                script.pieces.append(piece)
                await self._play(script.speak(piece))
                if answer.drop_after == len(script.pieces):
                    await self._play([Close()])
        await self._play(script.finish())

    async def _flush(self) -> None:
        async with self._order:
            for frame in self._host.data_to_send():
                await self._say(frame)

    async def _play(self, steps: Iterable[Step]) -> None:
        """Take *steps*; nobody else says anything between two that do not wait."""
        taken = iter(steps)
        while True:
            pause = await self._take(taken)
            if pause is None:
                return
            await anyio.sleep(pause)

    async def _take(self, steps: Iterator[Step]) -> float | None:
        """Take steps up to the next that waits; return how long, or None after the last."""
        async with self._order:
            for step in steps:
                match step:
                    case Say(frame):
                        await self._say(frame)
                    case Raw(data):
                        await self._socket.raw(data)
                    case Ping():
                        await self._socket.ping()
                    case Wait(seconds):
                        return seconds
                    case Close(code, reason):
                        await self._end(code, reason)
        return None

    async def _say(self, frame: bytes) -> None:
        self._talk.said.append(frame)
        await self._socket.send(frame)
        self._talk.changed()

    async def _end(self, code: int | None, reason: str) -> None:
        """End the session; the client has a moment to close its side."""
        if code is None:
            self._socket.exchange.reset()
        else:
            await self._socket.close(code, reason)
            await anyio.sleep(FAREWELL)
        self._tasks.cancel_scope.cancel()
        await anyio.lowlevel.checkpoint()
