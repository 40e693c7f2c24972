from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from pydantic import BaseModel

from chatbots.errors import InvalidRequest, ProviderError
from chatbots.realtime.events import client, responses
from chatbots.realtime.events.beta import ONLY
from chatbots.realtime.events.items import user_text
from chatbots.realtime.events.registry import (
    BETA_SERVER,
    CLIENT,
    MAX_AUDIO,
    REFERENCE_CLIENT,
    REFERENCE_SERVER,
    SERVER,
    read_client,
    read_server,
    write,
)
from chatbots.realtime.events.session import Session, TurnDetection
from chatbots.realtime.events.unknown import UnknownEvent
from tests.realtime.events.sdk import (
    BETA_CLIENT,
    BETA_SERVER as SDK_BETA_SERVER,
    GA_CLIENT,
    GA_SERVER,
    examples,
    refuse,
)


def by_name(*tables: dict[str, type[BaseModel]]) -> pytest.MarkDecorator:
    rows = [row for table in tables for row in table.items()]
    return pytest.mark.parametrize(("name", "model"), rows, ids=[name for name, _ in rows])


# The openai package is the judge of our types


@pytest.mark.checklist(73, 172)
@pytest.mark.parametrize(
    ("ours", "theirs"), [(CLIENT, GA_CLIENT), (SERVER, GA_SERVER)], ids=["client", "server"]
)
def test_each_event_the_openai_package_knows_is_known(ours: Any, theirs: Any) -> None:
    assert set(theirs) - set(ours) == set(), "openai has new events: give each its class"
    assert set(ours) - set(theirs) == set(), "openai has them no more"


@pytest.mark.checklist(68)
def test_the_reference_has_9_client_and_28_server_events_and_today_there_are_11_and_46() -> None:
    known = {*SERVER, *BETA_SERVER}
    assert len({*REFERENCE_CLIENT} & {*CLIENT} & {*BETA_CLIENT}) == 9
    assert len({*REFERENCE_SERVER} & known & {*SDK_BETA_SERVER}) == 28
    assert (len(CLIENT), len(SERVER)) == (11, 46)
    assert {*BETA_SERVER} == ONLY
    assert {*SDK_BETA_SERVER} <= known


@pytest.mark.checklist(30, *range(88, 116))
@by_name(GA_SERVER, SDK_BETA_SERVER)
def test_a_server_event_is_read_with_all_the_fields_of_the_openai_package(
    name: str, model: type[BaseModel]
) -> None:
    for body in examples(model):
        event = read_server(json.dumps(body))
        assert not isinstance(event, UnknownEvent), event.problem
        assert event.type == name
        assert json.loads(msgspec.json.encode(event)) == body, "openai has new fields: add them"


@by_name(GA_SERVER)
def test_a_server_event_is_written_as_the_openai_package_reads_it(
    name: str, model: type[BaseModel]
) -> None:
    for body in examples(model):
        event = read_server(json.dumps(body))
        assert not isinstance(event, UnknownEvent)
        assert refuse(model, json.loads(write(event))) == ""


@pytest.mark.checklist(31, 55, 86)
@by_name(GA_CLIENT)
def test_a_client_event_has_all_the_fields_of_the_openai_package(
    name: str, model: type[BaseModel]
) -> None:
    for body in examples(model):
        event = read_client(json.dumps(body))
        assert not isinstance(event, UnknownEvent), event.problem
        assert event.type == name
        assert json.loads(write(event)) == body, "openai has new fields: add them"
        assert refuse(model, json.loads(write(event))) == ""


@pytest.mark.parametrize("name", CLIENT)
def test_a_client_event_has_all_the_fields_of_the_beta_dialect(name: str) -> None:
    for body in examples(BETA_CLIENT[name]):
        event = read_client(json.dumps(body))
        assert not isinstance(event, UnknownEvent), event.problem
        assert json.loads(write(event, "beta")) == body, "openai has other beta fields"


@pytest.mark.checklist(29)
@pytest.mark.parametrize("name", ["session.update", "response.create"])
def test_what_is_said_in_the_words_of_the_beta_is_sent_in_those_of_today(name: str) -> None:
    for body in examples(BETA_CLIENT[name]):
        told = body["session" if name == "session.update" else "response"]
        told |= {"tool_choice": "auto"}
        if told.pop("turn_detection", None):
            told["turn_detection"] = {"type": "semantic_vad", "eagerness": "low"}
        told.pop("input", None)  # of items that no server would take
        event = read_client(json.dumps(body))
        assert not isinstance(event, UnknownEvent)
        assert refuse(GA_CLIENT[name], json.loads(write(event))) == ""


