"""Speech to text: Moonshine tiny, English."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

RATE: Final = 16_000
"""Samples a second."""


class Moonshine:
    """The recogniser whose files are in *folder*; blocks."""

    def __init__(self, folder: Path) -> None:
        moonshine: Any = importlib.import_module("moonshine_voice")  # It has no types.
        self._transcriber = moonshine.Transcriber(
            model_path=str(folder),
            model_arch=moonshine.ModelArch.TINY,
            # Where a turn begins and ends is known already: cut again, it is heard worse.
            options={"vad_threshold": "0"},
        )

    def hear(self, pcm: bytes) -> str:
        """Return what is said in *pcm* (PCM16, 16 kHz, mono); empty where nothing is."""
        samples = np.frombuffer(pcm, "<i2").astype(np.float32) / 32768
        heard = self._transcriber.transcribe_without_streaming(samples.tolist(), RATE)
        return " ".join(line.text.strip() for line in heard.lines).strip()
