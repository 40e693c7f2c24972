"""A machine's sound library that never was one: `sounddevice` without PortAudio."""

from __future__ import annotations

from typing import Any


class PortAudioError(Exception):
    pass


class Stream:
    latency = 0.01

    def __init__(self, **asked: Any) -> None:
        self.asked = asked
        self.open = self.stopped = False
        self.seconds_read = 0.0
        self.written: list[bytes] = []

        self.read_available = self.write_available = asked["samplerate"] // 100
        self.gone = False

    def start(self) -> None:
        self.open = True

    def stop(self) -> None:
        self.stopped = True

    def close(self) -> None:
        self.open = False

    def read(self, frames: int) -> tuple[memoryview, bool]:
        self._look()
        self.seconds_read += frames / self.asked["samplerate"]
        return memoryview(b"\x01\x02" * frames), False

    def write(self, pcm: bytes) -> bool:
        self._look()
        assert len(pcm) <= 2 * self.write_available, "it would wait"
        self.written.append(pcm)
        return False

    def _look(self) -> None:
        if self.gone:
            raise PortAudioError("Unanticipated host error")


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
