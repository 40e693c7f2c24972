from __future__ import annotations

import io
import os
import struct
import sys
from contextlib import aclosing
from pathlib import Path

import anyio
import pytest

from chatbots.errors import ConfigurationError, InvalidRequest
from chatbots.realtime.audio import RATE, size_of
from chatbots.realtime.wav import header
from chatbots.terminal.microphone import from_device, from_file, gated
from chatbots.terminal.speaker import FileOutput, Speaker
from tests.terminal.sounding import SoundLibrary

PCM = struct.pack("<2450h", *range(2450))  # 102 ms


def wav(path: Path, pcm: bytes = PCM, rate: int = RATE) -> Path:
    path.write_bytes(header(rate, len(pcm)) + pcm)
    return path


async def heard(path: Path, *, pace: float = 0.0) -> list[bytes]:
    with path.open("rb") as file:
        return [chunk async for chunk in from_file(file, pace=pace)]


async def test_a_file_is_heard_in_chunks_of_40_ms(tmp_path: Path) -> None:
    chunks = await heard(wav(tmp_path / "a.wav"))
    assert [len(chunk) for chunk in chunks] == [size_of(40), size_of(40), len(PCM) - size_of(80)]
    assert b"".join(chunks) == PCM


async def test_a_file_of_another_rate_is_heard_at_24_khz(tmp_path: Path) -> None:
    chunks = await heard(wav(tmp_path / "a.wav", bytes(size_of(500, 8_000)), 8_000))
    assert sum(map(len, chunks)) == size_of(500)


@pytest.mark.usefixtures("time_flies")
async def test_a_file_takes_its_time_as_a_microphone_does(tmp_path: Path) -> None:
    began = anyio.current_time()
    with (path := wav(tmp_path / "a.wav")).open("rb") as file:
        times = [anyio.current_time() - began async for _ in from_file(file, pace=0.5)]
    assert times[0] >= 0.02
    assert times[1] >= 0.04
    began = anyio.current_time()
    await heard(path)
    assert anyio.current_time() - began < 0.04


async def test_a_stream_that_comes_slowly_is_heard_as_it_comes() -> None:
    source, sink = os.pipe()
    with os.fdopen(source, "rb") as file, os.fdopen(sink, "wb", buffering=0) as writer:
        sounds = from_file(file, pace=0.0)
        writer.write(header(RATE) + bytes(size_of(40)))
        with anyio.fail_after(20):
            assert await anext(sounds) == bytes(size_of(40))
            writer.write(bytes(size_of(40)))
            assert await anext(sounds) == bytes(size_of(40))
        await sounds.aclose()


async def test_what_is_no_wav_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_bytes(b"ID3" + bytes(20))
    with pytest.raises(InvalidRequest, match="no WAV"):
        await heard(tmp_path / "a.mp3")
    (tmp_path / "b.wav").write_bytes(header(RATE)[:20])
    with pytest.raises(InvalidRequest, match="ends before"):
        await heard(tmp_path / "b.wav")


@pytest.mark.parametrize("rate", [24_000, 48_000])
async def test_a_device_is_heard_until_nobody_listens(
    monkeypatch: pytest.MonkeyPatch, rate: int
) -> None:
    library = SoundLibrary(rate)
    monkeypatch.setitem(sys.modules, "sounddevice", library)
    size = 0
    async with aclosing(from_device()) as sounds:
        async for chunk in sounds:
            size += len(chunk)
            if size > size_of(400):
                break
        assert size <= size_of(round(1000 * library.streams[0].seconds_read))
        assert library.streams[0].open
    assert not library.streams[0].open


async def test_a_device_that_stands_still_or_vanishes_stops_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    library = SoundLibrary(24_000)
    monkeypatch.setitem(sys.modules, "sounddevice", library)
    async with aclosing(from_device()) as sounds:
        await anext(sounds)
        stream = library.streams[0]
        stream.read_available = 0
        with anyio.move_on_after(0.05) as waiting:
            await anext(sounds)
        assert waiting.cancelled_caught
    assert not stream.open
    async with aclosing(from_device()) as sounds:
        await anext(sounds)
        library.streams[1].gone = True
        with pytest.raises(
            ConfigurationError, match="listening to the microphone: Unantici"
        ) as told:
            await anext(sounds)
    assert told.value.code == "sound_unavailable"
    assert not library.streams[1].open


async def test_while_the_speaker_sounds_the_microphone_hears_silence_as_long() -> None:
    speaker = Speaker(FileOutput(io.BytesIO()))

    async def says() -> list[bytes]:
        async def said() -> object:
            yield b"abcd"

        return [pcm async for pcm in gated(said(), speaker)]  # type: ignore[arg-type]

    assert await says() == [b"abcd"]
    async with anyio.create_task_group() as group:
        group.start_soon(speaker.run)
        await speaker.play("a", bytes(size_of(100)))
        await speaker.silent()
        assert await says() == [bytes(4)]  # the room still sounds of it
        group.cancel_scope.cancel()
