"""Speech to text without the package of `moonshine`: its publisher's npm package, on onnxruntime.

The weights are other ones, in 8 bits; one file holds them and the program that has the words.
"""

from __future__ import annotations

import base64
import importlib
import re
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from chatbots.speech.moonshine import RATE

if TYPE_CHECKING:
    from pathlib import Path

ENCODER: Final = 7_937_661
"""Bytes of the file that are the encoder."""
DECODER: Final = 20_243_286
"""Bytes after it that are the decoder; the rest is the program."""
LONG: Final = 100_000
"""Characters of base64, at the least, that may be the vocabulary."""
_BASE64: Final = re.compile(rb'"([A-Za-z0-9+/=]+)"')
_BYTE: Final = re.compile("<0x(..)>")
_FIRST, _LAST = 1, 2
_A_SECOND: Final = 6
"""Tokens a second of speech, at the most; a model that goes on and on is cut (moonshine-js)."""


class MoonshineJs:
    """The recogniser in the file at *path*; blocks."""

    def __init__(self, path: Path, *, threads: int) -> None:
        onnx: Any = importlib.import_module("onnxruntime")  # It has no types.
        options = onnx.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        held = path.read_bytes()
        parts = held[:ENCODER], held[ENCODER : ENCODER + DECODER]
        self._encoder, self._decoder = (
            onnx.InferenceSession(part, options, providers=["CPUExecutionProvider"])
            for part in parts
        )
        self._words = _words(held[ENCODER + DECODER :])
        self._past = [one.name for one in self._decoder.get_inputs() if "past" in one.name]

    def hear(self, pcm: bytes) -> str:
        """Return what is said in *pcm* (PCM16, 16 kHz, mono); empty where nothing is."""
        samples = np.frombuffer(pcm, "<i2").astype(np.float32) / 32768
        if not (limit := _A_SECOND * samples.size // RATE):
            return ""
        (heard,) = self._encoder.run(None, {"input_values": samples[None]})
        past = dict.fromkeys(self._past, np.zeros((0, 8, 1, 36), np.float32))
        tokens = [_FIRST]
        while tokens[-1] != _LAST and len(tokens) <= limit:
            first = len(tokens) == 1
            logits, *present = self._decoder.run(
                None,
                {
                    "input_ids": np.array([tokens[-1:]], np.int64),
                    "encoder_hidden_states": heard,
                    "use_cache_branch": np.array([not first]),
                    **past,
                },
            )
            # What was heard is kept from the first step; only what is written grows.
            new = dict(zip(self._past, present, strict=True))
            past |= {name: value for name, value in new.items() if first or ".decoder." in name}
            tokens.append(int(logits[0, -1].argmax()))
        written = b"".join(self._words[token] for token in tokens if token > _LAST)
        return written.decode(errors="replace").strip()


def _words(program: bytes) -> list[bytes]:
    """Return what each token is written as: the vocabulary is in *program*, in base64."""
    long = (found[1] for found in _BASE64.finditer(program) if len(found[1]) >= LONG)
    texts = (base64.b64decode(text) for text in long)
    pieces = next(text for text in texts if text.startswith(b"<unk>")).decode().split("\n")
    return [
        bytes.fromhex(byte[1]) if (byte := _BYTE.fullmatch(piece)) else piece.encode()
        for piece in (piece.replace("\u2581", " ") for piece in pieces)
    ]
