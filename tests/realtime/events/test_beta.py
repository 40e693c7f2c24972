from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from chatbots.errors import InvalidRequest
from chatbots.realtime.events import beta, responses
from chatbots.realtime.events.client import ConversationItemCreate, ResponseCreate, SessionUpdate
from chatbots.realtime.events.event import Dialect, Event
from chatbots.realtime.events.items import ContentPart, Item, assistant_text
from chatbots.realtime.events.registry import SERVER, write
from chatbots.realtime.events.server import ConversationItemAdded, SessionCreated
from chatbots.realtime.events.session import (
    Audio,
    AudioFormat,
    AudioInput,
    AudioOutput,
    ResponseParams,
    Session,
    Tool,
    Transcription,
    TurnDetection,
)

WHISPER = Transcription(model="whisper-1")
VAD = TurnDetection(threshold=0.5, prefix_padding_ms=300, silence_duration_ms=200)

BEFORE = Session(
    modalities=("audio", "text"),
    voice="alloy",
    speed=1.5,
    input_audio_format="g711_ulaw",
    output_audio_format="pcm16",
    input_audio_transcription=WHISPER,
    input_audio_noise_reduction=None,
    turn_detection=VAD,
    max_response_output_tokens="inf",
    tools=(Tool.of({"name": "now"}),),
)
TODAY = Session(
    type="realtime",
    output_modalities=("audio",),
    audio=Audio(
        input=AudioInput(
            format=AudioFormat(type="audio/pcmu"),
            transcription=WHISPER,
            noise_reduction=None,
            turn_detection=VAD,
        ),
        output=AudioOutput(
            format=AudioFormat(type="audio/pcm", rate=24000), voice="alloy", speed=1.5
        ),
    ),
    max_output_tokens="inf",
    tools=BEFORE.tools,
)


def said(event: Event, dialect: Dialect) -> Any:
    return json.loads(write(event, dialect))


@pytest.mark.checklist(25, 56)
@pytest.mark.parametrize("session", [BEFORE, TODAY], ids=["before", "today"])
def test_a_session_said_in_either_dialect_is_sent_in_the_one_that_is_spoken(
    session: Session,
) -> None:
    assert said(SessionUpdate(session), "ga") == said(SessionUpdate(TODAY), "ga")
    assert said(SessionUpdate(session), "beta") == said(SessionUpdate(BEFORE), "beta")


def test_the_session_of_the_reference_is_in_the_beta_dialect_what_the_reference_sends() -> None:
    sent = said(SessionUpdate(BEFORE), "beta")["session"]
    assert sent == {
        "modalities": ["audio", "text"],
        "voice": "alloy",
        "speed": 1.5,
        "input_audio_format": "g711_ulaw",
        "output_audio_format": "pcm16",
        "input_audio_transcription": {"model": "whisper-1"},
        "input_audio_noise_reduction": None,
        "turn_detection": {
            "type": "server_vad",
            "threshold": 0.5,
            "prefix_padding_ms": 300,
            "silence_duration_ms": 200,
        },
        "max_response_output_tokens": "inf",
        "tools": [
            {
                "type": "function",
                "name": "now",
                "description": "",
                "parameters": {"type": "object", "properties": {}},
            }
        ],
    }


def test_what_a_dialect_has_no_words_for_is_left_out() -> None:
    session = Session(
        temperature=0.8,
        truncation="auto",
        audio=Audio(input=AudioInput(turn_detection=TurnDetection(idle_timeout_ms=6000))),
    )
    assert said(SessionUpdate(session), "beta")["session"] == {
        "temperature": 0.8,
        "turn_detection": {"type": "server_vad"},
    }
    assert said(SessionUpdate(session), "ga")["session"] == {
        "type": "realtime",
        "truncation": "auto",
        "audio": {"input": {"turn_detection": {"type": "server_vad", "idle_timeout_ms": 6000}}},
    }


@pytest.mark.parametrize("dialect", ["ga", "beta"])
def test_said_in_both_ways_the_dialects_own_way_is_sent(dialect: Dialect) -> None:
    both = Session(voice="alloy", audio=Audio(output=AudioOutput(voice="marin")))
    sent = said(SessionUpdate(both), dialect)["session"]
    voice = sent["voice"] if dialect == "beta" else sent["audio"]["output"]["voice"]
    assert voice == ("alloy" if dialect == "beta" else "marin")


