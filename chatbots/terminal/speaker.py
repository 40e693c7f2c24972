"""What the assistant says: a loudspeaker, or a WAV file in its place, that knows what was heard."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import IO, Any, Final, Protocol

import anyio
from anyio import from_thread, to_thread

from chatbots.deltas import AudioDelta, Delta, Done, Failed, Interrupted
from chatbots.realtime.audio import CHUNK_MS, RATE, JitterBuffer, ms_of, size_of
from chatbots.realtime.resampling import Resampler
from chatbots.realtime.wav import header
from chatbots.terminal.sound_devices import POLL, told

ECHO: Final = 0.25
"""Seconds for which a room still sounds of what was played."""


class Output(Protocol):
    """Where sound goes: a device, or a file."""

    latency: float
    """Seconds from a `write` to its sound."""

    def write(self, pcm: bytes) -> None:
        """Take PCM at 24 kHz, and about as long as it lasts; called in a thread."""
        ...


class Speaker:
    """Plays the items of a conversation one after the other, in its `run`.

    `on_played` is told how many milliseconds of an item have been heard by now.
    """

    def __init__(
        self,
        output: Output,
        *,
        queue: JitterBuffer | None = None,
        on_played: Callable[[str, int], object] | None = None,
    ) -> None:
        self._output = output
        self._queue = queue or JitterBuffer()
        self.on_played = on_played
        self._news = anyio.Event()
        self._quiet_at = 0.0
        self._busy = False

    @property
    def sounds(self) -> bool:
        """Whether something can be heard: of an answer, or still of its echo."""
        return self._busy or anyio.current_time() < self._quiet_at

    async def play(self, item_id: str, pcm: bytes) -> None:
        """Play *pcm* after what waits; waits itself while that is more than five minutes."""
        while self._queue.full:
            await self._news.wait()
        self._queue.add(item_id, pcm)
        self._tell()

    async def take(self, delta: Delta) -> None:
        """Take part in a conversation: play what sounds, and fall silent where it should."""
        match delta:
            case AudioDelta(item_id, pcm):
                await self.play(item_id, pcm)
            case Interrupted():
                self.drop()
            case Done() | Failed():
                self.end()
            case _:
                pass

    def end(self) -> None:
        """Say that the answer is whole: what waits is played, however short."""
        self._queue.end()
        self._tell()

    def drop(self) -> int:
        """Be silent at once; return how many milliseconds nobody will hear."""
        dropped = self._queue.drop()
        self._tell()
        return dropped

    async def silent(self) -> None:
        """Wait until all that was given has been heard."""
        while self._busy or self._queue.size:
            await self._news.wait()

    async def run(self) -> None:
        """Play until cancelled. Raises what the output does."""
        while True:
            if (taken := self._queue.take(size_of(CHUNK_MS))) is None:
                await self._news.wait()
                continue
            self._busy = True
            await self._sound(*taken)
            self._busy = False
            self._tell()

    async def _sound(self, item_id: str, pcm: bytes) -> None:
        await to_thread.run_sync(self._output.write, pcm)
        latency = self._output.latency
        heard = self._queue.taken_ms(item_id) - round(1000 * latency)
        if not self._queue.size:
            await anyio.sleep(latency)
            heard = self._queue.taken_ms(item_id)
        self._quiet_at = anyio.current_time() + latency + ECHO
        if self.on_played is not None and heard > 0:
            self.on_played(item_id, heard)

    def _tell(self) -> None:
        self._news.set()
        self._news = anyio.Event()


class FileOutput:
    """Writes a WAV *file* or stream; a second takes *pace* seconds, with 0 none."""

    latency = 0.0

    def __init__(self, file: IO[bytes], *, pace: float = 0.0) -> None:
        self._file = file
        self._pace = pace
        self.size = 0
        """Bytes of sound so far."""
        self.closed = False
        file.write(header(RATE))

    def write(self, pcm: bytes) -> None:
        """Write *pcm*, in its time."""
        self._file.write(pcm)
        self.size += len(pcm)
        time.sleep(self._pace * ms_of(len(pcm)) / 1000)

    def close(self) -> None:
        """Write how long it became, where it is a file. It stays open: it is the caller's."""
        if self._file.seekable():
            self._file.seek(0)
            self._file.write(header(RATE, self.size))
        self._file.flush()
        self.closed = True


class DeviceOutput:
    """A loudspeaker whose *stream* plays at *rate*; see `sound_devices.opened`."""

    def __init__(self, stream: Any, rate: int) -> None:
        self.latency: float = stream.latency
        self._stream = stream
        self._resampler = Resampler(RATE, rate)

    def write(self, pcm: bytes) -> None:
        """Play *pcm*; waits until the device has room for it.

        Raises `ConfigurationError` (`sound_unavailable`) where it is gone.
        """
        rest = self._resampler.push(pcm)
        while rest:
            with told("playing on the loudspeaker"):
                if size := 2 * self._stream.write_available:
                    self._stream.write(rest[:size])
            rest = rest[size:]
            if rest:
                from_thread.check_cancelled()
                time.sleep(POLL)
