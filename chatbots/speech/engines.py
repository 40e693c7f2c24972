"""Hearing, thinking and speaking, each where it does not hold up the others."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import anyio
import anyio.to_thread
from msgspec.structs import replace

from chatbots.errors import ChatError, ProviderError
from chatbots.flow.channel import open_channel
from chatbots.speech.spoken import spoken
from chatbots.speech.voices import named

if TYPE_CHECKING:
    from chatbots.interfaces import ChatModel
    from chatbots.messages import ModelRequest
    from chatbots.speech.silero import Silero


class Recogniser(Protocol):
    """Speech to text."""

    def hear(self, pcm: bytes) -> str:
        """Return what is said in *pcm* (PCM16, 16 kHz); blocks."""
        ...


class Voice(Protocol):
    """Text to speech."""

    def begin(self) -> None:
        """Begin to load what is not loaded yet, without waiting for it."""
        ...

    def stop_mark(self) -> Any:
        """Return what stops `say` once its `terminate` is set."""
        ...

    def say(self, text: str, *, speed: float = 1.0, mark: Any = None) -> bytes:
        """Return *text*, all of it words, as PCM16 at 24 kHz; blocks."""
        ...


class Engines:
    """What all conversations of a process share; *silero* makes one for each.

    *voices* by their names; the first is that of who names none.
    *reads_ahead*: the model reads what it will be asked about while the user speaks.
    """

    def __init__(
        self,
        *,
        model: ChatModel,
        recogniser: Recogniser,
        voices: Mapping[str, Voice],
        silero: Callable[[], Silero],
        reads_ahead: bool = False,
    ) -> None:
        self.model = model
        self.silero = silero
        self._reads_ahead = reads_ahead
        self._recogniser = recogniser
        self.voices = voices
        # One at a time each: two at once would both be late.
        self._hearing = anyio.CapacityLimiter(1)
        self._saying = anyio.CapacityLimiter(1)

    async def read_ahead(self, request: Callable[[], ModelRequest]) -> None:
        """Have the model read *request*, so that it has less to read when it is asked."""
        if not self._reads_ahead:
            return
        with suppress(ChatError):
            asked = request()
            sampling = replace(asked.sampling, max_tokens=1)
            await self.model.complete(replace(asked, sampling=sampling), open_channel()[0])

    async def hear_any(self, pcm: bytes) -> str:
        """Return what is said in *pcm*, as `hear`; empty where nobody speaks.

        Of silence and noise the recogniser makes words ("You"), which nobody said.
        """
        with _failing("What was said cannot be made out"):
            speech = await anyio.to_thread.run_sync(self.silero().finds, pcm)
        return await self.hear(pcm) if speech else ""

    async def hear(self, pcm: bytes) -> str:
        """Return what is said in *pcm* (PCM16, 16 kHz); some 0.1 s. Raises `ProviderError`."""
        with _failing("What was said cannot be made out"):
            return await anyio.to_thread.run_sync(
                self._recogniser.hear, pcm, limiter=self._hearing, abandon_on_cancel=True
            )

    async def say(self, text: str, *, voice: str = "", speed: float = 1.0) -> bytes:
        """Return *text* as PCM16 at 24 kHz. Cancelled, the work ends too, within a few ms.

        Raises `ProviderError` (`upstream_error`), as `hear` does.
        """
        speaker = self._speaker(voice)
        mark = speaker.stop_mark()
        work = partial(speaker.say, spoken(text), speed=speed, mark=mark)
        try:
            with _failing("The answer cannot be said"):
                return await anyio.to_thread.run_sync(
                    work, limiter=self._saying, abandon_on_cancel=True
                )
        finally:
            mark.terminate = True

    def prepare(self, voice: str) -> None:
        """Have the voice of this name begin to load."""
        self._speaker(voice).begin()

    def _speaker(self, name: str) -> Voice:
        return self.voices[named(name, self.voices) or next(iter(self.voices))]


@contextmanager
def _failing(what: str) -> Generator[None]:
    """Raise as `ProviderError` what an engine raises: it names nothing that was said."""
    try:
        yield
    except Exception as error:
        raise ProviderError("upstream_error", f"{what}: {type(error).__name__}.") from error
