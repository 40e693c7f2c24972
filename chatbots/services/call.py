"""A spoken conversation: sound goes in, and deltas come out, turn by turn."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable
from types import TracebackType
from typing import Final, Self

import anyio
from anyio.abc import ObjectReceiveStream, ObjectSendStream, TaskGroup
from msgspec.structs import replace

from chatbots.deltas import Delta, Interrupted, Notice, UserSaid
from chatbots.flow.channel import open_channel
from chatbots.flow.unwrap import unwrapped
from chatbots.interfaces import Sink
from chatbots.messages import Prompt
from chatbots.realtime.asking import Told
from chatbots.realtime.audience import Stream
from chatbots.realtime.audio import Chunker, size_of
from chatbots.realtime.conversation import UNINTELLIGIBLE
from chatbots.realtime.conversion import Converter, Kind, Sounding
from chatbots.realtime.events.client import InputAudioBufferAppend, InputAudioBufferCommit
from chatbots.realtime.events.server import (
    ConversationItemInputAudioTranscriptionDelta as Writes,
    InputAudioBufferCommitted,
    InputAudioBufferSpeechStarted,
)
from chatbots.realtime.outcomes import Refused
from chatbots.realtime.session import RealtimeSession
from chatbots.services.floor import Floor
from chatbots.services.realtime_items import Asked
from chatbots.services.remember import Remembered
from chatbots.services.speech import Speech
from chatbots.services.spoken import SpokenModel

WRITING: Final = 10.0
"""Seconds that writing down what the user said may take, or the next piece of it."""

SETTLE: Final = 1.0
"""Seconds of silence after the last sound, so that it is heard to be the last."""


class VoiceCall:
    """A call within its `async with`, which raises the `ChatError` that ends it.

    A turn begins with `UserSaid` and ends with `Done` or `Failed`.
    Who plays the sound says by `played` what was heard, if *model* was made for that.
    """

    def __init__(
        self,
        model: SpokenModel,
        remembered: Remembered,
        prompt: Callable[[str], Prompt],
        *,
        speech: Speech,
    ) -> None:
        out, source = open_channel()
        self.deltas: ObjectReceiveStream[Delta] = source
        """What comes of it, to its end."""
        self._model = model
        self._remembered = remembered
        self._prompt = prompt
        self._speech = speech
        self._heard = Converter(speech.kind, Kind())
        self._out = _Shared(Sounding(out, speech.kind))
        self._floor = Floor()
        self._wrote = 0.0
        self._group: TaskGroup | None = None
        self._line: RealtimeSession | None = None

    async def __aenter__(self) -> Self:
        """Call; raises `ChatError`."""
        # What comes before what anybody says: the request for a prompt, without the prompt.
        asked = Asked.of((await self._remembered.explain(self._prompt("."))).request)
        try:
            line = await self._model.open(replace(asked, messages=asked.messages[:-1]))
            self._line = line
            outcomes = line.outcomes()
            line.on(InputAudioBufferSpeechStarted, lambda _: self._floor.speaks())
            line.on(InputAudioBufferCommitted, self._committed)
            line.on(Writes, self._writes)
            self._group = await anyio.create_task_group().__aenter__()
        except BaseException:
            await self._model.aclose()
            raise
        self._group.start_soon(self._listen, outcomes)
        self._group.start_soon(self._answer)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Hang up; an answer that is under way is stopped."""
        assert self._group is not None  # noqa: S101 - it was entered
        self._group.cancel_scope.cancel()
        try:
            with unwrapped():
                await self._group.__aexit__(kind, error, trace)
        finally:
            await self._model.aclose()

    async def send_audio(self, audio: bytes) -> None:
        """Say *audio*: 16 bits, little-endian, one channel, 24 kHz, or as `Speech` has it."""
        await self._append(self._heard.push(audio))

    async def commit(self) -> None:
        """Say that the turn ends here, where nobody is to detect that.

        Raises `InvalidRequest` for less than 100 ms of sound.
        """
        await self._append(self._heard.end())
        await self._session.send(InputAudioBufferCommit())
        self._floor.commits()

    async def hear(self, audio: AsyncIterable[bytes]) -> None:
        """Say all of *audio*, and that the turn ends with it."""
        async for pcm in audio:
            await self.send_audio(pcm)
        if self._speech.detection is not None:
            await self._append(self._heard.end())
            for silence in Chunker().push(bytes(size_of(round(1000 * SETTLE)))):
                await self._append(silence)
            await anyio.sleep(SETTLE)
        else:
            await self.commit()

    async def answered(self) -> None:
        """Wait until all that was said is answered."""
        await self._written_down()
        await self._floor.answered()

    async def finish(self) -> None:
        """Say nothing more: the deltas end with the answer to what was said."""
        await self._written_down()
        self._floor.close()

    async def _append(self, pcm: bytes) -> None:
        if pcm:
            await self._session.send(InputAudioBufferAppend.of(pcm))

    async def _written_down(self) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._wait, 2 * WRITING, tasks.cancel_scope.cancel)
            await self._floor.settled()
            tasks.cancel_scope.cancel()

    def say(self, text: str) -> None:
        """Ask in writing, after what was said before."""
        self._floor.wrote(text)

    def played(self, item_id: str, ms: int) -> None:
        """Say that *ms* of an item were heard by now."""
        self._session.played(item_id, ms)
        if self._model.answer is not None:
            self._model.answer.played(item_id, ms)

    async def interrupt(self) -> None:
        """Stop the answer, as one does who speaks into it."""
        await self._session.interrupt()

    @property
    def _session(self) -> RealtimeSession:
        assert self._line is not None  # noqa: S101 - it was entered
        return self._line

    async def _listen(self, outcomes: Stream[Told]) -> None:
        async for told in outcomes:
            match told:
                case UserSaid(item_id, text):
                    self._floor.written(item_id, text)
                case Interrupted():
                    if self._model.answer is not None:
                        self._model.answer.cut_short()
                    await self._out.send(told)
                case Notice():
                    self._floor.lost()
                    await self._out.send(told)
                case Refused():
                    self._floor.lost()
                case _:
                    pass

    def _committed(self, event: InputAudioBufferCommitted) -> None:
        self._floor.committed(event.item_id)
        if self._group is not None:
            self._group.start_soon(self._written_or_not, event.item_id)

    def _writes(self, _: Writes) -> None:
        self._wrote = anyio.current_time()

    async def _written_or_not(self, item_id: str) -> None:
        await self._wait(WRITING, lambda: self._floor.written(item_id, None))

    async def _wait(self, seconds: float, then: Callable[[], None]) -> None:
        """Let *seconds* pass in which nothing is being written down."""
        end = anyio.current_time() + seconds
        while (left := max(end, self._wrote + seconds) - anyio.current_time()) > 0:  # noqa: ASYNC110 - each piece moves the end
            await anyio.sleep(left)
        then()

    async def _answer(self) -> None:
        async with self._out:
            while (said := await self._floor.next()) is not None:
                item_id, text = said
                prompt = self._prompt(text or UNINTELLIGIBLE)
                if item_id:
                    self._model.aloud = prompt.messages[-1]
                await self._out.send(UserSaid(item_id, text))
                await self._remembered.respond(prompt, self._out, bot="voice")


class _Shared(ObjectSendStream[Delta]):
    """A way *out* for several tasks."""

    def __init__(self, out: Sink) -> None:
        self._out = out
        self._one = anyio.Lock()

    async def send(self, item: Delta) -> None:
        async with self._one:
            await self._out.send(item)

    async def aclose(self) -> None:
        await self._out.aclose()
