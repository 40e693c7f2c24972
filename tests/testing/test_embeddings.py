from __future__ import annotations

import base64
import math
import struct

import msgspec
import pytest
from msgspec import Struct
from openai.types import CreateEmbeddingResponse

from chatbots.testing.embeddings import embed, embeddings
from chatbots.testing.requests import EmbeddingRequest


class PackedVector(Struct):
    embedding: str


class Packed(Struct):
    data: list[PackedVector]


def likeness(one: str, other: str) -> float:
    return sum(a * b for a, b in zip(embed(one, 256), embed(other, 256), strict=True))


@pytest.mark.parametrize("asked", ["two words", "...", [1, 2, 3]])
def test_a_vector_has_length_1_and_as_many_dimensions_as_asked(asked: str | list[int]) -> None:
    vector = embed(asked, 64)
    assert len(vector) == 64
    assert math.hypot(*vector) == pytest.approx(1)


def test_the_same_text_has_the_same_vector_on_every_machine() -> None:
    assert embed("Ada", 4) == embed("ada!", 4)
    assert embed("ada", 2) == pytest.approx([0.88647, -0.46279], abs=1e-5)


def test_texts_that_share_words_lie_closer_together() -> None:
    assert likeness("my name is Ada", "what is my name") > 0.5
    assert abs(likeness("my name is Ada", "three blue boats")) < 0.2


def test_an_answer_has_a_vector_for_each_input() -> None:
    request = EmbeddingRequest(model="e", input=["a b", "c"], dimensions=8)
    answer = CreateEmbeddingResponse.model_validate(embeddings(request), strict=True)
    assert [entry.index for entry in answer.data] == [0, 1]
    assert answer.data[1].embedding == embed("c", 8)
    assert (answer.model, answer.usage.prompt_tokens) == ("e", 3)


def test_base64_holds_the_same_vector_as_little_endian_floats() -> None:
    request = EmbeddingRequest(model="e", input=[[1, 2]], dimensions=8, encoding_format="base64")
    answer = msgspec.convert(embeddings(request), Packed)
    packed = base64.b64decode(answer.data[0].embedding)
    assert struct.unpack("<8f", packed) == pytest.approx(embed([1, 2], 8), abs=1e-6)
