from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import pytest

from chatbots.speech.windows import windowed

onnxruntime: Any = import_module("onnxruntime")  # It has no types.


def field(number: int, data: bytes) -> bytes:
    assert len(data) < 128
    return bytes([number << 3 | 2, len(data)]) + data


def node(operator: bytes, given: bytes, made: bytes) -> bytes:
    return field(1, field(1, given) + field(2, made) + field(4, operator))


def floats(number: int, name: bytes) -> bytes:
    """An input or output of the network: floats of shape [1, n]."""
    shape = field(2, field(1, b"\x08\x01") + field(1, field(2, b"n")))
    return field(number, field(1, name) + field(2, field(1, b"\x08\x01" + shape)))


GRAPH = (
    node(b"Abs", b"x", b"/half")
    + node(b"Neg", b"/half", b"y")
    + field(2, b"g")
    + floats(11, b"x")
    + floats(12, b"y")
)
MODEL = b"\x08\x08" + field(7, GRAPH) + field(8, b"\x10\x0e")
"""`y = -abs(x)`, by way of a signal that is called `/half`."""


def test_what_comes_after_a_signal_sees_its_window_only() -> None:
    model = windowed(MODEL, {"/half": "w"})
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    assert [one.name for one in session.get_inputs()] == ["x", "w.first", "w.end"]
    given = {"x": np.array([[1, -2, 3, -4, 5]], np.float32)}
    window = {"w.first": np.array([1]), "w.end": np.array([-1])}
    assert session.run(None, given | window)[0].tolist() == [[-2, -3, -4]]


def test_signals_may_share_a_window_and_names_may_be_long() -> None:
    cut = windowed(MODEL, {"/half": "a" * 200, "y": "a" * 200})
    session = onnxruntime.InferenceSession(cut, providers=["CPUExecutionProvider"])
    given = {"x": np.array([[1, -2, 3, -4, 5]], np.float32)}
    window = {f"{'a' * 200}.first": np.array([1]), f"{'a' * 200}.end": np.array([-1])}
    assert session.run(None, given | window)[0].tolist() == [[-3]]


@pytest.mark.parametrize("signal", ["x", "/none"])
def test_what_no_node_makes_has_no_window(signal: str) -> None:
    with pytest.raises(ValueError, match="is not the output of one node"):
        windowed(MODEL, {signal: "w"})
