from __future__ import annotations

import io
import sys
import wave
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from chatbots.deltas import AudioDelta, Delta, Done, Interrupted, TextDelta
from chatbots.errors import ConfigurationError
from chatbots.flow.unwrap import unwrapped
from chatbots.realtime.audio import RATE, JitterBuffer, size_of
from chatbots.realtime.wav import header
from chatbots.terminal.sound_devices import opened
from chatbots.terminal.speaker import DeviceOutput, FileOutput, Output, Speaker
from tests.terminal.sounding import SoundLibrary

DONE = Done(state="completed", reason="stop", usage=None, request_id="r", session=None)


class Room:
    """An output that is heard when the test says so."""

    latency = 0.0

    def __init__(self) -> None:
        self.heard = b""

    def write(self, pcm: bytes) -> None:
        self.heard += pcm


@asynccontextmanager
async def playing(
    output: Output, *, queue: JitterBuffer | None = None
) -> AsyncGenerator[tuple[Speaker, list[tuple[str, int]]]]:
    told: list[tuple[str, int]] = []

    def on_played(item: str, ms: int) -> None:
        told.append((item, ms))

    speaker = Speaker(output, queue=queue, on_played=on_played)
    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            group.start_soon(speaker.run)
            yield speaker, told
            group.cancel_scope.cancel()


async def test_an_answer_is_played_to_its_end_and_told_as_it_is_heard() -> None:
    room = Room()
    async with playing(room) as (speaker, told):
        deltas: list[Delta] = [TextDelta("Hi"), AudioDelta("a", b"ab" * 2400, RATE)]
        for delta in (*deltas, AudioDelta("b", bytes(size_of(50)), RATE), DONE):
            await speaker.take(delta)
        await speaker.silent()
        assert room.heard == b"ab" * 2400 + bytes(size_of(50))
        assert told == [("a", 40), ("a", 80), ("a", 100), ("b", 40), ("b", 50)]
        await speaker.take(AudioDelta("c", bytes(size_of(20)), RATE))
        await speaker.take(DONE)  # short as it is, it is played
        await speaker.silent()
    assert told[-1] == ("c", 20)


async def test_it_is_silent_at_once_when_the_user_speaks_into_it() -> None:
    output = FileOutput(io.BytesIO(), pace=0.5)
    async with playing(output) as (speaker, told):
        await speaker.play("a", bytes(size_of(60_000)))
        while len(told) < 2:
            assert speaker.sounds or not told
            await anyio.sleep(0.001)
        asked, heard = anyio.current_time(), told[-1][1]
        await speaker.take(Interrupted("a", 80))
        await speaker.silent()
        assert anyio.current_time() - asked < 10
        assert told[-1][1] <= heard + 40
        await speaker.play("b", bytes(size_of(100)))
        await speaker.silent()
        assert told[-1] == ("b", 100)


@pytest.mark.checklist(158, 167)
async def test_who_gives_more_than_fits_waits() -> None:
    room = Room()
    async with playing(room, queue=JitterBuffer(start_ms=0, max_ms=100)) as (speaker, _):
        with anyio.fail_after(20):
            for _ in range(50):
                await speaker.play("a", bytes(size_of(50)))
    queue = JitterBuffer(start_ms=0, max_ms=100)
    idle = Speaker(room, queue=queue)  # it does not run
    with anyio.move_on_after(0.05) as waiting:
        for _ in range(50):
            await idle.play("a", bytes(size_of(50)))
    assert waiting.cancelled_caught
    assert queue.size == size_of(100)
    assert idle.drop() == 100


async def test_it_is_silent_when_the_last_of_it_has_sounded() -> None:
    room = Room()
    room.latency = 0.1
    async with playing(room) as (speaker, _):
        began = anyio.current_time()
        await speaker.play("a", bytes(size_of(100)))
        await speaker.silent()
        assert anyio.current_time() - began >= 0.1


async def test_what_a_device_still_holds_was_not_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    library = SoundLibrary(48_000)
    monkeypatch.setitem(sys.modules, "sounddevice", library)
    with opened("output", None) as (stream, rate):
        async with playing(DeviceOutput(stream, rate)) as (speaker, told):
            await speaker.play("a", bytes(size_of(200)))
            speaker.end()
            await speaker.silent()
    assert told == [("a", 30), ("a", 70), ("a", 110), ("a", 150), ("a", 200)]
    assert sum(map(len, library.streams[0].written)) > size_of(150, 48_000)


async def test_a_loudspeaker_that_stands_still_or_vanishes_stops_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    library = SoundLibrary(24_000)
    monkeypatch.setitem(sys.modules, "sounddevice", library)
    with opened("output", None) as (stream, rate):
        stream.write_available = 0
        async with playing(DeviceOutput(stream, rate)) as (speaker, _):
            await speaker.play("a", bytes(size_of(200)))
            await anyio.wait_all_tasks_blocked()
        assert stream.written == []
    assert stream.stopped  # and what it was given is played
    with pytest.raises(ConfigurationError, match="playing on the loudspeaker: Unantici"):
        await lose(library)
    assert not library.streams[1].open
    assert not library.streams[1].stopped


async def lose(library: SoundLibrary) -> None:
    with unwrapped(), opened("output", None) as (stream, rate):
        stream.gone = True
        async with playing(DeviceOutput(stream, rate)) as (speaker, _):
            await speaker.play("a", bytes(size_of(200)))
            await anyio.sleep_forever()


async def test_a_file_says_how_long_it_became(tmp_path: Path) -> None:
    with (tmp_path / "a.wav").open("wb") as file:
        output = FileOutput(file)
        file.flush()
        assert (tmp_path / "a.wav").read_bytes() == header(RATE)  # as a stream, for who is killed
        output.write(bytes(480))
        output.close()
    with wave.open(str(tmp_path / "a.wav")) as read:
        assert (read.getnframes(), read.getframerate()) == (240, RATE)


def test_a_stream_cannot_say_how_long_it_became() -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    output = FileOutput(pipe := Pipe())
    output.write(b"ab")
    output.close()
    assert pipe.getvalue() == header(RATE) + b"ab"
