from __future__ import annotations

from random import Random

import pytest

from chatbots.realtime.events.event import Dialect
from chatbots.realtime.events.registry import CLIENT
from chatbots.realtime.hosting.configuring import session_of
from chatbots.realtime.hosting.demands import Cancelled, Respond, Spoken
from tests.realtime.hosting.client import Client, audio


def listening(**detection: object) -> Client:
    client = Client()
    heard = {"turn_detection": {"type": "server_vad"} | detection, "transcription": {}}
    client.send("session.update", session={"type": "realtime", "audio": {"input": heard}})
    assert client.types == ["session.updated"]
    return client


def test_a_session_begins_with_what_it_is() -> None:
    (event,) = Client().first
    assert event["type"] == "session.created"
    session = event["session"]
    assert (session["type"], session["object"]) == ("realtime", "realtime.session")
    assert (session["model"], session["expires_at"]) == ("any", 1_800_000_000)
    assert session["audio"]["input"]["turn_detection"]["silence_duration_ms"] == 500
    first, second = Client("beta").first
    assert first["session"]["modalities"] == ["audio", "text"]
    assert first["session"]["input_audio_format"] == "pcm16"
    assert second["type"] == "conversation.created"


def test_what_a_client_does_wrong_leaves_the_session_as_it_was() -> None:
    client = Client()
    wrong: list[tuple[str | bytes, str]] = [
        ("{", "invalid_json"),
        (b"\xff", "invalid_json"),
        ("5", "missing_required_parameter"),
        ('{"type":"any"}', "invalid_value"),
    ]
    for frame, code in wrong:
        assert client.host.receive(frame) == []
        error = client.error()
        assert (error["type"], error["code"]) == ("invalid_request_error", code)
        assert "event_id" not in error
    client.send("any", event_id="mine")
    assert client.error()["event_id"] == "mine"
    client.send("session.update", event_id="\ud800", session={"type": "realtime", "\ud800": 1})
    error = client.error()
    assert (error["event_id"], error["param"]) == ("\ufffd", "session.\ufffd")
    client.says("Hi")
    assert len(client.told) == 2


def test_a_turn_that_was_heard_is_a_message_and_is_answered() -> None:
    client = listening()
    client.send("input_audio_buffer.append", audio=audio(1000))
    assert client.host.speech_started(500) == []
    assert client.host.speech_started() == []
    client.send("input_audio_buffer.append", audio=audio(500))
    spoken, respond = client.host.speech_stopped()
    assert isinstance(spoken, Spoken)
    assert isinstance(respond, Respond)
    told = client.told
    assert [event["type"] for event in told] == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
    ]
    assert (told[0]["audio_start_ms"], told[1]["audio_end_ms"]) == (200, 1500)
    assert len(spoken.audio) == 1300 * 48
    assert {event["item_id"] for event in told[:3]} == {spoken.item_id}
    assert client.host.speech_stopped() == []
    assert client.host.respond() == []


def test_who_speaks_into_an_answer_stops_it() -> None:
    client = listening()
    answer = client.asks()
    answer.say("Once")
    (cancelled,) = client.host.speech_started()
    assert isinstance(cancelled, Cancelled)
    assert cancelled.answer is answer
    told = client.told
    assert told[-1]["response"]["status_details"]["reason"] == "turn_detected"
    assert told[-7]["type"] == "input_audio_buffer.speech_started"
    assert told[-7]["audio_start_ms"] == 0


def test_a_session_may_leave_answers_and_interruptions_to_the_client() -> None:
    client = listening(interrupt_response=False, create_response=False)
    answer = client.asks()
    assert client.host.speech_started() == []
    assert not answer.over
    client.send("input_audio_buffer.append", audio=audio(100))
    (spoken,) = client.host.speech_stopped(100)
    assert isinstance(spoken, Spoken)


