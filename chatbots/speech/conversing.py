"""A client's conversation: its frames in, ours out, and what is heard, guessed and answered."""

from __future__ import annotations

import math
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from functools import partial
from typing import Final, TypeAlias

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup
from msgspec import Struct

from chatbots.errors import ChatError
from chatbots.realtime.events.items import Item, assistant_text, user_text
from chatbots.realtime.events.session import ResponseParams
from chatbots.realtime.hosting.answer import Answer
from chatbots.realtime.hosting.configuring import manner_of, transcription_of
from chatbots.realtime.hosting.demands import (
    Cancelled,
    Cleared,
    Configured,
    Demand,
    Heard,
    Respond,
    Spoken,
)
from chatbots.realtime.hosting.host import Host
from chatbots.speech.ear import Ear, News
from chatbots.speech.engines import Engines
from chatbots.speech.performing import Form, Guess, Performance, Step, heard_of
from chatbots.speech.silero import RATE
from chatbots.speech.thinking import request
from chatbots.speech.writing import Writing

Send: TypeAlias = Callable[[bytes], Awaitable[None]]

MAX_WAITING: Final = 4096
"""Frames for a client that does not read; then it is left."""
_MISSED: Final = 0.5
"""Seconds of a turn that nobody listened to as they came: more than padding of silence."""


class _Heard(Struct, frozen=True):
    """A turn that is over: what is written down of it, what is yet to be, and a guess, if any."""

    writing: Writing
    rest: bytes
    guess: Guess | None

    @property
    def seconds(self) -> float:
        return self.writing.seconds + len(self.rest) / 2 / RATE


