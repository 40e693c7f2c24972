"""What the server has been sent of the user's speech, and whether that makes a message."""

from __future__ import annotations

from typing import Final

from chatbots.errors import InvalidRequest
from chatbots.realtime.events.session import Audio, AudioInput, Session
from chatbots.realtime.playback import PCM_PER_MS, bytes_per_ms, size

MIN_MS: Final = 100
"""Less audio than this is not committed (the server's `input_audio_buffer_commit_empty`)."""


class Listening:
    """The audio that was sent since the last message of it, counted in bytes."""

    def __init__(self) -> None:
        self._sent = 0
        self._per_ms = PCM_PER_MS
        self._detects_turns = True

    def configure(self, session: Session) -> None:
        """Take the input format of a *session*, and whether it finds the end of a turn itself."""
        match session:
            case Session(audio=Audio(input=AudioInput() as told)):
                self._per_ms = bytes_per_ms(told.format)
                self._detects_turns = told.turn_detection is not None
            case _:
                pass

    def hears(self, audio: str) -> None:
        """Take in audio that is sent, in base64; raises `InvalidRequest` for half a sample."""
        length = size(audio)
        if not length or (self._per_ms == PCM_PER_MS and length % 2):
            raise InvalidRequest(
                "invalid_request",
                f"Audio has one sample or more, all whole; this has {length} bytes.",
                param="audio",
            )
        self._sent += length

    def forget(self) -> None:
        """Begin anew: the audio is committed, or cleared."""
        self._sent = 0

    def check(self) -> None:
        """Raise `InvalidRequest` where there is too little to commit.

        With turn detection the server commits as well: it alone knows how much is left.
        """
        if not self._detects_turns and self._sent < MIN_MS * self._per_ms:
            raise InvalidRequest(
                "invalid_request",
                f"There are {self._sent // self._per_ms} ms of audio to commit;"
                f" a message has {MIN_MS} ms or more.",
                param="audio",
            )
