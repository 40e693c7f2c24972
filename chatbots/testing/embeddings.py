"""Vectors that mean a little: texts that share words lie closer together."""

from __future__ import annotations

import base64
import hashlib
import math
import re
import struct
from collections.abc import Sequence

from chatbots.testing.bodies import Json
from chatbots.testing.requests import EmbeddingRequest


def embed(asked: str | Sequence[int], dimensions: int) -> list[float]:
    """Return a vector of length 1, the same for the same words (or tokens) on every machine."""
    words = re.findall(r"\w+", asked.lower()) if isinstance(asked, str) else map(str, asked)
    total = [0.0] * dimensions
    for word in list(words) or [str(asked)]:
        for place, value in enumerate(direction(word, dimensions)):
            total[place] += value
    length = math.hypot(*total)
    return [value / length for value in total]


def direction(word: str, dimensions: int) -> list[float]:
    """Return the direction a *word* pulls in."""
    drawn = hashlib.shake_256(word.encode()).digest(2 * dimensions)
    # Half a step off zero, so that no vector is all zeros.
    return [value + 0.5 for value in struct.unpack(f"<{dimensions}h", drawn)]


def embeddings(request: EmbeddingRequest) -> Json:
    """Return the body that answers *request*."""
    inputs = request.inputs
    tokens = sum(len(asked.split()) if isinstance(asked, str) else len(asked) for asked in inputs)
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": packed(asked, request)}
            for index, asked in enumerate(inputs)
        ],
        "model": request.model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def packed(asked: str | Sequence[int], request: EmbeddingRequest) -> list[float] | str:
    """Return a vector in the encoding that was asked for: numbers, or little-endian floats."""
    vector = embed(asked, request.dimensions)
    if request.encoding_format == "base64":
        return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
    return vector