class Conversation:
    """One session of *host*. *send* takes a frame for the client."""

    def __init__(self, engines: Engines, host: Host, send: Send) -> None:
        self._engines = engines
        self._host = host
        self._send = send
        self._ear = Ear(engines.silero())
        self._writing = self._new_writing()
        self._guess: Guess | None = None
        self._hearing: dict[str, anyio.Event] = {}
        self._giving: dict[str, Performance] = {}
        self._prepared: Guess | None = None
        self._spoken: dict[str, list[tuple[str, int]]] = {}
        self._ahead: anyio.CancelScope | None = None
        """What the model reads while the user speaks; None where it is to begin."""
        self._frames = anyio.create_memory_object_stream[bytes](math.inf)

    async def run(self, frames: AsyncIterable[bytes | str]) -> None:
        """Converse until the client leaves."""
        put, take = self._frames
        with put, take:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._write)
                self._do([Configured(self._host.session)], tasks)
                async for frame in frames:
                    self._do(self._host.receive(frame), tasks)
                    if put.statistics().current_buffer_used > MAX_WAITING:
                        break
                tasks.cancel_scope.cancel()

    async def _write(self) -> None:
        async for frame in self._frames[1]:
            await self._send(frame)

    def _flush(self) -> None:
        for frame in self._host.data_to_send():
            self._frames[0].send_nowait(frame)

    def _do(self, demands: list[Demand], tasks: TaskGroup) -> None:
        for demand in demands:
            match demand:
                case Heard(audio):
                    self._start_reading(tasks)
                    for news in self._ear.push(audio):
                        self._on_news(news, tasks)
                case Spoken(item_id, live=live):
                    self._hearing[item_id] = anyio.Event()
                    tasks.start_soon(self._recognise, demand, self._took(item_id) if live else None)
                case Respond(answer):
                    tasks.start_soon(self._answer, answer)
                case Cancelled(answer):
                    if (performance := self._giving.get(answer.id)) is not None:
                        performance.scope.cancel()
                case Configured(session):
                    self._drop_guess()  # it was made as the session was
                    self._stop_reading()
                    self._ahead = None
                    self._ear.configure(session)
                    self._engines.prepare(Form.of(manner_of(session, None)).voice)
                case Cleared():
                    self._drop_guess()
                    self._writing = self._new_writing()
                    self._ear.reset()
        self._flush()

    def _on_news(self, news: News, tasks: TaskGroup) -> None:
        match news.change:
            case "started":
                self._drop_guess()
                self._drop_prepared()
                self._do(self._host.speech_started(news.ms), tasks)
                self._writing = self._new_writing(self._host.hearing.speaking)
            case "cut":
                self._writing.seconds += len(news.sound) / 2 / RATE
                tasks.start_soon(self._take_live, self._writing, news.sound)
            case "paused" if self._may_guess:
                self._guess = Guess(list(self._host.items))
                tasks.start_soon(self._make_out, self._guess, self._writing, news.sound)
            case "resumed":
                self._drop_guess()
            case "stopped":
                self._do(self._host.speech_stopped(news.ms), tasks)
            case _:
                pass

    @property
    def _may_guess(self) -> bool:
        return not self._giving

    def _drop_guess(self) -> None:
        if self._guess is not None:
            self._guess.drop()
            self._guess = None

    def _drop_prepared(self) -> None:
        if self._prepared is not None:  # nobody has asked for it
            self._prepared.drop()
            self._prepared = None

    async def _make_out(self, guess: Guess, writing: Writing, sound: bytes) -> None:
        """Recognise a turn that may be over, and begin the answer that it may get."""
        with guess.scope:
            try:
                guess.text = await writing.whole(sound)
            except ChatError:
                guess.text = None
            finally:
                guess.done.set()
            if guess.text:
                manner = manner_of(self._host.session, None)
                guess.past = self._as_heard(guess.past)
                items = [*guess.past, user_text(guess.text)]
                guess.performance = self._performance(manner, items)
                await guess.performance.run()

    def _new_writing(self, item_id: str | None = None) -> Writing:
        return Writing(self._engines.hear_any, item_id)

    def _took(self, item_id: str) -> _Heard:
        """Return what was heard of a turn that is over; the next one begins."""
        heard = _Heard(self._writing, self._ear.take(), self._guess)
        heard.writing.item = item_id
        self._guess, self._writing = None, self._new_writing()
        return heard

    async def _take_down(self, writing: Writing, piece: bytes) -> None:
        await writing.take(piece)
        self._tell_words(writing)

    async def _take_live(self, writing: Writing, piece: bytes) -> None:
        await self._take_down(writing, piece)
        if not self._giving:
            self._stop_reading()
            self._ahead = anyio.CancelScope()
            await self._read_ahead(self._ahead, writing.text)

    def _tell_words(self, writing: Writing, text: str | None = None) -> None:
        """Tell the client, if it wants to know, what is new in what is written down."""
        if writing.item is not None and transcription_of(self._host.session) is not None:
            if words := writing.untold(text):
                self._host.transcribing(writing.item, words)
            self._flush()

    async def _recognise(self, spoken: Spoken, heard: _Heard | None) -> None:
        text = None
        seconds = self._ear.seconds(spoken.audio)
        if heard is not None and heard.guess is not None:
            await heard.guess.done.wait()
            text = heard.guess.text
            if heard.guess.performance is not None:
                self._drop_prepared()
                self._prepared, heard.guess.item = heard.guess, spoken.item_id
        elif heard is None or heard.seconds < seconds - _MISSED:
            heard = await self._hear_whole(spoken)
        try:
            text = await heard.writing.whole(heard.rest) if text is None else text
            self._tell_words(heard.writing, text)
            self._host.transcribed(spoken.item_id, text, seconds=seconds)
        except ChatError as error:
            self._host.not_transcribed(spoken.item_id, error.message)
        self._hearing.pop(spoken.item_id).set()
        self._flush()

    async def _hear_whole(self, spoken: Spoken) -> _Heard:
        """Write down what was not listened to as it came, but for its last piece."""
        writing = self._new_writing(spoken.item_id)
        cut = partial(self._ear.pieces, spoken.audio, self._engines.silero())
        *pieces, rest = await anyio.to_thread.run_sync(cut)
        for piece in pieces:
            await self._take_down(writing, piece)
        return _Heard(writing, rest, None)

    async def _answer(self, answer: Answer) -> None:
        for heard in list(self._hearing.values()):
            await heard.wait()
        items = self._as_heard(answer.context)
        prepared = self._prepared_for(answer, items)
        performance = prepared or self._performance(answer.manner, items)
        if items and items[-1].role == "user" and not items[-1].text:
            answer.end()  # nothing was said, or nothing that could be made out
        if answer.over:
            performance.scope.cancel()
            return self._flush()

        def tell(step: Step) -> None:
            step(answer)
            if performance.said and (last := self._host.items.last) is not None:
                self._spoken[last] = performance.said
            self._flush()

        self._giving[answer.id] = performance
        try:
            performance.wanted(tell)
            await (performance.over.wait() if prepared else performance.run())
        finally:
            del self._giving[answer.id]
        return None

    def _prepared_for(self, answer: Answer, items: list[Item]) -> Performance | None:
        """Return the guess that *answer* turned out to be, if there is one; drop any other."""
        guess, self._prepared = self._prepared, None
        if guess is None:
            return None
        asked = [(item.id, item.text) for item in items]
        manner = manner_of(self._host.session, None)
        if (guess.asked, manner) == (asked, answer.manner):
            return guess.performance
        guess.drop()
        return None

    def _start_reading(self, tasks: TaskGroup) -> None:
        if self._ahead is None:
            self._ahead = anyio.CancelScope()
            tasks.start_soon(self._read_ahead, self._ahead)

    async def _read_ahead(self, scope: anyio.CancelScope, said: str = "") -> None:
        with scope:
            manner = manner_of(self._host.session, None)
            form = Form.of(manner)
            items = [*self._as_heard(self._host.items), user_text(said)]
            await self._engines.read_ahead(partial(request, manner, items, audible=form.audible))

    def _stop_reading(self) -> None:
        if self._ahead is not None:
            self._ahead.cancel()

    def _performance(self, manner: ResponseParams, items: list[Item]) -> Performance:
        self._stop_reading()  # what was read so far is read
        form = Form.of(manner)
        asked = partial(request, manner, items, audible=form.audible)
        return Performance(self._engines, asked, form)

    def _as_heard(self, items: Iterable[Item]) -> list[Item]:
        """Return items as they are by now: written down, or cut to what was heard of them."""
        known = {item.id: item for item in self._host.items}
        return [self._cut(known.get(item.id, item)) for item in items]

    def _cut(self, item: Item) -> Item:
        if item.role != "assistant" or item.text or item.id not in self._spoken:
            return item
        text = heard_of(self._spoken[item.id or ""], len(self._host.items.audio(item.id or "")))
        return assistant_text(text, id=item.id)
