"""Standard streams, over real pipes and a real terminal."""

from __future__ import annotations

import asyncio  # noqa: TID251 (cancelled as by asyncio, too)
import errno
import fcntl
import io
import os
import pty
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import anyio
import pytest

from chatbots.errors import ConfigurationError
from chatbots.terminal import streams
from chatbots.terminal.streams import (
    forget_typed,
    read_line,
    read_lines,
    read_whole,
    write,
)


@contextmanager
def pipe() -> Iterator[tuple[TextIO, TextIO]]:
    """Yield what is read from and what is written to."""
    source, sink = os.pipe()
    with (
        os.fdopen(source, encoding="utf-8") as reader,
        os.fdopen(sink, "w", encoding="utf-8") as writer,
    ):
        yield reader, writer


def holding(path: Path, data: bytes) -> TextIO:
    path.write_bytes(data)
    return path.open(encoding="utf-8")


async def lines_of(file: TextIO) -> list[bytes]:
    return [line async for line in read_lines(file)]


def fill(file: TextIO) -> int:
    """Write to the pipe until it takes no more; return how much it took."""
    os.set_blocking(file.fileno(), False)
    taken = 0
    try:
        while True:
            taken += os.write(file.fileno(), b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(file.fileno(), True)
        return taken


# Reading


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"one\ntwo\n", [b"one", b"two"]),
        (b"one\ntwo", [b"one", b"two"]),
        (b"\n\n", [b"", b""]),
        (b"one\r\n\xff\0\n", [b"one\r", b"\xff\0"]),
        (b"a" * 200_000 + b"\nb", [b"a" * 200_000, b"b"]),
    ],
)
async def test_a_file_is_read_line_by_line(tmp_path: Path, data: bytes, lines: list[bytes]) -> None:
    with holding(tmp_path / "file", data) as file:
        assert await lines_of(file) == lines


async def test_a_line_arrives_before_the_next_is_written() -> None:
    with pipe() as (reader, writer):
        lines = read_lines(reader)
        os.write(writer.fileno(), b"fir")
        with anyio.fail_after(20):
            async with anyio.create_task_group() as group:

                async def rest_of_the_line() -> None:
                    os.write(writer.fileno(), b"st\nsec")

                group.start_soon(rest_of_the_line)
                assert await anext(lines) == b"first"
            writer.close()
            assert [line async for line in lines] == [b"sec"]


async def test_a_file_is_read_whole(tmp_path: Path) -> None:
    with holding(tmp_path / "file", b"a\n\nb\xff" * 50_000) as file:
        assert await read_whole(file) == b"a\n\nb\xff" * 50_000


async def test_a_read_that_waits_can_be_cancelled_and_leaves_no_thread_waiting() -> None:
    before = anyio.to_thread.current_default_thread_limiter().borrowed_tokens
    with pipe() as (reader, _), anyio.fail_after(20):
        with anyio.move_on_after(0.05) as waiting:
            await lines_of(reader)
        assert waiting.cancelled_caught
    assert anyio.to_thread.current_default_thread_limiter().borrowed_tokens == before


async def test_a_read_that_asyncio_cancels_leaves_no_thread_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So Ctrl-C does, in a program that does not listen to signals itself."""
    wait, begun, over = streams._wait, threading.Event(), threading.Event()

    def watched(*arguments: Any) -> None:
        begun.set()
        wait(*arguments)
        over.set()

    monkeypatch.setattr(streams, "_wait", watched)
    with pipe() as (reader, writer):
        reading = asyncio.create_task(read_whole(reader))
        await anyio.to_thread.run_sync(begun.wait, 5)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        nobody_waits = await anyio.to_thread.run_sync(over.wait, 5)
        writer.write("for a thread that waits nevertheless")
    assert nobody_waits


async def test_a_program_with_a_thousand_descriptors_reads_and_writes_as_any_other() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 2048)), hard))
    try:
        with pipe() as ends:
            high = [fcntl.fcntl(end, fcntl.F_DUPFD, 1024) for end in ends]
            with os.fdopen(high[0]) as reader, os.fdopen(high[1], "w") as writer:
                await write("line\n", writer)
                with anyio.fail_after(20):
                    assert await anext(read_lines(reader)) == b"line"
                os.write(high[1], bytes(1 << 16))
                assert not streams.writable(high[1], 0)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_another_reader_may_be_quicker(monkeypatch: pytest.MonkeyPatch) -> None:
    """The descriptor is non-blocking, and what it announced is gone when it is read."""
    looks: list[bool] = []
    look = streams._readable

    def readable(descriptor: int, seconds: float) -> bool:
        looks.append(True)
        return len(looks) == 1 or look(descriptor, seconds)

    monkeypatch.setattr(streams, "_readable", readable)
    with pipe() as (reader, writer):
        os.set_blocking(reader.fileno(), False)
        timer = threading.Timer(0.05, lambda: os.write(writer.fileno(), b"late\n"))
        timer.start()
        with anyio.fail_after(20):
            assert await anext(read_lines(reader)) == b"late"
        timer.join()


async def test_a_line_is_read_from_a_terminal_and_what_came_before_is_forgotten() -> None:
    fingers, ours = pty.openpty()
    with os.fdopen(ours, encoding="utf-8") as keyboard, anyio.fail_after(20):
        os.write(fingers, b"too early\n")
        forget_typed(keyboard)
        os.write(fingers, b"caf\xe9\nmore\n")
        assert await read_line(keyboard) == "caf\ufffd\n"
        assert await read_line(keyboard) == "more\n"
        os.write(fingers, b"\x04")
        assert await read_line(keyboard) == ""
        os.close(fingers)
        forget_typed(keyboard)
        assert await read_line(keyboard) == "", "the terminal was closed"


async def test_a_terminal_that_was_taken_away_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Linux has an error for who has lost its terminal, where others just get an end."""

    def lost(*_: object) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("chatbots.terminal.streams.os.read", lost)
    with pipe() as (reader, writer):
        os.write(writer.fileno(), b"y\n")
        forget_typed(reader)
        assert await read_line(reader) == ""


