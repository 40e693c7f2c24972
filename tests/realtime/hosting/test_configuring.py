from __future__ import annotations

from msgspec import to_builtins

from chatbots.realtime.events.session import (
    Audio,
    AudioInput,
    AudioOutput,
    ResponseParams,
    Session,
    Transcription,
    TurnDetection,
)
from chatbots.realtime.hosting.configuring import (
    detection_of,
    heard,
    manner_of,
    session_of,
    spoken,
    transcription_of,
    updated,
)


def test_an_update_leaves_the_rest_as_it_is() -> None:
    session = session_of(instructions="Be brief.")
    session = updated(session, Session(audio=Audio(output=AudioOutput(voice="cedar"))))
    said = to_builtins(session)
    assert said["instructions"] == "Be brief."
    assert said["audio"]["output"] == {
        "format": {"type": "audio/pcm", "rate": 24000},
        "voice": "cedar",
        "speed": 1.0,
    }
    assert said["audio"]["input"]["format"]["rate"] == 24000


def test_turn_detection_is_whole_or_off() -> None:
    session = session_of()
    assert detection_of(session) == TurnDetection(
        type="server_vad",
        threshold=0.5,
        prefix_padding_ms=300,
        silence_duration_ms=500,
        idle_timeout_ms=None,
        create_response=True,
        interrupt_response=True,
    )
    told = TurnDetection(type="semantic_vad", create_response=False)
    session = updated(session, Session(audio=Audio(input=AudioInput(turn_detection=told))))
    assert detection_of(session) == TurnDetection(
        type="semantic_vad", eagerness="auto", create_response=False, interrupt_response=True
    )
    off = Session(audio=Audio(input=AudioInput(turn_detection=None)))
    assert detection_of(updated(session, off)) is None


def test_a_response_is_given_as_the_session_says_but_for_its_own_words() -> None:
    session = session_of(instructions="Be brief.")
    manner = manner_of(session, ResponseParams(instructions="Be long.", metadata={"a": "b"}))
    assert (manner.instructions, manner.metadata) == ("Be long.", {"a": "b"})
    assert manner.output_modalities == ("audio",)
    assert manner_of(session, None).instructions == "Be brief."


def test_nothing_said_of_the_audio_changes_nothing_of_it() -> None:
    session = updated(session_of(), Session(audio=None))
    session = updated(session, Session(audio=Audio(input=None)))
    assert session == session_of()
    assert heard(session).noise_reduction is None
    assert spoken(session).voice == "marin"
    assert heard(Session()) == AudioInput()
    assert spoken(Session()) == AudioOutput()
    assert detection_of(Session()) is None


def test_speech_is_written_down_for_who_wants_that() -> None:
    wanted = Session(audio=Audio(input=AudioInput(transcription=Transcription(model="any"))))
    assert transcription_of(session_of()) is None
    assert transcription_of(updated(session_of(), wanted)) == Transcription(model="any")
