"""A chat model that speaks, over a realtime session; an answer of it is what was heard of it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from math import inf
from typing import Final, Protocol

import anyio
from msgspec import UNSET
from msgspec.structs import replace

from chatbots.deltas import AudioDelta, Interrupted, TextDelta
from chatbots.interfaces import Sink
from chatbots.messages import Message, ModelAnswer, ModelRequest
from chatbots.realtime.asking import Response
from chatbots.realtime.audio import RATE, ms_of
from chatbots.realtime.conversation import Conversation
from chatbots.realtime.events.client import ConversationItemCreate, SessionUpdate
from chatbots.realtime.events.responses import ResponseAudioDelta
from chatbots.realtime.events.session import Session
from chatbots.realtime.outcomes import Called, Ended
from chatbots.realtime.session import RealtimeSession
from chatbots.services.held_open import HeldOpen
from chatbots.services.narration import Narration
from chatbots.services.realtime_items import Asked, answer_of, items_of, params_of, sound_of
from chatbots.services.speech import Speech
from chatbots.sessions.turn import SPOKEN_INTO
from chatbots.tool_calls import ToolCall

PATIENCE: Final = 10.0
"""Seconds more than it lasts that an answer may take to be heard."""
ROUNDING: Final = 5
"""Milliseconds that an item may be shorter where it is played at another rate."""


class Opening(Protocol):
    """Makes a session with a model, told to be like this; *plays*: and told what was played."""

    def __call__(
        self, model: str | None, config: Session, *, plays: bool = False
    ) -> AbstractAsyncContextManager[RealtimeSession]:
        """Return one to be entered."""
        ...


class SpokenModel:
    """A `ChatModel` over one realtime session; with *plays*, `played` will say what was heard.

    An answer is over when it was heard, or the user has spoken into it.
    """

    def __init__(self, opening: Opening, speech: Speech, *, plays: bool = False) -> None:
        self.aloud: Message | None = None
        """What the user has said next, by voice: the session has heard it itself."""
        self.answer: Answer | None = None
        """The one under way, or the last one."""
        self._opening = opening
        self._speech = speech
        self._plays = plays
        self._held: HeldOpen[RealtimeSession] | None = None
        self._told: Asked | None = None

    async def open(self, asked: Asked) -> RealtimeSession:
        """Return the session, which knows all that is *asked*; raises `ChatError`."""
        told, aloud = self._told, self.aloud
        self._told = self.aloud = None
        if self._held is None:
            config = self._speech.told(asked.session)
            self._held = HeldOpen(self._opening(asked.model, config, plays=self._plays), idle=inf)
        session = await self._held.open()
        if told is not None and aloud is not None:
            told = told.and_said(aloud)
        new = asked.messages if told is None else asked.since(told)
        if new is None:  # it was told to be otherwise, or others have talked here meanwhile
            await session.send(SessionUpdate(replace(asked.session, output_modalities=UNSET)))
            new = () if aloud else asked.messages[-1:]
        for item in items_of(new):
            await session.send(ConversationItemCreate(item))
        self._told = asked
        return session

    async def complete(self, request: ModelRequest, out: Sink) -> ModelAnswer:
        """Continue a conversation by one message; see `ChatModel.complete`."""
        asked = Asked.of(request)
        session = await self.open(asked)
        answer = self.answer = Answer(session.conversation, plays=self._plays)
        try:
            ended = await answer.pass_on(await session.respond(params_of(request)), out)
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True):
                await session.interrupt()
                answer.cut_short()
            raise
        finally:
            self._told = asked.and_said(answer.message)
        whole = answer_of(ended, answer.text, answer.calls, asked.model)
        if answer.is_cut or ended.state == "cancelled":
            whole = replace(whole, state="incomplete", reason=SPOKEN_INTO, tool_calls=())
        return whole

    def kept(self, messages: Sequence[Message]) -> Sequence[Message]:
        """Return the *messages* of a turn's answer, the last one as it was heard."""
        answer = self.answer
        if answer is None or not messages or messages[-1].content != answer.text:
            return messages
        return (*messages[:-1], replace(answer.message, tool_calls=messages[-1].tool_calls))

    async def aclose(self) -> None:
        """Close the session. May be called again."""
        if self._held is not None:
            await self._held.aclose()


class Answer:
    """An answer on its way out of the items of a *conversation*, and into somebody's ears."""

    def __init__(self, conversation: Conversation, *, plays: bool) -> None:
        self.calls: list[ToolCall] = []
        self._conversation = conversation
        self._plays = plays
        self._said: list[str] = []
        self._sizes: dict[str, int] = {}
        self._played: dict[str, int] = {}
        self._silent = anyio.Event()
        self._heard: str | None = None

    @property
    def text(self) -> str:
        """All of its text."""
        return "".join(self._said)

    @property
    def is_cut(self) -> bool:
        """Whether the user spoke into it."""
        return self._heard is not None

    @property
    def message(self) -> Message:
        """It, as the model remembers it: what was heard."""
        text, calls = self.text, tuple(self.calls)
        heard = self._heard
        if heard is None or not self._plays or not text.startswith(heard):
            return Message("assistant", text, tool_calls=calls)
        ms = sum(min(self._played.get(item, 0), ms_of(size)) for item, size in self._sizes.items())
        return Message("assistant", heard, heard_ms=ms, unheard=text[len(heard) :])

    async def pass_on(self, response: Response, out: Sink) -> Ended:
        """Send what comes of *response* to *out*; return how it ended, as soon as it was heard."""
        async for outcome in response:
            match outcome:
                case TextDelta(text):
                    self._said.append(text)
                    await out.send(outcome)
                case ResponseAudioDelta():
                    # Once it is cut, what was on its way here is nothing to hear any more.
                    if not self.is_cut and (delta := sound_of(outcome)) is not None:
                        self._sizes[delta.item_id] = self._sizes.get(delta.item_id, 0) + len(
                            delta.pcm
                        )
                        await out.send(delta)
                case Called(call):
                    self.calls.append(call)
                case Interrupted():
                    self.cut_short()
                case _:
                    pass
        ended = await response.ended()
        if not self.calls and not self._is_heard:
            if isinstance(out, Narration):
                out.deadline.deadline = inf  # it is of the answer, not of its hearing
            await out.send(AudioDelta(next(reversed(self._sizes)), b"", RATE))  # that was all
            lasts = sum(map(ms_of, self._sizes.values())) / 1000
            with anyio.move_on_after(lasts + PATIENCE):
                await self._silent.wait()
        return ended

    def played(self, item_id: str, ms: int) -> None:
        """Take in how much of an item was heard by now."""
        self._played[item_id] = ms
        if self._is_heard:
            self._silent.set()

    def cut_short(self) -> None:
        """Take in that no more of it will be heard."""
        if self._heard is None:
            entries = [self._conversation.entries.get(item) for item in self._sizes]
            self._heard = "".join(e.text for e in entries if e is not None and not e.deleted)
        self._silent.set()

    @property
    def _is_heard(self) -> bool:
        if self.is_cut or not self._plays:
            return True
        return all(
            self._played.get(i, 0) + ROUNDING >= ms_of(size) for i, size in self._sizes.items()
        )
