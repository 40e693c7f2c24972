from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from chatbots.speech.moonshine import RATE, Moonshine


class Transcriber:
    """Hears two lines; what it was given is kept."""

    def __init__(self, **told: object) -> None:
        self.told = told
        self.heard: list[tuple[list[float], int]] = []

    def transcribe_without_streaming(self, samples: list[float], rate: int) -> SimpleNamespace:
        self.heard.append((samples, rate))
        return SimpleNamespace(
            lines=[SimpleNamespace(text=" Hello, "), SimpleNamespace(text="you.")]
        )


def test_sound_goes_in_as_fractions_and_the_lines_come_out_joined(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[Transcriber] = []

    def make(**told: object) -> Transcriber:
        made.append(Transcriber(**told))
        return made[-1]

    module = ModuleType("moonshine_voice")
    vars(module).update(Transcriber=make, ModelArch=SimpleNamespace(TINY=0))
    monkeypatch.setitem(sys.modules, "moonshine_voice", module)
    recogniser = Moonshine(Path("/files"))
    assert recogniser.hear(np.array([0, 16_384], "<i2").tobytes()) == "Hello, you."
    assert made[0].heard == [([0.0, 0.5], RATE)]
    assert made[0].told["model_path"] == "/files"
