from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from chatbots.tools.arguments import digest_of, read_arguments

BIG = 123456789012345678901234567890


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", {}),
        (" \n", {}),
        ("{}", {}),
        (' {"a": [1, "x", null, true]} ', {"a": [1, "x", None, True]}),
        (f'{{"n":{BIG}}}', {"n": BIG}),
        ('{"n":-1.5e3}', {"n": -1500.0}),
        ('{"city":"Z\\u00fcrich","face":"\\ud83d\\udc4d"}', {"city": "Zürich", "face": "👍"}),
    ],
)
def test_arguments_are_a_json_object(text: str, value: object) -> None:
    assert read_arguments(text) == value


def test_whole_numbers_stay_exact() -> None:
    read = read_arguments(f'{{"n":{BIG}}}')["n"]
    assert (type(read), read) == (int, BIG)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"a":1', "no valid JSON"),
        ("{'a':1}", "no valid JSON"),
        ("a=1", "no valid JSON"),
        ('{"a":1}{}', "no valid JSON"),
        ("\ufeff{}", "no valid JSON"),
        ('{"a":"\n"}', "no valid JSON"),
        ("[1]", "no JSON object"),
        ("null", "no JSON object"),
        ('"{}"', "no JSON object"),
        ('{"a":1,"a":2}', "the same key twice"),
        ('{"a":{"b":1,"b":1}}', "the same key twice"),
        ('{"a":NaN}', "NaN is no JSON number"),
        ('{"a":[Infinity]}', "Infinity is no JSON number"),
        ('{"a":-Infinity}', "-Infinity is no JSON number"),
        ('{"a":1e999}', "1e999 is out of range"),
        ('{"a":-1e999}', "-1e999 is out of range"),
        ('{"a":"\\ud800"}', "half a surrogate pair"),
        ('{"\\udc00":1}', "half a surrogate pair"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        (f'{{"a":{"9" * 5000}}}', "a whole number has 5,000 digits, too many to read"),
    ],
)
def test_what_is_none_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_arguments(text)


def test_the_digest_is_that_of_the_canonical_form() -> None:
    # printf '{"a":"ü","b":[1,2.5]}' | sha256sum
    digest = "75151e181452ee19f62c437a12e96bbbe4453c199f041abfe6b18ab3cb8f3c4f"
    assert digest_of({"b": [1, 2.5], "a": "ü"}) == digest
    assert digest_of(read_arguments('{ "a" : "\\u00fc", "b": [1, 2.5] }')) == digest


@given(st.dictionaries(st.text(alphabet="abc"), st.integers() | st.booleans()))
def test_other_arguments_have_another_digest(values: dict[str, object]) -> None:
    assert digest_of(values) == digest_of(dict(reversed(values.items())))
    assert digest_of(values) != digest_of({**values, "d": 1})
