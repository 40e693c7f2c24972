from __future__ import annotations

import json

import pytest

from chatbots.errors import ProviderError
from chatbots.output import OutputFormat


def parse(text: str) -> object:
    if text == "deep":
        raise RecursionError("too deep")
    value = json.loads(text)
    if value == 13:
        raise ValueError("13 brings bad luck")
    return value


PLAIN = OutputFormat(name="Number", schema={"type": "integer"}, parse=parse)
WRAPPED = OutputFormat(name="Number", schema={"type": "object"}, parse=parse, wrapped=True)


def test_a_text_becomes_a_value() -> None:
    assert PLAIN.value_of(" 12") == 12
    assert PLAIN.text_of(" 12") == " 12"


@pytest.mark.parametrize("text", ["13", "", "twelve", "deep"])
def test_a_text_that_does_not_fit_is_told_with_the_reason(text: str) -> None:
    for read in (PLAIN.value_of, PLAIN.text_of):
        with pytest.raises(ProviderError, match=r"does not fit the schema 'Number': .") as caught:
            read(text)
        assert (caught.value.code, caught.value.retryable) == ("output_invalid", True)


def test_the_reason_is_the_parsers_own() -> None:
    with pytest.raises(ProviderError, match="'Number': 13 brings bad luck"):
        PLAIN.value_of("13")


@pytest.mark.parametrize(
    ("answer", "text"),
    [('{"value": 12}', "12"), ('{"value":[1,  2.50]}', "[1,  2.50]"), ('{"value":"ä"}', '"ä"')],
)
def test_what_was_wrapped_comes_out_as_it_was_written(answer: str, text: str) -> None:
    assert WRAPPED.text_of(answer) == text
    assert WRAPPED.value_of(text) == json.loads(text)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("12", "Expected `object`"),
        ("{}", "missing required field `value`"),
        ("[" * 100_000, "does not fit"),
        ('{"value": 13}', "13 brings bad luck"),
    ],
)
def test_a_wrapping_that_is_not_there_is_told(answer: str, why: str) -> None:
    with pytest.raises(ProviderError, match=why) as caught:
        WRAPPED.text_of(answer)
    assert caught.value.code == "output_invalid"
