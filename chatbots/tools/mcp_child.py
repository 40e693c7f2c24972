"""An MCP server in a child process: a message a line on its pipes, whatever it writes there."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final, TypeAlias, cast

import anyio
from anyio.abc import ByteReceiveStream, ByteSendStream, Process
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from chatbots.tools.mcp_servers import McpServer

if TYPE_CHECKING:
    from mcp.shared.message import SessionMessage

    Arriving: TypeAlias = MemoryObjectSendStream[SessionMessage | Exception]
    Leaving: TypeAlias = MemoryObjectReceiveStream[SessionMessage]
    Streams: TypeAlias = tuple[
        MemoryObjectReceiveStream[SessionMessage | Exception],
        MemoryObjectSendStream[SessionMessage],
    ]

MAX_LINE: Final = 16 * 1024 * 1024
"""Bytes a message may have."""
MAX_STRANGE: Final = 1000
"""Lines that are no message, such as a banner, before the server is given up."""
MAX_REMARKS: Final = 2000
"""Of what a server writes to standard error, so many bytes are kept, its last."""
GRACE: Final = 2.0
"""Seconds a server has to end when its standard input is closed, and after SIGTERM."""

_GONE: Final = (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError)


class Child:
    """A server's process, and what it did wrong.

    *on_end* is called when nothing more can be said to it or heard of it.
    """

    def __init__(self, server: McpServer, on_end: Callable[[], None]) -> None:
        self._server = server
        self._on_end = on_end
        self._process: Process
        self._remarks = b""
        self._strange: list[str] = []
        self._fault = ""
        self._ended = False
        self._stopping = False

    @property
    def end(self) -> str:
        """How it ended of its own; empty if it did not."""
        if self._fault or not self._ended:
            return self._fault
        status = self._process.returncode
        return "it closed its output" if status is None else _ending(status)

    @property
    def heard(self) -> str:
        """What it wrote beside messages, as the end of a sentence; empty if it wrote nothing."""
        said = f"; it wrote what is no message: {self._strange[0]!r}" if self._strange else ""
        remarks = self._remarks.decode(errors="replace").strip()
        return f"{said}; it said: {remarks}" if remarks else said

    @asynccontextmanager
    async def streams(self) -> AsyncGenerator[Streams]:
        """Run the process, and speak with it; it has ended afterwards, and what it started.

        Raises `OSError` and `ValueError` where it cannot be run.
        """
        from mcp.client.stdio import get_default_environment
        from mcp.shared.message import SessionMessage

        server = self._server
        self._process = process = await anyio.open_process(
            [str(server.command), *server.args],
            env=get_default_environment() | dict(server.env),
            cwd=server.cwd,
            # Ctrl-C is ours to hear, and all it starts is ended with it.
            start_new_session=True,
        )
        # No await before the task group: a process that was started will be ended.
        arriving, read = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        write, leaving = anyio.create_memory_object_stream[SessionMessage](0)
        with arriving, read, write, leaving:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._read, arriving)
                tasks.start_soon(self._write, leaving, arriving)
                tasks.start_soon(self._listen)
                try:
                    yield read, write
                finally:
                    self._stopping = True
                    with anyio.CancelScope(shield=True):
                        await _stop(process, grace=0 if self._fault else GRACE)
                    tasks.cancel_scope.cancel()

    async def _read(self, arriving: Arriving) -> None:
        """Hand on the messages; once nobody wants them, read on so that the server can end."""
        line = bytearray()
        with suppress(*_GONE), arriving:
            while not self._fault and (chunk := await _received(self._process.stdout)):
                *whole, rest = chunk.split(b"\n")
                for part in whole:
                    await self._take(bytes(line + part), arriving)
                    line.clear()
                line += rest
                if len(line) > MAX_LINE:
                    self._fault = f"it wrote a line of more than {MAX_LINE:,} bytes"
            self._end()
        while await _received(self._process.stdout):
            pass

    async def _take(self, line: bytes, arriving: Arriving) -> None:
        from mcp.shared.message import SessionMessage
        from mcp_types import jsonrpc_message_adapter

        if self._fault:
            return
        try:
            message = jsonrpc_message_adapter.validate_json(line, by_name=False)
        except ValueError:
            if line.strip():
                self._strange.append(line[:200].decode(errors="replace"))
            if len(self._strange) == MAX_STRANGE:
                self._fault = f"it wrote {MAX_STRANGE:,} lines that are no message"
        else:
            await arriving.send(SessionMessage(message))

    async def _write(self, leaving: Leaving, arriving: Arriving) -> None:
        stdin = cast("ByteSendStream", self._process.stdin)
        with leaving:
            async for item in leaving:
                text = item.message.model_dump_json(by_alias=True, exclude_unset=True)
                try:
                    await stdin.send(f"{text}\n".encode())
                except _GONE:
                    arriving.close()
                    self._end()
                    return

    def _end(self) -> None:
        self._ended = self._ended or not self._stopping
        self._on_end()

    async def _listen(self) -> None:
        while chunk := await _received(self._process.stderr):
            self._remarks = (self._remarks + chunk)[-MAX_REMARKS:]


async def _received(stream: ByteReceiveStream | None) -> bytes:
    """Return what the process has written; nothing once it has closed the pipe."""
    try:
        return await cast("ByteReceiveStream", stream).receive()
    except (anyio.EndOfStream, *_GONE):
        return b""


async def _stop(process: Process, *, grace: float) -> None:
    """End the process as the specification has it, and then all that it has started.

    MCP 2025-11-25, lifecycle, shutdown: close its input, wait, SIGTERM, wait, SIGKILL.
    """
    if process.stdin is not None:
        with suppress(*_GONE):
            await process.stdin.aclose()
    for number, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, GRACE)):
        with anyio.move_on_after(seconds):
            await process.wait()
        _signal_all(process, number)
    with anyio.move_on_after(GRACE):
        await process.aclose()


def _signal_all(process: Process, number: signal.Signals) -> None:
    # The session it leads has its number. EPERM: macOS says so of what is dead already.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _ending(status: int) -> str:
    if status >= 0:
        return f"it ended with status {status}"
    with suppress(ValueError):
        return f"it was ended by {signal.Signals(-status).name}"
    return f"it was ended by signal {-status}"