def test_a_session_that_only_transcribes_answers_nothing() -> None:
    client = Client(session=session_of(type="transcription"))
    client.host.speech_started()
    client.send("input_audio_buffer.append", audio=audio(100))
    (spoken,) = client.host.speech_stopped()
    assert isinstance(spoken, Spoken)


def test_a_turn_too_short_is_forgotten() -> None:
    client = listening()
    client.host.speech_started()
    assert client.host.speech_stopped() == []
    assert client.types[-1] == "input_audio_buffer.cleared"


def test_without_turn_detection_a_turn_is_only_told() -> None:
    client = Client()
    heard = {"turn_detection": None}
    client.send("session.update", session={"type": "realtime", "audio": {"input": heard}})
    answer = client.asks()
    client.send("input_audio_buffer.append", audio=audio(100))
    assert client.host.speech_started(0) == []
    assert not answer.over
    (spoken,) = client.host.speech_stopped()
    assert isinstance(spoken, Spoken)


def test_what_the_user_said_is_told_where_it_was_asked_for() -> None:
    client = listening()
    client.send("input_audio_buffer.append", audio=audio(100))
    (spoken,) = client.send("input_audio_buffer.commit")
    assert isinstance(spoken, Spoken)
    assert client.told
    client.host.transcribing(spoken.item_id, "Hel")
    client.host.transcribed(spoken.item_id, "Hello", seconds=0.1)
    client.host.not_transcribed(spoken.item_id, "It is noise.")
    delta, whole, failed = client.told
    assert (delta["delta"], delta["content_index"]) == ("Hel", 0)
    assert whole["transcript"] == "Hello"
    assert whole["usage"] == {"type": "duration", "seconds": 0.1}
    assert failed["error"]["code"] == "audio_unintelligible"
    assert [item.text for item in client.host.items] == ["Hello"]


def test_who_answers_sees_what_the_client_did_not_ask_for() -> None:
    client = Client()
    client.send("input_audio_buffer.append", audio=audio(100))
    (spoken,) = client.send("input_audio_buffer.commit")
    assert isinstance(spoken, Spoken)
    assert client.told
    client.host.transcribed(spoken.item_id, "Hello")
    assert client.told == []
    assert client.asks().context[0].text == "Hello"


def test_the_host_can_complain_by_itself() -> None:
    client = Client()
    client.host.complain("The session is too old.", "session_expired")
    error = client.error()
    assert (error["type"], error["code"]) == ("server_error", "session_expired")


ODD: list[object] = [
    None,
    -1,
    1.5,
    True,
    "",
    "x",
    "\ud800",
    [],
    {},
    [None],
    {"type": "x"},
    "item_1",
]
FIELDS = (
    "session", "audio", "item", "item_id", "previous_item_id", "content_index", "audio_end_ms",
    "response", "response_id", "event_id",
)  # fmt: skip
INNER = (
    "type", "id", "role", "content", "output_modalities", "modalities", "tools", "tool_choice",
    "max_output_tokens", "audio", "input", "turn_detection", "conversation", "metadata",
)  # fmt: skip


def odd(chance: Random, depth: int = 0) -> object:
    if depth < 3 and chance.random() < 0.4:
        return {chance.choice(INNER): odd(chance, depth + 1) for _ in range(3)}
    return chance.choice(ODD)


@pytest.mark.parametrize("dialect", ["ga", "beta"])
def test_whatever_a_client_says_is_answered(dialect: Dialect) -> None:
    chance = Random(7)  # noqa: S311 - no secret
    for _ in range(60):
        client = Client(dialect)
        client.says("Hi", id="item_1")
        for _ in range(25):
            said = {name: odd(chance) for name in chance.sample(FIELDS, 3)}
            for demand in client.send(chance.choice([*CLIENT]), **said):
                if isinstance(demand, Respond) and chance.random() < 0.5:
                    demand.answer.say("Hello")
                    demand.answer.end()
            if chance.random() < 0.2:
                _ = client.host.speech_started() or client.host.speech_stopped()
            assert all(event["type"] for event in client.told)
