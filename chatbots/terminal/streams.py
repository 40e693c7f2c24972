"""Standard streams, read and written without standing still with them.

A reader who has stopped (a pager) or a writer who says nothing must not stop Ctrl-C as well.
Here a thread waits that gives up by itself: a thread stuck in a read would keep the process, and
an event loop's own watch takes no plain files (epoll) or makes the descriptor non-blocking for
every program that shares it (libuv).
"""

from __future__ import annotations

import errno
import os
import select
import termios
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from threading import Event
from typing import Final, TextIO

from anyio import from_thread, to_thread

from chatbots.errors import ConfigurationError

PATIENCE: Final = 0.1
"""Seconds until a waiting thread looks whether it is still wanted."""

CHUNK: Final = 65536
"""Bytes read at once."""

_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


async def read_lines(file: TextIO) -> AsyncIterator[bytes]:
    """Yield the lines of *file* as they come, without their newlines."""
    begun: list[bytes] = []
    while chunk := await read_some(file.fileno()):
        first, *others = chunk.split(b"\n")
        begun.append(first)
        for line in others:
            yield b"".join(begun)
            begun = [line]
    if any(begun):
        yield b"".join(begun)


async def read_whole(file: TextIO) -> bytes:
    """Return all that *file* still holds."""
    chunks: list[bytes] = []
    while chunk := await read_some(file.fileno()):
        chunks.append(chunk)
    return b"".join(chunks)


def forget_typed(terminal: TextIO) -> None:
    """Throw away what was typed before anything was asked."""
    with suppress(termios.error):  # it was closed, as reading will tell
        termios.tcflush(terminal.fileno(), termios.TCIFLUSH)


async def read_line(terminal: TextIO) -> str:
    """Return the line a person types, empty where they leave."""
    try:
        return (await read_some(terminal.fileno())).decode("utf-8", "replace")
    except OSError:  # it was closed
        return ""


async def write(text: str, file: TextIO) -> None:
    """Write *text* to *file*; a character its encoding does not have becomes a question mark.

    Raises `BrokenPipeError` where the reader has left,
    `ConfigurationError` (`disk_full`) where there is no room.
    """
    try:
        descriptor = file.fileno()
    except OSError:  # no descriptor: a file in memory
        file.write(text)
        file.flush()
        return
    rest = memoryview(text.encode(file.encoding or "utf-8", "replace"))
    while rest:
        if not writable(descriptor, 0):
            await _until(writable, descriptor)
        rest = rest[_put(descriptor, rest) :]


async def read_some(descriptor: int) -> bytes:
    """Return what there is to read, as soon as there is some; nothing at the end."""
    while True:
        if not _readable(descriptor, 0):
            await _until(_readable, descriptor)
        try:
            return os.read(descriptor, CHUNK)
        except BlockingIOError:
            continue  # another process that shares it was quicker


def _put(descriptor: int, data: memoryview) -> int:
    try:
        # A pipe that has room has room for this much, so the write does not wait.
        return os.write(descriptor, data[: select.PIPE_BUF])
    except BlockingIOError:
        return 0
    except OSError as error:
        if error.errno == errno.EIO:  # a terminal that was closed
            raise BrokenPipeError(error.errno, error.strerror) from error
        if error.errno in _NO_ROOM:
            raise ConfigurationError(
                "disk_full",
                f"The answer cannot be written to standard output: {error.strerror}.",
                hint="Make room, or write it somewhere else.",
            ) from error
        raise


async def _until(ready: Callable[[int, float], bool], descriptor: int) -> None:
    over = Event()
    try:
        await to_thread.run_sync(_wait, ready, descriptor, over)
    finally:
        over.set()  # also where asyncio itself cancels, which no scope of anyio is told


def _wait(ready: Callable[[int, float], bool], descriptor: int, over: Event) -> None:
    while not (over.is_set() or ready(descriptor, PATIENCE)):
        from_thread.check_cancelled()


def _readable(descriptor: int, seconds: float) -> bool:
    return _polled(descriptor, select.POLLIN, seconds)


def writable(descriptor: int, seconds: float) -> bool:
    """Wait that long at most; return whether `select.PIPE_BUF` bytes can be written at once."""
    return _polled(descriptor, select.POLLOUT, seconds)


def _polled(descriptor: int, event: int, seconds: float) -> bool:
    # select(2) knows no descriptor above 1,023; a program with many sockets has them.
    poll = select.poll()
    poll.register(descriptor, event)
    return bool(poll.poll(seconds * 1000))
