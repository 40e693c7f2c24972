"""What may be embedded, and what is refused before anything is sent."""

from __future__ import annotations

from array import array

import pytest

from chatbots.embedded import each_of
from chatbots.errors import InvalidRequest


@pytest.mark.parametrize(
    ("inputs", "entries"),
    [
        ("a text", ["a text"]),
        (["one", "two"], ["one", "two"]),
        (("one", "two"), ["one", "two"]),
        ([1, 2, 3], [[1, 2, 3]]),
        ([[1, 2], [3]], [[1, 2], [3]]),
        ([0], [[0]]),
        (["text", [1, 2]], ["text", [1, 2]]),
        (array("i", [1, 2]), [array("i", [1, 2])]),
    ],
)
def test_a_text_a_list_of_texts_tokens_and_lists_of_tokens_are_inputs(
    inputs: list[str], entries: list[str]
) -> None:
    assert each_of(inputs) == entries


@pytest.mark.parametrize(
    ("inputs", "param", "why"),
    [
        ([], "input", "nothing to embed"),
        ("", "input[0]", "is empty"),
        (["a", ""], "input[1]", "is empty"),
        ([[1], []], "input[1]", "is empty"),
        (["a", 5], "input[1]", "neither text nor token ids"),
        ([1, "a"], "input[0]", "neither text nor token ids"),
        ([[1, -1]], "input[0]", "neither text nor token ids"),
        ([[True]], "input[0]", "neither text nor token ids"),
        ([1.5], "input[0]", "neither text nor token ids"),
        ([None], "input[0]", "neither text nor token ids"),
        ([b"bytes"], "input[0]", "neither text nor token ids"),
        (b"bytes", "input[0]", "neither text nor token ids"),
        (["a\0"], "input[0]", "NUL"),
        (["a", "\udcff"], "input[1]", "not UTF-8"),
    ],
)
def test_what_cannot_be_embedded_is_named(inputs: list[str], param: str, why: str) -> None:
    with pytest.raises(InvalidRequest, match=why) as caught:
        each_of(inputs)
    assert (caught.value.code, caught.value.param) == ("invalid_request", param)
