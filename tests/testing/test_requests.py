from __future__ import annotations

import pytest

from chatbots.testing.requests import ChatRequest, EmbeddingRequest, Refusal, read


def chat(body: str) -> ChatRequest:
    return read(body.encode(), ChatRequest)


def test_a_request_may_hold_fields_the_fake_does_not_know() -> None:
    request = chat('{"model": "m", "messages": [{"role": "user", "content": "Hi"}], "seed": 1}')
    assert request.last_said == "Hi"
    assert not request.stream
    assert not request.include_usage


def test_what_was_said_last_is_the_users_and_may_come_in_parts() -> None:
    request = chat(
        """{"model": "m", "messages": [
        {"role": "user", "content": "First."},
        {"role": "user", "content": [{"type": "text", "text": "Sec"}, {"type": "image_url"},
                                     {"type": "text", "text": "ond."}]},
        {"role": "assistant", "content": null}]}"""
    )
    assert request.last_said == "Second."
    assert request.messages[-1].text == ""


def test_a_conversation_without_a_user_has_nothing_said_last() -> None:
    request = chat('{"model": "m", "messages": [{"role": "system", "content": "Hi"}]}')
    assert request.last_said == ""


def test_usage_is_included_where_it_is_asked_for() -> None:
    request = chat(
        """{"model": "m", "messages": [{"role": "user", "content": "Hi"}],
        "stream": true, "stream_options": {"include_usage": true}}"""
    )
    assert request.include_usage


MESSAGES = '"messages": [{"role": "user", "content": "Hi"}]'


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ("{" + MESSAGES + "}", "model", "missing_required_parameter"),
        ('{"model": "", ' + MESSAGES + "}", "model", "invalid_value"),
        ('{"model": 1, ' + MESSAGES + "}", "model", "invalid_value"),
        ('{"model": "m"}', "messages", "missing_required_parameter"),
        ('{"model": "m", "messages": []}', "messages", "invalid_value"),
        (
            '{"model": "m", "messages": [{"content": "Hi"}]}',
            "messages[0].role",
            "missing_required_parameter",
        ),
        ('{"model": "m", "messages": [{"role": "king"}]}', "messages[0].role", "invalid_value"),
        ('{"model": "m", "temperature": 3, ' + MESSAGES + "}", "temperature", "invalid_value"),
        ('{"model": "m", "max_tokens": 0, ' + MESSAGES + "}", "max_tokens", "invalid_value"),
        ("[]", None, "invalid_value"),
    ],
)
def test_a_wrong_value_is_refused_by_name(body: str, param: str | None, code: str) -> None:
    with pytest.raises(Refusal) as refused:
        chat(body)
    assert refused.value.status == 400
    assert (refused.value.error["param"], refused.value.error["code"]) == (param, code)
    assert refused.value.error["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b'{"model": "\xff"}',
        b'{"model": "\\ud800"}',
        b'{"temperature": NaN}',
        b'{"x":' + b"[" * 100_000,
    ],
)
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(Refusal, match="not valid JSON") as refused:
        read(body, ChatRequest)
    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("asked", "inputs"),
    [
        ('"one"', ["one"]),
        ('["one", "two"]', ["one", "two"]),
        ("[1, 2]", [[1, 2]]),
        ("[[1, 2], [3]]", [[1, 2], [3]]),
    ],
)
def test_an_embedding_is_asked_for_in_four_ways(asked: str, inputs: list[str | list[int]]) -> None:
    request = read(f'{{"model": "e", "input": {asked}}}'.encode(), EmbeddingRequest)
    assert request.inputs == inputs


def test_tokens_and_texts_do_not_mix() -> None:
    request = EmbeddingRequest(model="e", input=["one", 2])
    with pytest.raises(Refusal, match="mixes"):
        _ = request.inputs


@pytest.mark.parametrize("asked", ['""', "[]", '[""]', "{}", "1.5"])
def test_there_is_no_vector_of_nothing(asked: str) -> None:
    with pytest.raises(Refusal) as refused:
        read(f'{{"model": "e", "input": {asked}}}'.encode(), EmbeddingRequest)
    assert str(refused.value.error["param"]).startswith("input")


def test_the_functions_that_are_offered_are_read() -> None:
    request = chat(
        """{"model": "m", "messages": [{"role": "user", "content": "Hi"}], "tools": [
        {"type": "function", "function": {"name": "f", "parameters":
            {"properties": {"a": {"type": "string"}}, "required": ["a"]}}},
        {"type": "custom"}, {"type": "function", "function": {"name": "g"}}]}"""
    )
    f, g = request.offered
    assert (f.name, f.properties, f.required) == ("f", {"a": {"type": "string"}}, ["a"])
    assert (g.properties, g.required) == ({}, [])
