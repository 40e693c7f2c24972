from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from bench import tokens as measured
from chatbots.images import Image
from chatbots.messages import Message
from chatbots.sessions.tokens import (
    LARGEST_IMAGE,
    PER_CALL,
    PER_MESSAGE,
    Calibration,
    estimate,
    most,
    tokens_of,
    tokens_of_tools,
)
from chatbots.tool_calls import ToolCall, ToolSpec

COUNTED = json.loads(Path(measured.RESULT).read_text("utf-8"))["held_out"]


@pytest.mark.parametrize(("kind", "text"), measured.texts("held_out").items())
def test_an_estimate_is_near_what_tokenizers_of_today_count(kind: str, text: str) -> None:
    real = COUNTED[kind]
    assert estimate(text) == pytest.approx((real["o200k"] + real["qwen"]) / 2, rel=0.35)


def test_a_text_without_characters_has_no_tokens() -> None:
    assert estimate("") == 0


def test_an_indent_is_few_tokens() -> None:
    assert estimate(" " * 80) == 0
    assert estimate("x = 1\n" + " " * 12 + "y = 2") < estimate("x = 1\ny = 2") + 4


@given(st.text())
def test_no_text_has_more_tokens_than_the_most(text: str) -> None:
    assert 0 <= estimate(text) <= most(text)
    assert len(text.encode(errors="replace")) <= most(text)


def test_half_a_surrogate_pair_can_be_counted() -> None:
    assert estimate("\ud800") == 1


def of(message: Message) -> int:
    return tokens_of([message], len)


def test_a_message_is_its_text_and_what_is_around_it() -> None:
    assert tokens_of([Message("user", "Hi"), Message("assistant", "Hello")], len) == (
        7 + 2 * PER_MESSAGE
    )


def test_a_call_is_its_name_and_its_arguments() -> None:
    call = ToolCall("call_1", "add", '{"a":1}')
    assert of(Message("assistant", "", tool_calls=(call, call))) == PER_MESSAGE + 2 * (
        PER_CALL + 10
    )


def test_an_image_costs_by_how_closely_it_is_seen_whatever_its_address() -> None:
    far, close, auto = (Image("https://x/" + "y" * 999, d) for d in ("low", "high", None))
    assert of(Message("user", "", images=(far,))) == PER_MESSAGE + 85
    assert of(Message("user", "", images=(close, auto))) == PER_MESSAGE + 2 * LARGEST_IMAGE


def test_tools_cost_what_the_model_is_told_of_them() -> None:
    spec = ToolSpec("add", "Add numbers.", {"type": "object"})
    assert tokens_of_tools([], len) == 0
    assert tokens_of_tools([spec, spec], len) == 2 * len(
        '{"name":"add","description":"Add numbers.","parameters":{"type":"object"}}'
    )


# What servers say


def test_nothing_is_known_before_a_server_has_counted() -> None:
    assert (Calibration().ratio("m"), Calibration().limit("m")) == (1, None)


def test_a_ratio_goes_to_what_servers_count() -> None:
    seen = Calibration()
    seen.observe("m", estimated=100, counted=150)
    assert seen.ratio("m") == 1.5
    seen.observe("m", estimated=100, counted=250)
    assert seen.ratio("m") == pytest.approx(1.8)
    for _ in range(30):
        seen.observe("m", estimated=100, counted=80)
    assert seen.ratio("m") == pytest.approx(0.8, rel=0.01)
    assert seen.ratio(None) == 1


@pytest.mark.parametrize(
    ("estimated", "counted", "ratio"),
    [(1, 10**9, Calibration.MOST), (10**9, 1, Calibration.LEAST), (0, 9, 1), (9, 0, 1)],
)
def test_a_ratio_stays_within_bounds(estimated: int, counted: int, ratio: float) -> None:
    seen = Calibration()
    seen.observe("m", estimated=estimated, counted=counted)
    assert seen.ratio("m") == ratio


def test_what_a_model_reads_is_what_its_server_said_last() -> None:
    seen = Calibration()
    seen.refuse("m", limit=8192, estimated=8000, counted=8800)
    seen.refuse("m", limit=4096, estimated=5000, counted=4500)
    assert (seen.limit("m"), seen.limit("n")) == (4096, None)
    assert (seen.ratio("m"), seen.ratio("n")) == (1.1, 1)


def test_after_a_refusal_a_ratio_has_no_bound_and_comes_back() -> None:
    seen = Calibration()
    seen.refuse("m", limit=1000, estimated=0, counted=2000)
    assert seen.ratio("m") == 2000
    for _ in range(50):
        seen.observe("m", estimated=100, counted=100)
    assert seen.ratio("m") == pytest.approx(1, rel=0.01)


def test_so_many_models_are_known_and_no_more() -> None:
    seen = Calibration()
    for number in range(1000):
        seen.observe(f"m{number}", estimated=1, counted=2)
        seen.refuse(f"n{number}", limit=10, estimated=1, counted=2)
    assert sum(seen.ratio(f"m{number}") != 1 for number in range(1000)) == Calibration.MODELS / 2
    assert seen.limit("n999") is None
    seen.refuse("m0", limit=20, estimated=1, counted=2)
    assert seen.limit("m0") == 20
