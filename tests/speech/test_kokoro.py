from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chatbots.speech.kokoro import Kokoro, open_kokoro, styles_in
from tests.speech.onnx import pretend

ENDS = ("first", "end")
SIGNALS = ("/encoder/MatMul_1_output_0", "/encoder/Reshape_output_0", "/encoder/Reshape_1_output_0")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A file in which the signals that are cut are outputs of nodes."""
    outputs = (bytes([0x12, len(name)]) + name.encode() for name in SIGNALS)
    path = tmp_path / "model.onnx"
    path.write_bytes(b"".join(outputs))
    return path


@pytest.fixture
def asked() -> list[Mapping[str, Any]]:
    return []


@pytest.fixture
def voice(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch, asked: list[Mapping[str, Any]]
) -> Kokoro:
    """A voice that says a second of a loud 0.5 between two of silence, and nothing for `x`."""

    def run(inputs: Mapping[str, Any]) -> list[Any]:
        asked.append(inputs)
        quiet, loud = np.zeros(24_000, np.float32), np.full(24_000, 0.5, np.float32)
        said = quiet if inputs["input_ids"].tolist() == [[0, 66, 0]] else loud
        return [np.concatenate((quiet, said, quiet))[None]]

    style = tmp_path / "style.bin"
    np.arange(2 * 510 * 256, dtype=np.float32).tofile(style)
    opened = pretend(monkeypatch, run)
    network = open_kokoro(model, threads=2)
    assert opened[0].entries == {"session.force_spinning_stop": "1"}
    first, _ = styles_in(style)
    return Kokoro(network, first, str.lower)


def test_phonemes_are_the_models_numbers_and_unknown_ones_are_left_out(
    voice: Kokoro, asked: list[Mapping[str, Any]]
) -> None:
    voice.say("Pˈɛɹəs.7", speed=1.5)
    assert asked[0]["input_ids"].tolist() == [[0, 58, 156, 86, 123, 83, 61, 4, 0]]
    assert asked[0]["speed"].tolist() == [1.5]
    assert asked[0]["style"][0, 0] == 7 * 256  # the style depends on how much is said


def test_the_silence_at_either_end_is_cut_short(voice: Kokoro) -> None:
    pcm = np.frombuffer(voice.say("a"), "<i2")
    assert len(pcm) == pytest.approx(24_000 * 1.14, abs=2)
    assert pcm[0] == 0
    assert pcm[12_000] == int(0.5 * 32767)


def test_silence_is_not_made_to_be_cut(voice: Kokoro, asked: list[Mapping[str, Any]]) -> None:
    for speed in (1.0, 0.5):
        voice.say("a", speed=speed)
    windows = [
        [int(inputs[f"{name}.{end}"][0]) for name in ("frames", "halves") for end in ENDS]
        for inputs in asked
    ]
    assert windows == [[8, -10, 16, -20], [16, -20, 32, -40]]


def test_more_than_fits_is_left_out(voice: Kokoro, asked: list[Mapping[str, Any]]) -> None:
    voice.say("a" * 600)
    assert asked[0]["input_ids"].shape == (1, 511)


def test_nothing_to_say_and_nothing_said_are_no_sound(voice: Kokoro) -> None:
    assert voice.say("") == voice.say("7") == voice.say("x") == b""


def test_where_the_model_overflows_it_is_said_a_little_faster_or_slower(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    speeds: list[float] = []

    def run(inputs: Mapping[str, Any]) -> list[Any]:
        speeds.append(round(float(inputs["speed"][0]), 2))
        return [np.full((1, 24_000), np.nan if len(speeds) in overflows else 0.5, np.float32)]

    pretend(monkeypatch, run)
    network = open_kokoro(model, threads=1)
    made, overflows = Kokoro(network, np.zeros((510, 1, 256), np.float32), str), {1, 2}
    assert len(made.say("a")) == 48_000
    assert speeds == [1.0, 1.03, 0.97]
    overflows = set(range(9))
    with pytest.raises(ArithmeticError):
        made.say("a")


def test_a_mark_stops_it(voice: Kokoro) -> None:
    voice.begin()  # it has
    assert voice.stop_mark().terminate is False
