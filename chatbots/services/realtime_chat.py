"""The bot with memory that answers over a realtime session of its own for each conversation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Final, TypeAlias

import anyio
from msgspec.structs import replace

from chatbots.deltas import Notice, TextDelta
from chatbots.errors import ChatError, InvalidRequest, ProviderError
from chatbots.flow.unwrap import unwrapped
from chatbots.interfaces import SessionStore, Sink
from chatbots.messages import Message, ModelAnswer, ModelRequest, Prompt, SessionId
from chatbots.realtime.asking import Response, Told
from chatbots.realtime.audience import Stream
from chatbots.realtime.events.client import ConversationItemCreate
from chatbots.realtime.events.responses import ResponseAudioDelta
from chatbots.realtime.events.session import ResponseParams, Session
from chatbots.realtime.outcomes import Called, Ended, Refused
from chatbots.realtime.session import RealtimeSession
from chatbots.services.held_open import HeldOpen
from chatbots.services.realtime_items import Asked, answer_of, items_of, params_of, sound_of
from chatbots.services.recall import Explanation
from chatbots.services.remember import Remembered
from chatbots.services.take_turn import Manner
from chatbots.telemetry import new_session_id
from chatbots.tool_calls import ToolCall

IDLE: Final = 300.0
"""Seconds a session stays open after a turn; the next turn then tells another what was said."""

STOP_TIMEOUT: Final = 1.0
"""Seconds to tell the server that its answer is no longer wanted."""

LOST: Final = frozenset({"stream_interrupted", "upstream_error"})
"""What ends a response that another try may have."""

Opening: TypeAlias = Callable[[str | None, Session], AbstractAsyncContextManager[RealtimeSession]]
"""Makes a session with a model, configured like this."""


class RealtimeChat:
    """A `ChatService` that remembers its sessions, each over a realtime session that stays open.

    What was said is in the store: a realtime session that is new, or has missed something, is
    told it. Close it with `aclose`.
    """

    def __init__(
        self,
        opening: Opening,
        store: SessionStore,
        manner: Manner | None = None,
        *,
        idle: float = IDLE,
        bot: str = "realtime",
    ) -> None:
        self._opening = opening
        self._store = store
        self._manner = manner or Manner()
        self._idle = idle
        self._bot = bot
        self._lines: dict[SessionId, RealtimeModel] = {}

    async def respond(self, prompt: Prompt, out: Sink) -> None:
        """Answer *prompt*; see `ChatService.respond`."""
        name = prompt.session or new_session_id()
        line = self._line(name)
        line.turns += 1
        try:
            await self._remembered(line).respond(replace(prompt, session=name), out, bot=self._bot)
        finally:
            line.turns -= 1
            if prompt.session is None:
                self._lines.pop(name, None)
                await line.aclose()

    async def explain(self, prompt: Prompt) -> Explanation:
        """Return what a new realtime session would be told for *prompt* now."""
        return await self._remembered(RealtimeModel(self._opening)).explain(prompt)

    async def aclose(self) -> None:
        """Close every realtime session. May be called again."""
        lines, self._lines = self._lines, {}
        async with anyio.create_task_group() as tasks:
            for line in lines.values():
                tasks.start_soon(line.aclose)

    def _line(self, name: SessionId) -> RealtimeModel:
        self._lines = {key: line for key, line in self._lines.items() if line.in_use}
        return self._lines.setdefault(name, RealtimeModel(self._opening, idle=self._idle))

    def _remembered(self, line: RealtimeModel) -> Remembered:
        return Remembered(line, self._store, self._manner, stream=True)


class RealtimeModel:
    """A `ChatModel` over one realtime session, opened when it is asked and kept for the next time.

    A request that goes on where the last one ended is told as what is new in it.
    """

    def __init__(self, opening: Opening, *, idle: float = IDLE) -> None:
        self.turns = 0
        """Those that are under way, or wait for it."""
        self._opening = opening
        self._idle = idle
        self._turn = anyio.Lock()
        self._held: HeldOpen[RealtimeSession] | None = None
        self._told: Asked | None = None
        self._news: Stream[Told] | None = None
        """What came since the last turn: how the connection fares."""

    @property
    def in_use(self) -> bool:
        """Whether a turn is under way, or the session is kept for the next."""
        return self.turns > 0 or not (self._held is None or self._held.left)

    async def complete(self, request: ModelRequest, out: Sink) -> ModelAnswer:
        """Continue a conversation by one message; see `ChatModel.complete`."""
        asked, params = Asked.of(request), params_of(request)
        async with self._turn:
            held, session, sent = await self._told_all(asked)
            try:
                answer = await self._ask(session, asked, params, sent, out)
            except ProviderError as error:
                if error.code not in LOST or self._told is not asked:
                    raise
                # Nothing was said or called: the session asks again on its next connection.
                answer = replace(await self._ask(session, asked, params, sent, out), retries=1)
            finally:
                held.use(done=True)
            return answer

    async def _ask(
        self,
        session: RealtimeSession,
        asked: Asked,
        params: ResponseParams | None,
        sent: set[str],
        out: Sink,
    ) -> ModelAnswer:
        news = self._news or session.outcomes()
        answer = _Answer(await session.respond(params), news, sent, out)
        try:
            ended = await answer.ended()
        except anyio.get_cancelled_exc_class():
            with anyio.move_on_after(STOP_TIMEOUT, shield=True):
                await session.interrupt()
            raise
        finally:
            self._told = asked.and_said(answer.message)
            self._news = session.outcomes()
        return answer_of(ended, answer.text, answer.calls, asked.model)

    async def aclose(self) -> None:
        """Close the session. May be called again."""
        held, self._held, self._told, self._news = self._held, None, None, None
        if held is not None:
            await held.aclose()

    async def _told_all(
        self, asked: Asked
    ) -> tuple[HeldOpen[RealtimeSession], RealtimeSession, set[str]]:
        """Return a session that knows all that is *asked*, and the ids of what told it."""
        held, told, self._told = self._held, self._told, None
        new = None if held is None or held.left or told is None else asked.since(told)
        if held is not None and new is not None:
            # It may be over since, by whatever error; then another one is told everything.
            with suppress(ChatError):
                return await self._tell(held, new)
        await self.aclose()
        self._held = HeldOpen(self._opening(asked.model, asked.session), idle=self._idle)
        return await self._tell(self._held, asked.messages)

    async def _tell(
        self, held: HeldOpen[RealtimeSession], messages: Iterable[Message]
    ) -> tuple[HeldOpen[RealtimeSession], RealtimeSession, set[str]]:
        held.use()
        session = await held.open()
        events = [ConversationItemCreate(item) for item in items_of(messages)]
        return held, session, {await session.send(event) for event in events}


class _Answer:
    """A response on its way: what is told of it, and the *news* of its session, go to *out*."""

    def __init__(self, response: Response, news: Stream[Told], sent: set[str], out: Sink) -> None:
        self._response = response
        self._news = news
        self._sent = sent
        self._out = out
        self._said: list[str] = []
        self.calls: list[ToolCall] = []

    @property
    def text(self) -> str:
        return "".join(self._said)

    @property
    def message(self) -> Message:
        return Message("assistant", self.text, tool_calls=tuple(self.calls))

    async def ended(self) -> Ended:
        """Pass everything on; return how it ended. Raises `ChatError`."""
        with unwrapped():
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._until_it_ends)
                async for told in self._news:
                    await self._take(told)
        ended = await self._response.ended()
        if ended.state == "cancelled":
            raise ProviderError("stream_interrupted", "The server cancelled its answer.")
        return ended

    async def _until_it_ends(self) -> None:
        with suppress(ChatError):  # It is raised when all has been passed on.
            await self._response.ended()
        self._news.end()

    async def _take(self, told: Told) -> None:
        match told:
            case TextDelta(text):
                self._said.append(text)
                await self._out.send(told)
            case ResponseAudioDelta() if (sound := sound_of(told)) is not None:
                await self._out.send(sound)
            case Called(call):
                self.calls.append(call)
            case Notice():
                await self._out.send(told)
            case Refused(str(name), error) if name in self._sent:
                raise InvalidRequest(
                    "invalid_request", f"The server refuses what was said: {error.message}"
                )
            case _:
                pass
