from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chatbots.speech import moonshine_js
from chatbots.speech.moonshine_js import MoonshineJs
from tests.speech.onnx import pretend
from tests.speech.real import errors, samples, weights, words_of

PIECES = ["<unk>", "<s>", "</s>", "<0x21>", "▁Hello", "▁wor", "ld"]
PAST = ["past_key_values.0.decoder.key", "past_key_values.0.encoder.key"]
SECOND = bytes(32_000)


class Written:
    """A network that says *tokens*, one at a time; what it was asked is kept."""

    def __init__(self, *tokens: int) -> None:
        self.tokens = tokens
        self.asked: list[Mapping[str, Any]] = []

    def run(self, inputs: Mapping[str, Any]) -> list[Any]:
        if "input_values" in inputs:
            return [inputs["input_values"] * 2]
        logits = np.zeros((1, 1, len(PIECES)))
        logits[0, 0, self.tokens[len(self.asked) % len(self.tokens)]] = 1
        self.asked.append(inputs)
        return [logits, f"decoder {len(self.asked)}", f"encoder {len(self.asked)}"]


def heard_by(network: Written, folder: Path, monkeypatch: pytest.MonkeyPatch) -> MoonshineJs:
    opened = pretend(monkeypatch, network.run, inputs=[*PAST, "input_ids"])
    monkeypatch.setattr(moonshine_js, "ENCODER", 3)
    monkeypatch.setattr(moonshine_js, "DECODER", 4)
    monkeypatch.setattr(moonshine_js, "LONG", 8)
    words = base64.b64encode("\n".join(PIECES).encode())
    other = b"abcde"  # too short to be it, and no base64
    file = folder / "moonshine-js.bin"
    file.write_bytes(b"encdeco" + b'var a="' + other + b'",b="' + words + b'";')
    made = MoonshineJs(file, threads=2)
    assert opened[0].models == [b"enc", b"deco"]
    return made


def test_what_is_written_token_by_token_is_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = Written(4, 5, 6, 3, 2)
    ear = heard_by(network, tmp_path, monkeypatch)
    assert ear.hear(np.full(16_000, 16_384, "<i2").tobytes()) == "Hello world!"
    assert [one["input_ids"].tolist() for one in network.asked] == [[[n]] for n in (1, 4, 5, 6, 3)]
    assert network.asked[0]["encoder_hidden_states"][0, 0] == 1.0
    assert [bool(one["use_cache_branch"][0]) for one in network.asked] == [False, *[True] * 4]


def test_what_was_heard_is_kept_from_the_first_step_and_what_is_written_grows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = Written(4, 5, 6, 2)
    heard_by(network, tmp_path, monkeypatch).hear(SECOND)
    first, *later = ([one[name] for name in PAST] for one in network.asked)
    assert [value.shape for value in first] == [(0, 8, 1, 36)] * 2
    assert later == [[f"decoder {n}", "encoder 1"] for n in (1, 2, 3)]


def test_a_model_that_does_not_end_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ear = heard_by(Written(6), tmp_path, monkeypatch)
    assert ear.hear(2 * SECOND) == "ld" * 12
    assert ear.hear(b"") == ""


def test_nothing_said_is_nothing_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert heard_by(Written(2), tmp_path, monkeypatch).hear(SECOND) == ""


@pytest.mark.weights
@pytest.mark.timeout(300)
def test_of_human_speech_at_most_12_words_in_100_are_misheard() -> None:
    ear = MoonshineJs(weights("moonshine-js-tiny-en"), threads=2)
    told = samples("librivox/transcription") + samples("cards/cards.transcription")
    wrong = sum(errors(one.words, words_of(ear.hear(one.pcm))) for one in told)
    assert ear.hear(bytes(64_000)) == ""
    total = sum(len(one.words) for one in told)
    print(f"{wrong} of {total} words misheard")  # noqa: T201 (shown where it fails)
    assert total == 92
    assert wrong / total <= 0.12
