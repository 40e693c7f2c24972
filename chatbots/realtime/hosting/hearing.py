"""The user's audio that is not yet a message."""

from __future__ import annotations

from binascii import Error, a2b_base64
from typing import Final

from chatbots.realtime.events.registry import MAX_AUDIO
from chatbots.realtime.hosting.refusal import Refusal
from chatbots.realtime.playback import PCM_PER_MS

MIN_MS: Final = 100
"""Less audio than this is no message."""

KEPT_MS: Final = 30_000
"""What is kept while turn detection hears nobody speak, in ms."""


class Hearing:
    """The input buffer: what was appended since the last message; *per_ms* bytes are one ms."""

    def __init__(self) -> None:
        self.per_ms = PCM_PER_MS
        self.speaking: str | None = None
        """The id that the message of whoever speaks now will have."""
        self._audio = bytearray()
        self._before = 0
        """Bytes of the session's audio that came before what is kept."""

    @property
    def ms(self) -> int:
        """How much audio of the session there was so far."""
        return (self._before + len(self._audio)) // self.per_ms

    def append(self, said: str, *, waits: bool) -> bytes:
        """Take in audio in base64 and return it; *waits* for somebody to speak, it is not all kept.

        Raises `Refusal` for what is no audio.
        """
        try:
            audio = a2b_base64(said, strict_mode=True)
        except (Error, ValueError) as error:
            raise Refusal(
                f"Invalid 'audio'. Expected base64-encoded audio bytes: {error}.", param="audio"
            ) from None
        if len(audio) > MAX_AUDIO:
            raise Refusal("Invalid 'audio': more than 15 MiB.", "string_above_max_length", "audio")
        self._audio += audio
        spare = len(self._audio) - KEPT_MS * self.per_ms
        if waits and spare > 0:
            self._forget(spare)
        return audio

    def start(self, item_id: str, ms: int) -> None:
        """Take in that somebody speaks; what was before *ms* of the session's audio goes."""
        self.speaking = item_id
        self._forget(ms * self.per_ms - self._before)

    def clear(self) -> None:
        """Forget what is kept."""
        self.speaking = None
        self._forget(len(self._audio))

    def take(self) -> bytes:
        """Return what is kept, to be a message; raises `Refusal` for too little."""
        if len(self._audio) < MIN_MS * self.per_ms:
            has = len(self._audio) / self.per_ms
            raise Refusal(
                "Error committing input audio buffer: buffer too small. Expected at least "
                f"{MIN_MS}ms of audio, but buffer only has {has:.2f}ms of audio.",
                "input_audio_buffer_commit_empty",
            )
        audio = bytes(self._audio)
        self.clear()
        return audio

    def _forget(self, count: int) -> None:
        count = max(0, min(count, len(self._audio)))
        del self._audio[:count]
        self._before += count
