"""Realtime conversations for programs of one's own: say, listen, and let tools be called.

client = RealtimeClient("sk-...", tools=[multiply])
async with client.connect() as conn:
    async for piece in await conn.send_text("Hello!"):
        ...
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from contextlib import suppress
from typing import Any, Final, Self, overload

import anyio
from msgspec.structs import replace

from chatbots import telemetry
from chatbots.errors import ChatError
from chatbots.flow.calling import tools_of
from chatbots.realtime.address import Address, Token
from chatbots.realtime.asking import Response, Told
from chatbots.realtime.audience import Stream
from chatbots.realtime.events import client
from chatbots.realtime.events.items import function_output, user_text
from chatbots.realtime.events.session import Session, Tool
from chatbots.realtime.handlers import Handler, Said
from chatbots.realtime.names import GPT_REALTIME_2_1_MINI
from chatbots.realtime.outcomes import Called, Ended
from chatbots.realtime.patience import Patience
from chatbots.realtime.session import RealtimeSession
from chatbots.realtime.transport import WebSocketConn, WebSocketDialer
from chatbots.services.held_open import HeldOpen
from chatbots.services.tool_loop import MAX_CALLS, MAX_ROUNDS
from chatbots.telemetry import new_request_id
from chatbots.tool_calls import Confirm, ToolCall, ToolContext, ToolResult, ToolRunner
from chatbots.tools.running import failure

UNREAD: Final = 1024
"""Events that are kept for who has read none yet; the oldest go first."""

TEXT: Final = Session(output_modalities=("text",))


class RealtimeClient:
    """Opens conversations with a realtime server: OpenAI's, or the one at *address*.

    *tools* are functions, `Tool`s or a registry: the model may call them, and they are run.
    *on_confirm* asks a person about those that want it. *dialer* opens the sockets:
    `websockets` does if it is not given.
    """

    def __init__(
        self,
        api_key: str | Token | None = None,
        *,
        address: Address | None = None,
        model: str = GPT_REALTIME_2_1_MINI,
        tools: ToolRunner | Iterable[object] | None = None,
        on_confirm: Confirm | None = None,
        dialer: WebSocketDialer | None = None,
        patience: Patience | None = None,
    ) -> None:
        self.address = address or Address(key=api_key)
        self.model = model
        self._tools = tools_of(tools)
        self._confirm = on_confirm
        if dialer is None:
            from chatbots.realtime.websockets_transport import WebSocketsDialer

            dialer = WebSocketsDialer()
        self.dialer = dialer
        self.patience = patience

    def connect(
        self,
        *,
        model: str | None = None,
        session: Session | None = None,
        session_id: str | None = None,
        dialer: WebSocketDialer | None = None,
    ) -> RealtimeConn:
        """Return a conversation, which is open within its `async with`.

        *session* is what it is told to be: to answer in text, if nothing is said; the server's own
        default is audio. *session_id* is one made by REST, whose client secret is then the key.
        """
        address, model, session = self.address, model or self.model, session or TEXT
        if session_id is not None:
            address = replace(address, realtime_url=address.url(model=model, session_id=session_id))
        if self._tools is not None:
            session = replace(session, tools=tuple(map(Tool.of, self._tools.specs())))
        return RealtimeConn(
            dialer or self.dialer,
            address,
            config=session,
            model=model,
            patience=self.patience,
            tools=self._tools,
            on_confirm=self._confirm,
        )

    def session(
        self, model: str | None = None, config: Session | None = None, *, plays: bool = False
    ) -> RealtimeSession:
        """Return a session as bots use it: no event is kept, and no tool is run."""
        return RealtimeSession(
            self.dialer,
            self.address,
            config=config,
            model=model or self.model,
            patience=self.patience,
            plays=plays,
        )

    async def dial(self, *, model: str | None = None) -> WebSocketConn:
        """Open a bare socket: frames, and nothing done about them. Raises `ChatError`."""
        url = self.address.url(model=model or self.model)
        return await self.dialer.dial(url, await self.address.headers())


class RealtimeConn(RealtimeSession):
    """A `RealtimeSession` that is spoken to in words and audio, read event by event, and whose
    calls of *tools* are answered.

    Open within `async with`, or `await` it and `close` it, from whichever task.
    """

    def __init__(
        self,
        dialer: WebSocketDialer,
        address: Address,
        *,
        config: Session | None = None,
        model: str | None = None,
        patience: Patience | None = None,
        tools: ToolRunner | None = None,
        on_confirm: Confirm | None = None,
    ) -> None:
        super().__init__(dialer, address, config=config, model=model, patience=patience)
        self.over = anyio.Event()
        """Set when the session has ended."""
        self.error: ChatError | None = None
        """What ended it; None if it was closed here."""
        self._unread: deque[Said] = deque()
        self._reads = False
        self._news = anyio.Event()
        self._held: HeldOpen[RealtimeConn] | None = None
        self._tools = tools
        self._confirm = on_confirm
        self._secrets = (address.key,) if isinstance(address.key, str) else ()

    async def __aenter__(self) -> Self:
        """Connect; raises `ChatError`."""
        said, told = self.events(), self.outcomes()
        await super().__aenter__()
        assert self._group is not None  # noqa: S101 - it was entered just now
        self._group.start_soon(self._keep, said)
        if self._tools is not None:
            self._group.start_soon(self._heed, told, self._tools)
        return self

    def __await__(self) -> Generator[Any, None, RealtimeConn]:
        self._held = HeldOpen(self, idle=math.inf)
        return self._held.open().__await__()

    async def close(self) -> None:
        """End a session that was awaited, within 2 seconds; may be called again."""
        if self._held is None:
            raise RuntimeError("It was not awaited: it ends with its `async with`.")
        await self._held.aclose()

    @overload
    async def send_text(self, text: str) -> Response: ...
    @overload
    async def send_text(self, text: str, *, respond: bool) -> Response | None: ...
    async def send_text(self, text: str, *, respond: bool = True) -> Response | None:
        """Say *text*; with *respond* return the response to it. Raises as `send`."""
        await self.send(client.ConversationItemCreate(user_text(text)))
        return await self.respond() if respond else None

    @overload
    async def send_audio(self, audio: bytes) -> Response: ...
    @overload
    async def send_audio(self, audio: bytes, *, respond: bool) -> Response | None: ...
    async def send_audio(self, audio: bytes, *, respond: bool = True) -> Response | None:
        """Say *audio*, 100 ms or more in the session's input format; see `send_text`.

        With turn detection the server finds the end of the turn itself: `append` pieces then.
        """
        await self.send(client.InputAudioBufferAppend.of(audio))
        await self.send(client.InputAudioBufferCommit())
        return await self.respond() if respond else None

    async def update(self, session: Session) -> Session:
        """Change the session; return what it is then, as the server confirms it.

        Raises as `send`, which does not wait; and for what is refused, or not answered in time.
        """
        link = await self.line.connected()
        name = self._say(link, client.SessionUpdate(session))
        link.attend()
        return await self._telling.asking.changed(name, self._patience.first_event)

    async def read_message(self) -> Said:
        """Return the next event, from the beginning of the session; cancelled, none is lost.

        Raises the `ChatError` that ended the session; `anyio.ClosedResourceError` once it was
        closed here.
        """
        self._reads = True
        while not self._unread:
            if self.over.is_set():
                raise self.error or anyio.ClosedResourceError
            await self._changed()
        event = self._unread.popleft()
        self._news.set()
        return event

    async def _changed(self) -> None:
        """Wait until an event was kept or read."""
        if self._news.is_set():
            self._news = anyio.Event()
        await self._news.wait()

    async def _keep(self, said: Stream[Said]) -> None:
        """Keep what is to be read."""
        try:
            async for event in said:
                while self._reads and len(self._unread) >= UNREAD:
                    await self._changed()
                if len(self._unread) >= UNREAD:
                    self._unread.popleft()
                self._unread.append(event)
                self._news.set()
        except ChatError as error:
            self.error = error
        finally:
            self.over.set()
            self._news.set()

    async def _heed(self, told: Stream[Told], tools: ToolRunner) -> None:
        """Answer the calls of each response, and never without end."""
        calls: list[ToolCall] = []
        rounds = 0
        with suppress(ChatError):  # It is over, and says so to whoever uses it.
            async for outcome in told:
                if isinstance(outcome, Called):
                    calls.append(outcome.call)
                elif isinstance(outcome, Ended):
                    rounds = rounds + 1 if calls else 0
                    if calls and self._group is not None:
                        self._group.start_soon(self._run, calls, tools, rounds <= MAX_ROUNDS)
                    calls = []

    async def _run(self, calls: Sequence[ToolCall], tools: ToolRunner, go_on: bool) -> None:
        """Run the *calls* of one response; have another one if it is to *go_on*."""
        results: dict[str, ToolResult] = {}

        async def run(call: ToolCall) -> None:
            context = ToolContext(
                request_id=new_request_id(), call_id=call.id, session=self.id, confirm=self._confirm
            )
            results[call.id] = await tools.run(call, context)

        async with anyio.create_task_group() as tasks:
            for call in calls[: MAX_CALLS if go_on else 0]:
                tasks.start_soon(run, call)
        with suppress(ChatError):
            for call in calls:
                told = results.get(call.id) or failure(call, "No more tools may be called now.")
                content = telemetry.redact(told.content, *self._secrets)
                if go_on:
                    await self.output(call.id, content)
                else:  # Nobody asks for a response to it.
                    item = function_output(call.id, content)
                    await self.send(client.ConversationItemCreate(item))


class ConnHandler:
    """Calls *handlers* with each event of a conversation, in order; see `RealtimeSession.on`.

    `start`, then await `err`: it returns what ended the session, None if it was closed here.
    """

    def __init__(self, conn: RealtimeConn, *handlers: Handler[Said]) -> None:
        self._conn = conn
        self._handlers = handlers

    def start(self) -> None:
        """Begin to call them."""
        for handler in self._handlers:
            self._conn.on(handler)

    async def err(self) -> ChatError | None:
        """Wait for the end of the session."""
        await self._conn.over.wait()
        return self._conn.error
