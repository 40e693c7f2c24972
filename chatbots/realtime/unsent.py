"""What the user says while nobody can hear it: the last of it is kept."""

from __future__ import annotations

from collections import deque

from chatbots.realtime.events.client import InputAudioBufferAppend
from chatbots.realtime.events.registry import read_client
from chatbots.realtime.events.session import Audio, AudioInput, Session
from chatbots.realtime.playback import bytes_per_ms, size


class Unsent:
    """At most *seconds* of audio in the format of a session; older audio is dropped."""

    def __init__(self, seconds: float, config: Session | None) -> None:
        match config:
            case Session(audio=Audio(input=AudioInput(format=told))):
                self._per_ms = bytes_per_ms(told)
            case _:
                self._per_ms = bytes_per_ms(None)
        self._most = int(seconds * 1000) * self._per_ms
        self._kept: deque[InputAudioBufferAppend] = deque()
        self._size = 0
        self._dropped = 0

    def add(self, event: InputAudioBufferAppend) -> None:
        """Keep a piece, and drop what is too old for it."""
        self._kept.append(event)
        self._size += size(event.audio)
        while self._size > self._most:
            gone = size(self._kept.popleft().audio)
            self._size -= gone
            self._dropped += gone

    def recover(self, frames: deque[bytes]) -> None:
        """Keep the audio among *frames* that could not be written."""
        for frame in frames:
            event = read_client(frame)
            if isinstance(event, InputAudioBufferAppend):
                self.add(event)

    def take(self) -> tuple[list[InputAudioBufferAppend], int]:
        """Return what was kept, and how many ms were dropped; begin anew."""
        kept, dropped = list(self._kept), self._dropped // self._per_ms
        self._kept.clear()
        self._size = self._dropped = 0
        return kept, dropped
