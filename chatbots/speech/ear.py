"""What comes from a client's microphone: turned into the recogniser's sound, and into turns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from msgspec import Struct

from chatbots.realtime import g711
from chatbots.realtime.events.session import AudioFormat, Session, TurnDetection
from chatbots.realtime.hosting.configuring import detection_of, heard
from chatbots.realtime.resampling import Resampler
from chatbots.speech.silero import FRAME, RATE
from chatbots.speech.turns import FRAME_MS, START_MS, Change, Turns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatbots.speech.silero import Silero

_FRAME_BYTES: Final = 2 * FRAME
_BEFORE: Final = 2 * RATE * 300 // 1000
"""Bytes before a turn that go with it: its first sound is softer than what is taken for speech."""
_PIECE: Final = 2 * RATE * 5
"""Bytes of a turn that are written down by themselves, once a pause comes after them."""
_LONGEST: Final = 2 * RATE * 20
"""Bytes that are, even without one: the recogniser has learnt from short sentences."""
_LAWS: Final[dict[str, g711.Law]] = {"audio/pcmu": "ulaw", "audio/pcma": "alaw"}

_EAGERNESS: Final = {"low": 1_200, "medium": 700, "high": 350}
"""How long a silence ends a turn, in ms; 500 for `auto`."""
_NEVER: Final = 2**31

Kind: TypeAlias = Change | Literal["cut"]
"""`cut`: so much of the turn is over; what comes later has another beginning."""


class News(Struct, frozen=True):
    """What a frame changed, at *ms* of the session's audio; *sound*: since the last cut, 16 kHz."""

    change: Kind
    ms: int
    sound: bytes


class Ear:
    """One conversation's hearing; told of each change of the session by `configure`."""

    def __init__(self, silero: Silero) -> None:
        self._silero = silero
        self._told: object = None
        self._turns = Turns(silence_ms=_NEVER)
        self._detects = False
        self._format = ("audio/pcm", 24_000)
        self._resampler = Resampler(24_000, RATE)
        self._ms = 0
        self.reset()

    def configure(self, session: Session) -> None:
        """Hear as *session* says; without turn detection, turns do not start and stop.

        Whoever speaks meanwhile is heard on, unless what is heard, or how, is another.
        """
        told = (format_of(heard(session).format), detection_of(session))
        if told != self._told:
            self._told = told
            self._format = told[0]
            self._detects = told[1] is not None
            self._turns = _turns(told[1])
            self._resampler = Resampler(self._format[1], RATE)
            self.reset()

    def reset(self) -> None:
        """Begin anew: what was heard is forgotten."""
        self._silero.reset()
        self._frames = bytearray()
        self._turn = bytearray()
        self._paused = 0
        self._turns.reset()

    def push(self, audio: bytes) -> Iterator[News]:
        """Take in *audio* in the session's format; yield what changes."""
        self._frames += self._resampler.push(pcm_of(audio, self._format[0]))
        while len(self._frames) >= _FRAME_BYTES:
            frame = bytes(self._frames[:_FRAME_BYTES])
            del self._frames[:_FRAME_BYTES]
            self._ms += FRAME_MS
            self._turn += frame
            change = self._turns.push(self._silero(frame))
            if change in ("paused", "resumed") or (change and self._detects):
                begun = self._ms - START_MS if change == "started" else self._ms
                yield News(change, begun, bytes(self._turn))
            yield from self._cut(change)

    def take(self) -> bytes:
        """Return what was heard since the last cut, and forget it: the turn is over."""
        if not self._detects:
            self._turn += self._frames + self._resampler.end()
            self._frames.clear()
            self._resampler = Resampler(self._format[1], RATE)
            self._turns.reset()
        sound = bytes(self._turn)
        self._turn.clear()
        self._paused = 0
        return sound

    def seconds(self, audio: bytes) -> float:
        """Return how long *audio* in the session's format lasts."""
        name, rate = self._format
        return len(audio) / rate / (1 if name in _LAWS else 2)

    def pieces(self, audio: bytes, silero: Silero) -> list[bytes]:
        """Return a whole recording, in the session's format, as `cut` news would have it."""
        other = Ear(silero)
        other._format, other._resampler = self._format, Resampler(self._format[1], RATE)
        found = [news.sound for news in other.push(audio) if news.change == "cut"]
        return [*found, other.take()]

    def _cut(self, change: Change | None) -> Iterator[News]:
        if change == "paused":
            self._paused = len(self._turn)
        full = len(self._turn) if len(self._turn) >= _LONGEST else 0
        if change == "resumed" and self._paused >= _PIECE:
            full = self._paused
        if full and (self._turns.speaking or not self._detects):
            yield News("cut", self._ms, bytes(self._turn[:full]))
            del self._turn[:full]
        if self._detects and not self._turns.speaking:
            del self._turn[:-_BEFORE]


def format_of(told: object) -> tuple[str, int]:
    """Return the name and the rate of a format that a session is told, or is not."""
    name = told.type if isinstance(told, AudioFormat) and isinstance(told.type, str) else ""
    return (name, 8_000) if name in _LAWS else ("audio/pcm", 24_000)


def pcm_of(audio: bytes, name: str) -> bytes:
    """Return sound in the format called *name* as PCM16 of the same rate."""
    return g711.decode(audio, _LAWS[name]) if name in _LAWS else audio[: len(audio) // 2 * 2]


def coded(pcm: bytes, name: str) -> bytes:
    """Return PCM16 in the format called *name*, of the same rate."""
    return g711.encode(pcm, _LAWS[name]) if name in _LAWS else pcm


def _turns(told: TurnDetection | None) -> Turns:
    if told is None:
        return Turns(silence_ms=_NEVER)
    threshold, silence = told.threshold, told.silence_duration_ms
    if told.type == "semantic_vad":  # What is said is not understood: silence has to do.
        silence = _EAGERNESS.get(str(told.eagerness))
    return Turns(
        threshold=threshold if isinstance(threshold, float | int) else 0.5,
        silence_ms=silence if isinstance(silence, int) else 500,
    )
