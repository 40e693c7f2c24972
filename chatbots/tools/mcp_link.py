"""One MCP server and the way to it: started, listed, called, started anew after it died."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, cast

import anyio
from anyio.abc import TaskStatus

from chatbots import telemetry
from chatbots.errors import ChatError, ConfigurationError, ToolError
from chatbots.tool_calls import ToolContext
from chatbots.tools.mcp_child import GRACE, Child
from chatbots.tools.mcp_content import text_of
from chatbots.tools.mcp_servers import McpServer
from chatbots.tools.mcp_tool import McpTool, tools_of
from chatbots.version import VERSION

if TYPE_CHECKING:
    from mcp import Client
    from mcp.client._transport import TransportStreams
    from mcp.client.session import IncomingMessage

MAX_PAUSE: Final = 60.0
"""Seconds at most before a server that dies again and again may be started again."""


class _Life:
    """A server from one start to its end."""

    def __init__(self) -> None:
        self.client: Client | None = None
        self.error: ChatError | None = None
        """Why it ended."""
        self.status = 0
        """Of its last answer over HTTP."""
        self.over = False
        """Whether it is to end."""
        self.settled = anyio.Event()
        """Set when it is known whether it has started."""
        self.ended = anyio.Event()
        self.news = anyio.Event()
        """Set when it is over, or its list of tools has changed."""

    def end(self) -> None:
        self.over = True
        self.news.set()


class Link:
    """Keeps a server running while somebody wants it.

    *changed* is called with its tools whenever they were read.
    """

    def __init__(
        self, server: McpServer, changed: Callable[[Link, Sequence[McpTool]], None]
    ) -> None:
        self.server = server
        self._changed = changed
        self._life = _Life()
        self._wanted = anyio.Event()
        self._deaths = 0
        """Without a call that was answered in between."""
        self._not_before = -math.inf
        self._left = anyio.Event()

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Start the server, and after its end again when it is wanted; until cancelled.

        All in this task: what the mcp package opens has to be closed where it was opened.
        Raises `ToolError` or `ConfigurationError` where it cannot be started at first.
        """
        first: TaskStatus[None] | None = task_status
        while True:
            life = self._life
            try:
                error = life.error = await self._live(life, first)
            finally:
                started, life.client = life.client is not None, None
                life.settled.set()
                life.ended.set()
            if first is not None and not started:
                raise error
            first = None
            if self._left.is_set():
                return
            telemetry.emit("warning", "mcp.end", server=self.server.name, error=str(error))
            self._deaths += 1
            pause = min(MAX_PAUSE, 2.0 ** (self._deaths - 2)) if self._deaths > 1 else 0
            self._not_before = anyio.current_time() + pause
            await self._wanted.wait()
            if self._left.is_set():
                return
            self._wanted = anyio.Event()

    def leave(self) -> None:
        """Have `run` return when the server has ended."""
        self._left.set()
        self._wanted.set()
        self._life.end()

    async def call(self, name: str, arguments: dict[str, Any], context: ToolContext) -> str:
        """Have the server call its tool *name*, and return what it answers.

        Raises `ToolError`: of the tool's own making, or because the server is not there.
        A call that is cancelled is cancelled at the server; none is made twice.
        """
        from mcp import MCPError
        from mcp_types import CONNECTION_CLOSED

        life, client = await self._alive()
        progress = _Progress(context)
        try:
            result = await client.call_tool(name, arguments, progress_callback=progress.tell)
        except MCPError as error:
            # A server's own errors may have this code; of the end of a child we know.
            lost = error.code == CONNECTION_CLOSED and not self.server.command
            if not (life.over or lost):
                raise _failed(error.message) from None
            life.end()
            await life.ended.wait()
            raise _failed(f"{life.error or error} It may or may not have done it.") from None
        finally:
            await progress.end()
        self._deaths = 0
        if result.is_error:
            raise _failed(text_of(result))
        return text_of(result)

    async def _alive(self) -> tuple[_Life, Client]:
        life = self._life
        if self._left.is_set():
            raise _failed(f"The MCP server {self.server.name!r} was left.")
        if life.ended.is_set():
            if (pause := self._not_before - anyio.current_time()) > 0:
                raise _failed(f"{life.error} It may be started again in {math.ceil(pause)} s.")
            life = self._life = _Life()
            self._wanted.set()
        await life.settled.wait()
        if life.client is None:
            raise life.error or _failed(f"The MCP server {self.server.name!r} was left.")
        return life, life.client

    async def _live(self, life: _Life, first: TaskStatus[None] | None) -> ChatError:
        """Live *life* to its end, and return why it ended."""
        from mcp import MCPError
        from mcp_types import CONNECTION_CLOSED

        server, child, error, late = self.server, None, None, False
        # The handshake is what nearly every server speaks; some do not survive another question.
        for mode in ("legacy", "auto"):
            child = Child(server, life.end) if server.command else None
            error, life.over = None, self._left.is_set()
            with anyio.move_on_after(server.start_timeout) as patience:
                try:
                    await self._session(life, child, mode, patience, first)
                except Exception as caught:
                    error = _leaf(caught)
            late = patience.cancelled_caught and not life.client
            if life.client or not isinstance(error, MCPError) or error.code == CONNECTION_CLOSED:
                break
        ended = "it ended the session" if life.over else type(error).__name__
        why = str(error or "") or ended
        if late:
            why = f"it had not told its tools after {server.start_timeout:g} s"
        if child is not None:
            why = f"{child.end or why}{child.heard}"
        elif life.status >= HTTPStatus.BAD_REQUEST:
            why = f"{why} (its last answer had the status {life.status})"
        did = "is gone" if life.client else "could not be started"
        said = f"The MCP server {server.name!r} {did}: {telemetry.redact(why).rstrip('.')}."
        if not (child and isinstance(error, OSError)):
            return _failed(said)
        hint = f"Is {server.command!r} installed, and its folder on the PATH?"
        return ConfigurationError("invalid_setting", said, hint=hint, param="mcp")

    async def _session(
        self,
        life: _Life,
        child: Child | None,
        mode: str,
        patience: anyio.CancelScope,
        first: TaskStatus[None] | None,
    ) -> None:
        """Open the connection and keep it until it is over; *patience* is for start and end."""
        from mcp import Client
        from mcp_types import Implementation, ToolListChangedNotification

        async def hear(message: IncomingMessage) -> None:
            if isinstance(message, ToolListChangedNotification):
                life.news.set()

        us = Implementation(name="chatriver", version=VERSION)
        transport = _over_http(self.server, life) if child is None else child.streams()
        async with Client(
            transport, mode=mode, message_handler=hear, client_info=us, cache=None
        ) as client:
            await self._list(client)
            life.client, patience.deadline = client, math.inf
            life.settled.set()
            if first is not None:
                first.started()
            while not life.over:
                await life.news.wait()
                life.news = anyio.Event()
                if not life.over:
                    with anyio.fail_after(self.server.start_timeout):
                        await self._list(client)
            # Over HTTP the server is told, if it listens.
            patience.deadline = anyio.current_time() + GRACE

    async def _list(self, client: Client) -> None:
        self._changed(self, await tools_of(client, self.server, self.call))


