from __future__ import annotations

import pytest

from chatbots.errors import InvalidRequest
from chatbots.realtime.events.items import encoded
from chatbots.realtime.events.session import (
    Audio,
    AudioFormat,
    AudioInput,
    Session,
    TurnDetection,
)
from chatbots.realtime.listening import Listening


def listening(kind: str = "audio/pcm", *, detection: TurnDetection | None = None) -> Listening:
    told = AudioInput(format=AudioFormat(type=kind), turn_detection=detection)
    made = Listening()
    made.configure(Session(audio=Audio(input=told)))
    return made


@pytest.mark.checklist(81)
@pytest.mark.parametrize(("kind", "enough"), [("audio/pcm", 4800), ("audio/pcmu", 800)])
def test_a_message_has_a_tenth_of_a_second_or_more(kind: str, enough: int) -> None:
    ear = listening(kind)
    for piece in (enough - 2, 1 if kind == "audio/pcmu" else 0):
        if piece:
            ear.hears(encoded(bytes(piece)))
    with pytest.raises(InvalidRequest, match="99 ms of audio to commit") as caught:
        ear.check()
    assert caught.value.param == "audio"
    ear.hears(encoded(bytes(2)))
    ear.check()
    ear.forget()
    with pytest.raises(InvalidRequest, match="0 ms of audio to commit"):
        ear.check()


def test_with_turn_detection_the_server_alone_knows_what_is_left() -> None:
    listening(detection=TurnDetection()).check()
    Listening().check()


def test_what_a_session_does_not_say_again_stays() -> None:
    ear = listening()
    ear.configure(Session())
    with pytest.raises(InvalidRequest):
        ear.check()


@pytest.mark.checklist(52)
@pytest.mark.parametrize("length", [0, 1, 3])
def test_half_a_sample_is_no_audio_and_neither_is_none(length: int) -> None:
    ear = listening()
    with pytest.raises(InvalidRequest, match=f"this has {length} bytes") as caught:
        ear.hears(encoded(bytes(length)))
    assert caught.value.param == "audio"


def test_in_g711_a_sample_is_one_byte() -> None:
    ear = listening("audio/pcma")
    ear.hears(encoded(bytes(3)))
    with pytest.raises(InvalidRequest):
        ear.hears("")
