"""Sound of one rate becomes sound of another: 8, 16, 24, 48 kHz and what lies between."""

from __future__ import annotations

from typing import Any

from chatbots.errors import ConfigurationError
from chatbots.version import installing


class Resampler:
    """Turns PCM (16 bits, one channel) of *source* Hz into *target* Hz, piece by piece.

    It lags some 30 ms behind, until `end`. Equal rates cost nothing and need nothing installed.
    Raises `ConfigurationError` (`extra_missing`).
    """

    def __init__(self, source: int, target: int) -> None:
        self._stream: Any = None if source == target else _stream(source, target)

    def push(self, pcm: bytes) -> bytes:
        """Return what can be heard by now; raises `ValueError` for half a sample."""
        return pcm if self._stream is None else self._resampled(pcm, last=False)

    def end(self) -> bytes:
        """Return the rest; nothing may be pushed after it."""
        return b"" if self._stream is None else self._resampled(b"", last=True)

    def _resampled(self, pcm: bytes, *, last: bool) -> bytes:
        import numpy as np

        samples = np.frombuffer(pcm, "<i2").astype(np.int16, copy=False)
        heard: bytes = self._stream.resample_chunk(samples, last=last).astype("<i2").tobytes()
        return heard


def resampled(pcm: bytes, source: int, target: int) -> bytes:
    """Return the whole of *pcm* in another rate; see `Resampler`."""
    resampler = Resampler(source, target)
    return resampler.push(pcm) + resampler.end()


def _stream(source: int, target: int) -> Any:
    try:
        import soxr  # pyright: ignore[reportMissingTypeStubs] - it has none
    except ImportError as error:
        raise ConfigurationError(
            "extra_missing",
            f"Sound of {source:,} Hz cannot be made {target:,} Hz: soxr is not installed.",
            hint=f"Install it with: {installing('voice')}",
        ) from error
    return soxr.ResampleStream(source, target, 1, dtype="int16")