# What is read


@pytest.mark.checklist(46, 106)
def test_an_event_of_either_dialect_is_of_one_class() -> None:
    for name in ("response.text.delta", "response.output_text.delta"):
        event = read_server(f'{{"type":"{name}","delta":"Hi"}}')
        assert isinstance(event, responses.ResponseTextDelta)
        assert isinstance(event, responses.ResponseOutputTextDelta)
        assert (event.delta, event.type) == ("Hi", name)


@pytest.mark.checklist(30)
def test_what_is_strange_is_an_event_with_its_raw_payload() -> None:
    for frame, name in [
        (b'{"type":"response.video.delta","delta":[1]}', "response.video.delta"),
        (b'{"type":"response.output_text.delta","delta":5}', "response.output_text.delta"),
        (b'{"event_id":"event_1"}', ""),
        (b'{"type":7}', ""),
        (b"[1, 2]", ""),
        (b'"\\ud800"', ""),
    ]:
        event = read_server(frame)
        assert isinstance(event, UnknownEvent)
        assert (event.type, event.raw, event.payload) == (name, frame, json.loads(frame))
        assert event.problem


@pytest.mark.checklist(2)
def test_half_a_surrogate_pair_is_no_letter_but_no_fault_either() -> None:
    event = read_server(r'{"type":"response.text.delta","delta":"a\ud83d."}')
    assert isinstance(event, responses.ResponseTextDelta)
    assert event.delta == "a\ufffd."
    assert read_client('{"type":"a\ud83d"}') == UnknownEvent("a?", b'{"type":"a?"}', PROBLEM)


PROBLEM = "Invalid value 'a?' - at `$.type`"


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "nope",
        b'{"type":"response.text.delta","delta":"\xff"}',
        b'{"type":"new", and then',
        b'{"type":"response.text.delta","delta":NaN}',
        "[" * 100_000,
        b'{"type":"session.created","session":{"tools":[{"parameters":' + b"[" * 100_000,
    ],
    ids=["empty", "text", "utf-8", "cut", "nan", "deep", "deep-inside"],
)
def test_a_frame_that_is_no_json_is_refused(frame: bytes | str) -> None:
    with pytest.raises(ProviderError, match="is no JSON") as caught:
        read_server(frame)
    assert caught.value.code == "upstream_bad_response"


def test_a_server_reads_what_a_client_sends_and_leaves_the_rest_unknown() -> None:
    sent = client.ConversationItemDelete("item_1", event_id="event_1")
    assert read_client(write(sent)) == sent
    assert isinstance(read_client('{"type":"session.created","session":{}}'), UnknownEvent)


# What is sent


@pytest.mark.checklist(80, 83, 164)
def test_what_cannot_be_right_is_not_sent_and_the_field_is_named() -> None:
    item = user_text("Hi", id="i" * 33)
    wrong: Any = TurnDetection(threshold="loud")  # type: ignore[arg-type]  # on purpose
    for event, param in [
        (client.InputAudioBufferAppend("A" * (MAX_AUDIO * 4 // 3 + 8)), "audio"),
        (client.ConversationItemCreate(item), "item.id"),
        (client.ConversationItemTruncate("item_1", 0, -1), "audio_end_ms"),
        (client.ConversationItemTruncate("item_1", 0, "1"), "audio_end_ms"),  # type: ignore[arg-type]  # on purpose
        (client.SessionUpdate(Session(max_output_tokens=True)), "session.max_output_tokens"),
        (
            client.SessionUpdate(Session(turn_detection=wrong)),
            "session.audio.input.turn_detection.threshold",
        ),
    ]:
        with pytest.raises(InvalidRequest) as caught:
            write(event)
        assert caught.value.param == param


@pytest.mark.checklist(80)
def test_as_much_audio_as_may_be_is_sent() -> None:
    write(client.InputAudioBufferAppend("A" * (MAX_AUDIO * 4 // 3)))
    assert write(client.InputAudioBufferAppend.of(b"\x00\x01")) == (
        b'{"type":"input_audio_buffer.append","audio":"AAE="}'
    )


def test_a_server_of_the_beta_dialect_says_all_of_an_answer_in_its_words() -> None:
    delta = responses.ResponseTextDelta(delta="Hi", event_id="event_1")
    assert json.loads(write(delta, "beta")) == {
        "type": "response.text.delta",
        "event_id": "event_1",
        "delta": "Hi",
    }


def test_what_is_no_text_is_refused_before_it_is_sent() -> None:
    with pytest.raises(InvalidRequest, match="cannot be written as JSON"):
        write(client.ConversationItemCreate(user_text("half a pair: \ud83d")))
