"""Sound of one kind becomes sound of another, on its way: PCM of any rate, and a telephone's."""

from __future__ import annotations

from typing import Final, NamedTuple

from anyio.abc import ObjectSendStream

from chatbots.deltas import AudioDelta, Delta, Done, Failed, Interrupted
from chatbots.errors import InvalidRequest
from chatbots.interfaces import Sink
from chatbots.realtime import g711
from chatbots.realtime.audio import RATE
from chatbots.realtime.names import AUDIO_FORMATS
from chatbots.realtime.resampling import Resampler

_LAWS: Final[dict[str, g711.Law]] = {"audio/pcmu": "ulaw", "audio/pcma": "alaw"}


class Kind(NamedTuple):
    """What sound is like: one of `AUDIO_FORMATS`, and samples a second; one channel."""

    format: str = "audio/pcm"
    rate: int = RATE

    @classmethod
    def of(cls, name: str, rate: int | None) -> Kind:
        """Return the kind of that *name*, at its usual rate where none is said.

        Raises `InvalidRequest` for what is no kind of sound.
        """
        if name not in AUDIO_FORMATS or not 1000 <= (rate or RATE) <= 768_000:
            raise InvalidRequest(
                "invalid_request",
                f"There is no sound of the format {name!r} at {rate or RATE} Hz.",
                hint=f"There are {', '.join(AUDIO_FORMATS)}, from 1000 to 768000 Hz.",
                param="audio",
            )
        return cls(name, rate or (8000 if name in _LAWS else RATE))


class Converter:
    """Turns sound of the kind *source* into sound of the kind *target*, piece by piece.

    Between rates it lags some 30 ms behind, until `end`, after which other sound may come.
    Raises `ConfigurationError` (`extra_missing`) where they differ and soxr is not installed.
    """

    def __init__(self, source: Kind, target: Kind) -> None:
        self._source, self._target = source, target
        self._resampler = Resampler(source.rate, target.rate)

    def push(self, sound: bytes) -> bytes:
        """Return what can be heard by now; raises `InvalidRequest` for half a sample."""
        law = _LAWS.get(self._source.format)
        if law is not None:
            sound = g711.decode(sound, law)
        elif len(sound) % 2:
            raise InvalidRequest(
                "invalid_request",
                f"The sound has {len(sound)} bytes: that is no whole number of samples of 16 bits.",
                param="audio",
            )
        return self._coded(self._resampler.push(sound))

    def end(self) -> bytes:
        """Return the rest of it."""
        rest = self._coded(self._resampler.end())
        self._resampler = Resampler(self._source.rate, self._target.rate)
        return rest

    def _coded(self, pcm: bytes) -> bytes:
        law = _LAWS.get(self._target.format)
        return pcm if law is None else g711.encode(pcm, law)


class Sounding(ObjectSendStream[Delta]):
    """A way *out* for the deltas of a session, on which its sound becomes that of a *kind*."""

    def __init__(self, out: Sink, kind: Kind) -> None:
        self._out = out
        self._kind = kind
        self._converter = Converter(Kind(), kind)
        self._item: str | None = None

    async def send(self, item: Delta) -> None:
        """Send it, after the rest of the sound before it. No sound is an item's end."""
        match item:
            case AudioDelta(name, pcm):
                if name != self._item or not pcm:
                    await self._end()
                if pcm:
                    self._item = name
                    await self._sound(self._converter.push(pcm))
                return
            case Interrupted():
                self._item = None
                self._converter.end()  # nobody hears it any more
            case Done() | Failed():
                await self._end()
            case _:
                pass
        await self._out.send(item)

    async def aclose(self) -> None:
        """Close the way out."""
        await self._out.aclose()

    async def _end(self) -> None:
        if self._item is not None:
            await self._sound(self._converter.end())
        self._item = None

    async def _sound(self, sound: bytes) -> None:
        if sound:
            await self._out.send(AudioDelta(self._item or "", sound, self._kind.rate))
