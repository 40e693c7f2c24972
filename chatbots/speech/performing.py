"""One answer: thought, said clause by clause, and told to the client once it is wanted."""

from __future__ import annotations

from collections.abc import Callable
from operator import methodcaller
from typing import TYPE_CHECKING, Final, TypeAlias

import anyio
from msgspec import Struct

from chatbots.deltas import TextDelta
from chatbots.errors import ChatError
from chatbots.flow.channel import SendChannel, open_channel
from chatbots.messages import ModelAnswer
from chatbots.realtime.events.responses import ResponseFailure, ResponseUsage
from chatbots.realtime.events.session import AudioOutput, ResponseParams
from chatbots.realtime.resampling import resampled
from chatbots.speech.clauses import Clauses
from chatbots.speech.ear import coded, format_of
from chatbots.speech.kokoro import RATE

if TYPE_CHECKING:
    from collections.abc import AsyncIterable

    from chatbots.deltas import Delta
    from chatbots.messages import ModelRequest
    from chatbots.realtime.events.items import Item
    from chatbots.realtime.hosting.answer import Answer
    from chatbots.speech.engines import Engines

Step: TypeAlias = Callable[["Answer"], None]
"""A verb of an answer, with what it is told."""

_PIECE: Final = 9_600
"""Bytes of a delta of audio, at the most: 200 ms of PCM."""


class Form(Struct, frozen=True):
    """How an answer is given: as text, or as audio of this format, rate, speed and voice."""

    audible: bool
    format: str
    rate: int
    speed: float
    voice: str = ""

    @classmethod
    def of(cls, manner: ResponseParams) -> Form:
        """Return the form that *manner* asks for."""
        kinds = manner.output_modalities
        audible = not isinstance(kinds, tuple) or "audio" in kinds
        told = getattr(manner.audio, "output", None)
        told = told if isinstance(told, AudioOutput) else AudioOutput()
        speed = told.speed if isinstance(told.speed, float | int) else 1.0
        voice = told.voice if isinstance(told.voice, str) else ""
        return cls(audible, *format_of(told.format), speed, voice)


class Performance:
    """An answer that is being made. It may begin before anybody has asked for it (a guess).

    Until `wanted`, its steps are kept; from then on each is told at once.
    A *request* that cannot be made raises `ChatError`, and the answer has failed.
    """

    def __init__(self, engines: Engines, request: Callable[[], ModelRequest], form: Form) -> None:
        self.scope = anyio.CancelScope()
        """Cancel it to stop."""
        self.over = anyio.Event()
        self._engines = engines
        self._request = request
        self._form = form
        self.said: list[tuple[str, int]] = []
        """Each clause, and the bytes of sound up to its end."""
        self._kept: list[Step] = []
        self._tell: Callable[[Step], None] = self._kept.append
        self._result: ModelAnswer | ChatError | None = None

    def wanted(self, tell: Callable[[Step], None]) -> None:
        """Have what was done so far, and each step from now on, told."""
        self._tell = tell
        for step in self._kept:
            tell(step)

    async def run(self) -> None:
        """Give the answer, to its end or until it is stopped."""
        out, deltas = open_channel()
        try:
            with self.scope:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._think, out)
                    try:
                        await (self._speak if self._form.audible else self._write)(deltas)
                    except ChatError as error:
                        tasks.cancel_scope.cancel()
                        self._result = error
                self._end()
        finally:
            self.over.set()

    async def _think(self, out: SendChannel) -> None:
        try:
            self._result = await self._engines.model.complete(self._request(), out)
        except ChatError as error:
            self._result = error
        finally:
            out.close()

    async def _write(self, deltas: AsyncIterable[Delta]) -> None:
        async for delta in deltas:
            if isinstance(delta, TextDelta):
                self._say(delta.text)

    async def _speak(self, deltas: AsyncIterable[Delta]) -> None:
        clauses = Clauses()
        async for delta in deltas:
            if isinstance(delta, TextDelta):
                for clause in clauses.push(delta.text):
                    await self._sound(clause)
        for clause in clauses.end():
            await self._sound(clause)

    async def _sound(self, clause: str) -> None:
        form = self._form
        pcm = await self._engines.say(clause, voice=form.voice, speed=form.speed)
        sound = coded(resampled(pcm, RATE, form.rate), form.format)
        before = self.said[-1][1] if self.said else 0
        self.said.append((clause, before + len(sound)))
        self._say(clause)
        for start in range(0, len(sound), _PIECE):
            self._tell(methodcaller("sound", sound[start : start + _PIECE]))

    def _say(self, text: str) -> None:
        self._tell(methodcaller("say", text))

    def _end(self) -> None:
        result = self._result
        if not isinstance(result, ModelAnswer):
            code = result.code if result is not None else None
            why = ResponseFailure(type="server_error", code=code)
            return self._tell(methodcaller("end", "failed", error=why))
        for call in result.tool_calls:
            arguments = call.arguments
            self._tell(methodcaller("call", call.name, arguments, call_id=call.id))
        reason = "max_output_tokens" if result.state == "incomplete" else None
        return self._tell(methodcaller("end", result.state, reason, usage=_usage(result)))


class Guess:
    """What was probably said, and what is probably to be answered, before the turn is over."""

    def __init__(self, past: list[Item]) -> None:
        self.past = past
        """What was said before, as the answer takes it to be."""
        self.scope = anyio.CancelScope()
        self.done = anyio.Event()
        self.text: str | None = None
        """What was made out; None: nothing could be."""
        self.item: str | None = None
        """The item that it turned out to be."""
        self.performance: Performance | None = None

    @property
    def asked(self) -> list[tuple[str | None, str]]:
        """Of each item that it answers the id and the words."""
        return [*((item.id, item.text) for item in self.past), (self.item, self.text or "")]

    def drop(self) -> None:
        """Stop it."""
        self.scope.cancel()
        if self.performance is not None:
            self.performance.scope.cancel()


def _usage(result: ModelAnswer) -> ResponseUsage | None:
    if result.usage is None:
        return None
    return ResponseUsage(
        total_tokens=result.usage.total_tokens,
        input_tokens=result.usage.input_tokens,
        output_tokens=result.usage.output_tokens,
    )


def heard_of(said: list[tuple[str, int]], played: int) -> str:
    """Return what was heard of clauses, each with the end of its sound, when *played* bytes were.

    Of a clause that was cut: so much of its words as of its sound.
    """
    heard, before = "", 0
    for clause, end in said:
        if end > played:
            words = clause.split()
            share = (played - before) / (end - before)
            return (heard + " ".join(words[: int(share * len(words))])).strip()
        heard, before = heard + clause, end
    return heard.strip()
