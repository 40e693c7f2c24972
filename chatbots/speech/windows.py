"""A network in an ONNX file, made to go on with a window of what it has worked out half-way."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

# Numbers of fields in onnx.proto (ModelProto, GraphProto, NodeProto, TensorProto, ...).
_GRAPH: Final = 7
_NODE, _INITIALIZER, _INPUT = 1, 5, 11
_NODE_INPUT, _NODE_OUTPUT, _OPERATOR = 1, 2, 4
_RAW, _TENSOR_NAME = 9, 8
_ONE_INT64: Final = b"\x08\x01\x10\x07"
"""A tensor of one dimension, of 1 (`dims`), of INT64 (`data_type`)."""
_AXIS: Final = b"windowed_axis"


def windowed(model: bytes, signals: Mapping[str, str]) -> bytes:
    """Return *model* with the last axis of each of its *signals* cut to a window.

    A signal is the output of a node, and has the name of its window; a window `w` is two new
    inputs, INT64 of shape [1]: `w.first` and `w.end`, as of a slice of Python's.
    Raises `ValueError` where a signal is not the output of one node.
    """
    whole = bytearray(model)
    added = _field(_INITIALIZER, _ONE_INT64 + _field(_RAW, struct.pack("<q", -1)) + _named(_AXIS))
    for signal, window in signals.items():
        name = signal.encode()
        uncut = b"!" + name[1:]  # as long as before: lengths are written around it
        output = _field(_NODE_OUTPUT, name)
        if whole.count(output) != 1:
            raise ValueError(f"{signal} is not the output of one node of this network.")
        place = whole.index(output)
        whole[place : place + len(output)] = _field(_NODE_OUTPUT, uncut)
        ends = [f"{window}.{end}".encode() for end in ("first", "end")]
        inputs = b"".join(_field(_NODE_INPUT, one) for one in (uncut, *ends, _AXIS))
        added += _field(_NODE, inputs + output + _field(_OPERATOR, b"Slice"))
    for window in dict.fromkeys(signals.values()):
        for end in ("first", "end"):
            added += _field(_INPUT, _an_int64(f"{window}.{end}".encode()))
    # A message that comes in two parts is both parts: so protobuf says of its encoding.
    return bytes(whole + _field(_GRAPH, added))


def _an_int64(name: bytes) -> bytes:
    """Return a ValueInfoProto of an INT64 of shape [1]."""
    shape = _field(2, _field(1, b"\x08\x01"))
    return _field(1, name) + _field(2, _field(1, b"\x08\x07" + shape))


def _named(name: bytes) -> bytes:
    return _field(_TENSOR_NAME, name)


def _field(number: int, data: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(data)) + data


def _varint(number: int) -> bytes:
    digits = bytearray()
    while number > 127:
        digits.append(number & 127 | 128)
        number >>= 7
    return bytes([*digits, number])
