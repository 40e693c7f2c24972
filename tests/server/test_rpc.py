from __future__ import annotations

import json
from time import process_time

import pytest
from msgspec import Raw

from chatbots.errors import InvalidRequest, ProviderError
from chatbots.server import rpc
from chatbots.server.rpc import Pieces, Unreadable


def why(data: str | None) -> Unreadable:
    with pytest.raises(Unreadable) as caught:
        rpc.read(data)
    return caught.value


def test_a_request_is_its_type_its_id_and_a_payload_not_looked_into() -> None:
    request = rpc.read('{"type":"ping","request_id":"r1","payload":{"a": [1]},"more":2}')
    assert (request.type, request.request_id) == ("ping", "r1")
    assert bytes(request.payload) == b'{"a": [1]}'
    assert rpc.read(b'{"type":"ping","request_id":"r1"}').payload == Raw(b"{}")


@pytest.mark.checklist(239)
@pytest.mark.parametrize(
    ("frame", "request_id", "words"),
    [
        (None, None, "binary"),
        ("", None, "frame"),
        ("junk", None, "malformed"),
        ("[]", None, "array"),
        ('{"type":"ping"}', None, "request_id"),
        ('{"request_id":"r1"}', "r1", "type"),
        ('{"type":5,"request_id":"r1"}', "r1", "'type'"),
        ('{"type":"p","request_id":"r1","payload":NaN}', "r1", "malformed"),
        ('{"type":"p","request_id": "r1","payload":"\\ud800"}', "r1", "frame"),
        ('{"type":"p","request_id":"r1","payload":{"request_id":"r2"}', "r1", "frame"),
        ('{"type":"cancel","payload":{"request_id":"r1"}', None, "frame"),
        ('{"type":"cancel","payload":{"request_id":"r1"}}', None, "request_id"),
        ('{"type":"p","request_id":"' + "x" * 300 + '"', None, "frame"),
        ('{"type":"ping","request_id":5}', None, "'request_id'"),
        ('{"type":"ping","request_id":""}', None, "empty"),
        ('{"type":"ping","request_id":"a\\u0000"}', None, "NUL"),
        ('{"type":"' + "x" * 300 + '","request_id":"r1"}', "r1", "300"),
        ('{"type":"ping","request_id":"\ud800"}', None, "frame"),
        ('{"type":"p","request_id":"r1","payload":' + "[" * 99 + "]" * 99 + "}", "r1", "64 deep"),
        ('{"type":"p","payload":' + "[" * 99_999, None, "64 deep"),
    ],
)
def test_what_is_no_request_says_why_and_keeps_the_id_if_there_is_one(
    frame: str | None, request_id: str | None, words: str
) -> None:
    unreadable = why(frame)
    assert unreadable.error.code == "invalid_request"
    assert words in str(unreadable.error)
    assert unreadable.request_id == request_id


def test_many_brackets_side_by_side_are_not_deep() -> None:
    texts = json.dumps([["}" * 99, "\\", '"['] for _ in range(99)])
    assert rpc.read(f'{{"type":"p","request_id":"r1","payload":{texts}}}').type == "p"


def test_a_string_without_an_end_costs_no_more_than_others() -> None:
    began = process_time()
    why('{"type":"p","request_id":"r1","payload":' + "[" * 99 + '"' + '\\"' * 40_000)
    assert process_time() - began < 5, "it is looked for from each quote: 1 MiB would take hours"


def test_a_frame_too_large_is_told_by_its_id() -> None:
    frame = json.dumps({"request_id": "r1", "type": "ping", "payload": "x" * rpc.MAX_FRAME})
    unreadable = why(frame)
    assert unreadable.error.category == "too_large"
    assert unreadable.request_id == "r1"


def test_a_payload_that_does_not_fit_names_the_field() -> None:
    error = rpc.refused(
        "payload", ValueError("Expected `str`, got `int` - at `$.messages[0].role`")
    )
    assert error.param == "messages[0].role"
    assert (
        str(error) == "The payload cannot be used at 'messages[0].role': Expected `str`, got `int`."
    )


def test_an_answer_is_its_data() -> None:
    assert json.loads(rpc.answer("pong", "r1", {"a": 1})) == {
        "type": "pong", "request_id": "r1", "data": {"a": 1},
    }  # fmt: skip
    assert json.loads(rpc.news("going_away", {"seconds": 3})) == {
        "type": "going_away", "data": {"seconds": 3},
    }  # fmt: skip


@pytest.mark.checklist(208, 240)
def test_an_error_is_a_text_with_a_code_and_a_category_beside_it() -> None:
    error = ProviderError("rate_limited", "Slow down.", retry_after=3.5)
    frame = rpc.failure("x_response", "r1", error, message="Slow down.", data={"done": True})
    assert json.loads(frame) == {
        "type": "x_response", "request_id": "r1", "error": "Slow down.",
        "error_code": "rate_limited", "error_category": "rate_limit", "retryable": True,
        "retry_after": 3.5, "data": {"done": True},
    }  # fmt: skip
    frame = rpc.failure(
        "error", None, InvalidRequest("invalid_request", "No.", param="p"), message="No."
    )
    assert json.loads(frame) == {
        "type": "error", "request_id": None, "error": "No.", "error_code": "invalid_request",
        "error_category": "validation", "retryable": False, "param": "p",
    }  # fmt: skip
    long = json.loads(rpc.failure("error", None, error, message="x" * 9999))
    assert long["error"] == "x" * rpc.MAX_ERROR + "…"
    bug = json.loads(rpc.failure("error", "r1", None, message="A bug."))
    assert (bug["error_code"], bug["error_category"]) == ("internal", "internal")


@pytest.mark.parametrize("text", ["a", 'quo"te', "\\", "ü\n\u2028", "😀"])
def test_a_piece_of_text_is_a_delta(text: str) -> None:
    frame = Pieces("c", 'r"1').frame(text)
    assert json.loads(frame) == {
        "type": "c", "request_id": 'r"1',
        "data": {"choices": [{"index": 0, "delta": {"content": text}}]},
    }  # fmt: skip
