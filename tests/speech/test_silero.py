from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chatbots.speech.silero import FRAME, Silero, open_silero
from tests.speech.onnx import pretend


def test_a_frame_goes_in_with_the_end_of_the_one_before_and_the_state_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[Mapping[str, Any]] = []

    def run(inputs: Mapping[str, Any]) -> list[Any]:
        asked.append(inputs)
        return [np.array([[0.25]], np.float32), inputs["state"] + 1]

    opened = pretend(monkeypatch, run)
    silero = Silero(open_silero(Path("silero.onnx")))
    assert vars(opened[0])["intra_op_num_threads"] == 1
    frame = np.full(FRAME, 16_384, "<i2").tobytes()
    assert silero(frame) == 0.25
    silero(frame)
    assert [one["input"].shape for one in asked] == [(1, 64 + FRAME)] * 2
    assert [one["input"][0, 0] for one in asked] == [0, 0.5]
    assert [one["state"].max() for one in asked] == [0, 1]
    silero.reset()
    silero(frame)
    assert asked[2]["input"][0, 0] == asked[2]["state"].max() == 0


def test_it_finds_speech_wherever_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(inputs: Mapping[str, Any]) -> list[Any]:
        return [np.array([[inputs["input"].max()]], np.float32), inputs["state"]]

    pretend(monkeypatch, run)
    silero = Silero(open_silero(Path("silero.onnx")))
    hiss, speech = (np.full(FRAME, 32768 * p, "<i2").tobytes() for p in (0.1, 0.5))
    assert not silero.finds(hiss * 3)
    assert silero.finds(hiss + speech)
    assert not silero.finds(speech[:-2])  # too short to be any