def test_nothing_is_said_of_what_is_null() -> None:
    session = Session(audio=None, voice="alloy", modalities=None, output_audio_format=None)
    assert said(SessionUpdate(session), "ga")["session"] == {
        "type": "realtime",
        "output_modalities": None,
        "audio": {"output": {"format": None, "voice": "alloy"}},
    }
    today = Session(
        output_modalities=None, audio=Audio(input=AudioInput(format=None, turn_detection=None))
    )
    assert said(SessionUpdate(today), "beta")["session"] == {
        "modalities": None,
        "input_audio_format": None,
        "turn_detection": None,
    }


@pytest.mark.checklist(25, 77)
@pytest.mark.parametrize(("modalities", "today"), [(("text",), ["text"]), (("audio",), ["audio"])])
def test_audio_has_its_text_with_it(modalities: tuple[str, ...], today: list[str]) -> None:
    event = ResponseCreate(ResponseParams(output_modalities=modalities))
    assert said(event, "ga")["response"] == {"output_modalities": today}
    before = ["audio", "text"] if today == ["audio"] else ["text"]
    assert said(event, "beta")["response"] == {"modalities": before}


@pytest.mark.checklist(27)
def test_an_unknown_format_is_sent_as_it_is() -> None:
    flat = Session(input_audio_format="opus")
    assert said(SessionUpdate(flat), "beta")["session"] == {"input_audio_format": "opus"}
    assert beta.in_ga(flat).audio == Audio(input=AudioInput(format=AudioFormat(type="opus")))
    today = Session(audio=Audio(input=AudioInput(format=AudioFormat(type="audio/opus"))))
    assert said(SessionUpdate(today), "beta")["session"] == {"input_audio_format": "audio/opus"}


@pytest.mark.parametrize(
    ("role", "kind", "ga", "old"),
    [
        ("assistant", "text", "output_text", "text"),
        ("assistant", "output_audio", "output_audio", "audio"),
        ("user", "text", "input_text", "text"),
        ("user", "input_audio", "input_audio", "input_audio"),
        ("system", "input_text", "input_text", "input_text"),
        ("tool", "text", "text", "text"),
        (None, "text", "text", "text"),
    ],
)
def test_a_part_is_of_the_type_its_speaker_has_in_the_dialect(
    role: str | None, kind: str, ga: str, old: str
) -> None:
    parts = (ContentPart(type=kind, text="Hi"), ContentPart(text="Hi"))
    event = ConversationItemCreate(Item(type="message", role=role, content=parts))
    assert said(event, "ga")["item"]["content"] == [{"type": ga, "text": "Hi"}, {"text": "Hi"}]
    assert said(event, "beta")["item"]["content"][0]["type"] == old


def test_a_server_says_its_answers_in_the_dialect_that_is_spoken() -> None:
    response = responses.Response(
        id="resp_1",
        status="completed",
        max_output_tokens=5,
        output_modalities=("text",),
        output=(assistant_text("Hi"),),
    )
    sent = said(responses.ResponseDone(response=response), "beta")["response"]
    assert sent["output"][0]["content"] == [{"type": "text", "text": "Hi"}]
    assert (sent["modalities"], sent["max_output_tokens"]) == (["text"], 5)
    created = said(SessionCreated(session=TODAY), "beta")
    assert created["session"]["voice"] == "alloy"
    added = said(ConversationItemAdded(item=assistant_text("Hi")), "beta")
    assert added["type"] == "conversation.item.created"


@pytest.mark.checklist(106, 107, 108, 109, 110, 111)
def test_each_other_name_has_its_class_and_its_name_today() -> None:
    assert len(beta.GA_NAMES) == 6
    assert {*beta.GA_NAMES.values()} <= {*SERVER}
    for old, today in beta.GA_NAMES.items():
        assert beta.BETA_NAMES[today] == old


def test_a_session_of_either_dialect_can_be_looked_at_in_todays_words() -> None:
    assert beta.in_ga(BEFORE) == replace(TODAY, type=UNSET)
    assert beta.in_ga(TODAY) == TODAY
    kept = Session(temperature=0.8, client_secret={"value": "ek_1"}, expires_at=7)
    assert beta.in_ga(kept) == kept


def test_a_session_that_only_transcribes_is_not_sent_as_another_one() -> None:
    event = SessionUpdate(Session(type="transcription"))
    assert said(event, "ga")["session"] == {"type": "transcription"}
    with pytest.raises(InvalidRequest, match="only transcribe") as caught:
        write(event, "beta")
    assert caught.value.param == "session.type"
