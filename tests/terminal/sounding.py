"""A machine's sound library that never was one: `sounddevice` without PortAudio."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Self


class PortAudioError(Exception):
    pass


class Stream:
    latency = 0.01

    def __init__(self, **asked: Any) -> None:
        self.asked = asked
        self.open = False
        self.seconds_read = 0.0
        self.written: list[bytes] = []

    def __enter__(self) -> Self:
        self.open = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.open = False

    def read(self, frames: int) -> tuple[memoryview, bool]:
        self.seconds_read += frames / self.asked["samplerate"]
        time.sleep(frames / 1_000_000)
        return memoryview(b"\x01\x02" * frames), False

    def write(self, pcm: bytes) -> bool:
        self.written.append(pcm)
        return False


class SoundLibrary:
    """What this package uses of `sounddevice`; its devices have the rates it is made with."""

    PortAudioError = PortAudioError

    def __init__(self, *rates: int, broken: bool = False) -> None:
        self.streams: list[Stream] = []
        self._rates = rates
        self._broken = broken

    def query_devices(self, device: object = None, kind: str | None = None) -> Any:
        if self._broken:
            raise PortAudioError("Error querying host API -9999")
        if kind is None:
            return "> 0 Headset, ALSA (1 in, 2 out)"
        return {"default_samplerate": float(self._rates[0])}

    def check_input_settings(self, *, samplerate: int, device: object, **_: object) -> None:
        if device == "nobody":
            raise ValueError("No device matching 'nobody'")
        if samplerate not in self._rates:
            raise PortAudioError("Invalid sample rate")

    check_output_settings = check_input_settings

    def RawInputStream(self, **asked: Any) -> Stream:  # noqa: N802 - sounddevice's
        self.streams.append(Stream(**asked))
        return self.streams[-1]

    RawOutputStream = RawInputStream