@asynccontextmanager
async def _over_http(server: McpServer, life: _Life) -> AsyncGenerator[TransportStreams]:
    import httpx2
    from mcp.client.streamable_http import streamable_http_client

    async def look(response: httpx2.Response) -> None:
        if response.request.method != "POST":
            return
        life.status = response.status_code
        # Started anew it knows our session no more (MCP 2025-11-25, transports, sessions).
        if life.status == HTTPStatus.NOT_FOUND and "mcp-session-id" in response.request.headers:
            life.end()

    # How long an answer may take is the tool's to say, and events may come at any time.
    times = httpx2.Timeout(server.start_timeout, read=None)
    headers, hooks = dict(server.headers), {"response": [look]}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=times, event_hooks=hooks) as http,
        streamable_http_client(str(server.url), http_client=http) as streams,
    ):
        yield streams


class _Progress:
    """Tells how far a call is, until its end; what comes before the last was read is left out."""

    def __init__(self, context: ToolContext) -> None:
        self._context = context
        self._telling = anyio.Lock()
        self._over = False

    async def tell(self, progress: float, total: float | None, message: str | None) -> None:
        if self._over or self._telling.locked():
            return
        fraction = min(max(progress / total, 0.0), 1.0) if total else None
        async with self._telling:
            await self._context.progress(message or f"{progress:g}", fraction)

    async def end(self) -> None:
        self._over = True
        async with self._telling:
            return


def _leaf(error: BaseException) -> BaseException:
    """Return what went wrong first, out of the groups it comes in."""
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return error


def _failed(message: str) -> ToolError:
    return ToolError("tool_server_failed", message)
