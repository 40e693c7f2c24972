"""Voice activity: Silero's network, without torch."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

RATE: Final = 16_000
"""Samples a second."""
FRAME: Final = 512
"""Samples looked at in one step: 32 ms."""
_CONTEXT: Final = 64
_SPEECH: Final = 0.3
"""How likely speech is at the most in what has any; noise and silence were seen at 0.07."""


class Silero:
    """How likely it is that somebody speaks, frame by frame; one for each conversation."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self.reset()

    def reset(self) -> None:
        """Forget what was heard."""
        self._state: Any = np.zeros((2, 1, 128), np.float32)
        self._before: Any = np.zeros(_CONTEXT, np.float32)

    def __call__(self, frame: bytes) -> float:
        """Return the probability for *frame*, 512 samples of PCM16 at 16 kHz; some 0.2 ms."""
        samples = np.frombuffer(frame, "<i2").astype(np.float32) / 32768
        inputs = {
            "input": np.concatenate((self._before, samples))[None],
            "state": self._state,
            "sr": np.array(RATE, np.int64),
        }
        probability, self._state = self._session.run(None, inputs)
        self._before = samples[-_CONTEXT:]
        return float(probability[0, 0])

    def finds(self, pcm: bytes) -> bool:
        """Tell whether somebody speaks anywhere in *pcm*; some 10 ms for a second."""
        size = 2 * FRAME
        ends = range(size, len(pcm) + 1, size)
        return any(self(pcm[end - size : end]) >= _SPEECH for end in ends)


def open_silero(path: Path) -> Any:
    """Return the network in the file at *path*, which any number of conversations can share."""
    onnx: Any = importlib.import_module("onnxruntime")  # It has no types.
    options = onnx.SessionOptions()
    # A frame is 0.2 ms of work: another thread costs more than it brings.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnx.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
