"""The voice: Kokoro-82M, text to sound, on onnxruntime."""

from __future__ import annotations

import importlib
from string import ascii_lowercase
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from chatbots.speech.windows import windowed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RATE: Final = 24_000
"""Samples a second."""

_VOCABULARY: Final = {
    **dict(zip(';:,.!?—…"()“” ', (1, 2, 3, 4, 5, 6, 9, 10, 11, 12, 13, 14, 15, 16), strict=True)),
    **dict(zip("AIOQSTWYᵊ", (24, 25, 31, 33, 35, 36, 39, 41, 42), strict=True)),
    **{letter: 43 + place for place, letter in enumerate(ascii_lowercase) if letter != "g"},
    **dict(zip("ɑɐæɔðʤəɛɜɡɪŋɹɾʃʧʊʌʒʔˈˌːᵻθ", (
        69, 70, 72, 76, 81, 82, 83, 86, 87, 92, 102, 112, 123, 125, 131, 133, 135, 138, 147, 148,
        156, 157, 158, 177, 119), strict=True)),
}  # fmt: skip
"""The model's own numbers (`config.json` of hexgrad/Kokoro-82M)."""
_LONGEST: Final = 509
"""Phonemes at a time: the model's context, less a mark at either end."""
_TRIES: Final = (1.0, 1.03, 0.97)
"""In 16 bits the model now and then overflows, as for "Rome."; a little faster it does not."""
_QUIET: Final = 0.01
_SIGNALS: Final = {
    "/encoder/MatMul_1_output_0": "frames",
    "/encoder/Reshape_output_0": "halves",
    "/encoder/Reshape_1_output_0": "halves",
}
"""What the model works out before it makes the wave: sounds; pitch and loudness, twice as many."""
_BEFORE, _AFTER = 8, 10
"""Frames of 25 ms that are silent at either end, of some 15 and 18: they cost as much as speech."""
_LEAD, _TAIL = int(0.02 * RATE), int(0.12 * RATE)


class Kokoro:
    """One speaker, by its *styles*; `say` blocks, and may be stopped from another thread."""

    def __init__(self, network: Any, styles: Any, phonemes: Callable[[str], str]) -> None:
        self._network = network
        self._styles = styles
        self._phonemes = phonemes

    def begin(self) -> None:
        """Do nothing: it is loaded."""

    def stop_mark(self) -> Any:
        """Return what `say` looks at while it works: it ends early once `terminate` is set."""
        onnx: Any = importlib.import_module("onnxruntime")
        return onnx.RunOptions()

    def say(self, text: str, *, speed: float = 1.0, mark: Any = None) -> bytes:
        """Return *text* as PCM16 at 24 kHz, the silence at either end cut short.

        What is beyond the model's 509 phonemes is left out. About 0.4 s a second of sound.
        Raises `ArithmeticError` where the model finds no sound.
        """
        sounds = self._phonemes(text)
        known = [_VOCABULARY[sound] for sound in sounds if sound in _VOCABULARY][:_LONGEST]
        if not known:
            return b""
        wave = self._wave(known, speed, mark)
        loud = np.flatnonzero(np.abs(wave) > _QUIET)
        if not loud.size:
            return b""
        wave = wave[max(0, loud[0] - _LEAD) : loud[-1] + _TAIL]
        return bytes((np.clip(wave, -1, 1) * 32767).astype("<i2").tobytes())

    def _wave(self, known: list[int], speed: float, mark: Any) -> Any:
        for factor in _TRIES:
            inputs = {
                "input_ids": np.array([[0, *known, 0]], np.int64),
                "style": self._styles[len(known)],
                "speed": np.array([speed * factor], np.float32),
                **_window("frames", 1, speed),
                **_window("halves", 2, speed),
            }
            wave = self._network.run(None, inputs, mark)[0].reshape(-1)
            if not np.isnan(wave).any():
                return wave
        raise ArithmeticError("The voice has no number for this.")


def open_kokoro(path: Path, *, threads: int) -> Any:
    """Return the network in the file at *path*, which all its speakers share."""
    onnx: Any = importlib.import_module("onnxruntime")  # It has no types.
    options = onnx.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    # Threads that spin on after the work would take the language model's turn.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    model = windowed(path.read_bytes(), _SIGNALS)
    return onnx.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def styles_in(path: Path) -> Any:
    """Return the styles of the speakers in the file at *path*, in its order."""
    return np.fromfile(path, np.float32).reshape(-1, _LONGEST + 1, 1, 256)


def _window(name: str, times: int, speed: float) -> dict[str, Any]:
    ends = {"first": int(_BEFORE / speed), "end": -int(_AFTER / speed)}
    return {f"{name}.{end}": np.array([times * at], np.int64) for end, at in ends.items()}
