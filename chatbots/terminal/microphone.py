"""What the user says: a microphone, or a WAV file in its place, as chunks of PCM at 24 kHz."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import aclosing
from typing import IO

import anyio

from chatbots.realtime.audio import RATE, Chunker, ms_of
from chatbots.realtime.resampling import Resampler
from chatbots.realtime.wav import WavReader
from chatbots.terminal.sound_devices import POLL, opened, told
from chatbots.terminal.speaker import Speaker
from chatbots.terminal.streams import read_some


async def from_device(device: str | None = None) -> AsyncGenerator[bytes]:
    """Yield what a microphone hears, without end; close it (`contextlib.aclosing`) to stop.

    What nobody takes for long is lost, as the device keeps little: it bounds the memory.
    Raises `ConfigurationError` (`extra_missing`, `sound_unavailable`).
    """
    with opened("input", device) as (stream, rate):
        resampler, chunker = Resampler(rate, RATE), Chunker()
        while True:
            await anyio.sleep(POLL)
            with told("listening to the microphone"):
                heard, _ = stream.read(stream.read_available)
            for pcm in chunker.push(resampler.push(bytes(heard))):
                yield pcm


async def from_file(file: IO[bytes], *, pace: float = 1.0) -> AsyncGenerator[bytes]:
    """Yield the sound of a WAV *file* or stream as a microphone would.

    A second of it takes *pace* seconds; with 0 it is as fast as it is taken.
    Raises `InvalidRequest` for what is no WAV.
    """
    began, ms = anyio.current_time(), 0
    chunker = Chunker()
    async with aclosing(_sound_of(file)) as sound:
        async for pcm in sound:
            for chunk in chunker.push(pcm):
                # A microphone has a chunk when it has been said, not when it begins.
                ms += ms_of(len(chunk))
                await anyio.sleep_until(began + pace * ms / 1000)
                yield chunk
    if rest := chunker.end():
        yield rest


async def gated(heard: AsyncIterable[bytes], speaker: Speaker) -> AsyncIterator[bytes]:
    """Yield what is *heard*, silence while the *speaker* sounds: it must not hear itself.

    The silence is as long, so that the hearer's clock goes on.
    """
    async for pcm in heard:
        yield bytes(len(pcm)) if speaker.sounds else pcm


async def _sound_of(file: IO[bytes]) -> AsyncGenerator[bytes]:
    reader, resampler = WavReader(), Resampler(RATE, RATE)
    while data := await read_some(file.fileno()):
        known = reader.rate
        pcm = reader.push(data)
        if reader.rate != known:
            resampler = Resampler(reader.rate, RATE)
        yield resampler.push(pcm)
    reader.end()
    yield resampler.end()
