from __future__ import annotations

import pytest

from chatbots.errors import ProviderError
from chatbots.realtime.events import responses
from chatbots.realtime.events.items import assistant_text, function_call, user_audio
from chatbots.realtime.events.registry import read_server


@pytest.mark.checklist(110)
def test_audio_stays_as_it_came_until_it_is_asked_for() -> None:
    event = responses.ResponseAudioDelta(delta="AAEC")
    assert (event.delta, event.audio) == ("AAEC", b"\x00\x01\x02")


@pytest.mark.parametrize("delta", ["A", "AA?=", "AAEC\n", "é"])
def test_audio_that_is_not_base64_harms_nobody_but_who_asks(delta: str) -> None:
    event = responses.ResponseAudioDelta(delta=delta)
    with pytest.raises(ProviderError, match="not base64") as caught:
        _ = event.audio
    assert caught.value.code == "upstream_bad_response"


@pytest.mark.checklist(138)
def test_the_text_of_a_response_is_what_is_said_in_it_whatever_else_it_has() -> None:
    call, heard = function_call("call_1", "multiply", "{}"), user_audio(b"", transcript=" Bye.")
    assert responses.Response(output=(call, assistant_text("Hi."), heard)).output_text == "Hi. Bye."
    assert responses.Response(output=(call,)).output_text == ""
    assert responses.Response().output_text == ""


@pytest.mark.checklist(101)
def test_a_response_is_read_with_why_it_ended_and_what_it_cost() -> None:
    event = read_server(
        '{"type":"response.done","event_id":"event_1","response":{"id":"resp_1",'
        '"status":"cancelled","status_details":{"type":"cancelled","reason":"turn_detected"},'
        '"usage":{"total_tokens":9,"input_tokens":6,"output_tokens":3,'
        '"output_token_details":{"text_tokens":1,"audio_tokens":2}},"output":null}}'
    )
    assert isinstance(event, responses.ResponseDone)
    done = event.response
    assert done.status_details == responses.ResponseStatus(type="cancelled", reason="turn_detected")
    assert done.usage is not None
    assert done.usage.output_token_details == responses.TokenDetails(text_tokens=1, audio_tokens=2)


@pytest.mark.checklist(113)
def test_what_a_server_leaves_out_is_none() -> None:
    event = read_server('{"type":"response.function_call_arguments.done","arguments":"{}"}')
    assert event == responses.ResponseFunctionCallArgumentsDone(arguments="{}")
    assert isinstance(event, responses.ResponseFunctionCallArgumentsDone)
    assert (event.name, event.call_id, event.response_id) == (None, None, None)