# Writing


async def test_text_arrives_at_once() -> None:
    with pipe() as (reader, writer):
        await write("Grüß dich 👍", writer)
        assert os.read(reader.fileno(), 100).decode() == "Grüß dich 👍"


async def test_nothing_is_written_of_no_text() -> None:
    with pipe() as (reader, writer):
        reader.close()
        await write("", writer)


async def test_a_file_without_a_descriptor_will_do() -> None:
    file = io.StringIO()
    await write("Hello", file)
    assert file.getvalue() == "Hello"


async def test_what_the_encoding_does_not_have_becomes_a_question_mark(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("w", encoding="ascii") as file:
        await write("é is e", file)
    assert path.read_bytes() == b"? is e"


@pytest.mark.parametrize("blocking", [True, False])
async def test_a_reader_who_is_slow_gets_all_of_it(blocking: bool) -> None:
    text = "0123456789" * 30_000
    got: list[str] = []
    with pipe() as (reader, writer):
        os.set_blocking(writer.fileno(), blocking)
        thread = threading.Thread(target=lambda: got.append(reader.read()))
        timer = threading.Timer(0.05, thread.start)
        timer.start()
        with anyio.fail_after(10):
            await write(text, writer)
        timer.join()
        writer.close()
        thread.join()
    assert got == [text]


async def test_a_write_nobody_reads_can_be_cancelled() -> None:
    with pipe() as (reader, writer), anyio.fail_after(20):
        full = fill(writer)
        with anyio.move_on_after(0.05) as waiting:
            await write("more", writer)
        assert waiting.cancelled_caught
        assert len(os.read(reader.fileno(), 2 * full)) == full


async def test_a_descriptor_that_is_full_after_all_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks: list[bool] = []
    look = streams.writable

    def writable(descriptor: int, seconds: float) -> bool:
        looks.append(True)
        return len(looks) == 1 or look(descriptor, seconds)

    monkeypatch.setattr(streams, "writable", writable)
    with pipe() as (reader, writer):
        full = fill(writer)
        os.set_blocking(writer.fileno(), False)
        timer = threading.Timer(0.05, lambda: os.read(reader.fileno(), full))
        timer.start()
        with anyio.fail_after(20):
            await write("more", writer)
        timer.join()
        assert os.read(reader.fileno(), 100) == b"more"


async def test_a_reader_who_left_is_a_broken_pipe() -> None:
    with pipe() as (reader, writer):
        reader.close()
        with pytest.raises(BrokenPipeError):
            await write("Hello", writer)


async def test_a_terminal_that_was_closed_is_a_broken_pipe() -> None:
    shown, typed = pty.openpty()
    os.close(shown)
    with os.fdopen(typed, "w", encoding="utf-8") as terminal, pytest.raises(BrokenPipeError):
        await write("Hello", terminal)


async def test_no_room_is_said_in_our_own_words() -> None:
    full = os.fdopen(os.open("/dev/full", os.O_WRONLY), "w", encoding="utf-8")
    with full, pytest.raises(ConfigurationError, match="No space left on device") as caught:
        await write("Hello", full)
    assert caught.value.code == "disk_full"


async def test_another_failure_is_itself(tmp_path: Path) -> None:
    with holding(tmp_path / "file", b"") as file, pytest.raises(OSError, match="Bad file"):
        await write("Hello", file)
