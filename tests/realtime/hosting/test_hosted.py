from __future__ import annotations

import pytest

from chatbots.realtime.events.event import Dialect
from chatbots.realtime.hosting.demands import Spoken
from tests.realtime.hosting.client import Client, audio


def test_an_update_is_confirmed_and_the_model_stays() -> None:
    client = Client()
    client.send("session.update", session={"type": "realtime", "instructions": "Be brief."})
    (event,) = client.told
    assert event["type"] == "session.updated"
    assert event["session"]["instructions"] == "Be brief."
    client.send("session.update", session={"type": "realtime", "model": "any"})
    assert client.types == ["session.updated"]
    client.send("session.update", session={"type": "realtime", "model": "other"})
    assert client.error()["param"] == "session.model"


@pytest.mark.parametrize(
    ("dialect", "told"), [("ga", {"audio": {"output": {"voice": "x"}}}), ("beta", {"voice": "x"})]
)
def test_a_voice_that_there_is_not_is_refused_and_leaves_all_as_it_was(
    dialect: Dialect, told: dict[str, object]
) -> None:
    client = Client(dialect, voice_complaint=lambda name: f"No {name}." if name == "x" else None)
    kind = {"type": "realtime"} if dialect == "ga" else {}
    before = client.host.session
    client.send("session.update", session={**kind, **told, "instructions": "Be brief."})
    error = client.error()
    assert (error["message"], error["param"]) == ("No x.", "session.audio.output.voice")
    client.send("response.create", response=told)
    assert client.error()["param"] == "response.audio.output.voice"
    assert client.host.session == before
    client.send("session.update", session={**kind, "instructions": "Be brief."})
    assert client.types == ["session.updated"]
    known = {"voice": "y"} if dialect == "beta" else {"audio": {"output": {"voice": "y"}}}
    client.send("session.update", session={**kind, **known})
    assert client.types == ["session.updated"]


def test_items_go_where_they_are_put() -> None:
    client = Client()
    client.says("one", id="a")
    client.says("two")
    added = client.told
    assert [event["type"] for event in added[:2]] == [
        "conversation.item.added",
        "conversation.item.done",
    ]
    assert added[2]["previous_item_id"] == "a"
    assert added[2]["item"]["status"] == "completed"
    item = {"type": "message", "role": "system", "content": []}
    client.send("conversation.item.create", item=item, previous_item_id="root")
    assert "previous_item_id" not in client.told[0]
    client.send("conversation.item.create", item=item, previous_item_id="no", event_id="mine")
    error = client.error()
    assert (error["code"], error["event_id"]) == ("item_create_invalid_previous_item_id", "mine")
    client.send("conversation.item.retrieve", item_id="a")
    assert client.told[0]["item"]["content"][0]["text"] == "one"
    client.send("conversation.item.delete", item_id="a")
    assert client.types == ["conversation.item.deleted"]
    client.send("conversation.item.delete", item_id="a")
    assert client.error()["code"] == "item_delete_invalid_item_id"


def test_a_result_needs_its_call() -> None:
    client = Client()
    result = {"type": "function_call_output", "call_id": "call_1", "output": "42"}
    client.send("conversation.item.create", item=result)
    assert client.error()["code"] == "invalid_tool_call_id"
    call = {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"}
    client.send("conversation.item.create", item=call)
    client.send("conversation.item.create", item=result)
    assert client.types == ["conversation.item.added", "conversation.item.done"] * 2


def test_audio_is_committed_cleared_and_counted_in_its_format() -> None:
    client = Client()
    told = {"format": {"type": "audio/pcmu"}, "turn_detection": None, "transcription": {}}
    client.send("session.update", session={"type": "realtime", "audio": {"input": told}})
    client.send("input_audio_buffer.append", audio=audio(20))
    client.send("input_audio_buffer.clear")
    assert client.types == ["session.updated", "input_audio_buffer.cleared"]
    client.send("input_audio_buffer.append", audio=audio(20))  # 120 ms of G.711
    (spoken,) = client.send("input_audio_buffer.commit")
    told_of = client.told
    assert [event["type"] for event in told_of] == [
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
    ]
    assert isinstance(spoken, Spoken)
    assert len(spoken.audio) == 960
    assert spoken.transcription is not None
    assert spoken.item_id == told_of[0]["item_id"] == told_of[1]["item"]["id"]
    client.send("input_audio_buffer.commit")
    assert client.error()["code"] == "input_audio_buffer_commit_empty"


def test_a_message_with_audio_is_something_spoken() -> None:
    client = Client()
    part = {"type": "input_audio", "audio": audio(50)}
    item = {"type": "message", "role": "user", "content": [part]}
    (spoken,) = client.send("conversation.item.create", item=item)
    assert isinstance(spoken, Spoken)
    assert (len(spoken.audio), spoken.transcription) == (2400, None)
    assert client.told
    client.send("conversation.item.create", item=item | {"content": [part | {"audio": "?"}]})
    assert client.error()["param"] == "item.content[0].audio"


def test_one_response_at_a_time_writes_to_the_conversation() -> None:
    client = Client()
    client.texts()
    answer = client.asks()
    client.asks(conversation="none").end()
    assert client.types[:2] == ["response.created"] * 2
    client.send("response.create", event_id="mine")
    error = client.error()
    assert error["code"] == "conversation_already_has_active_response"
    assert (error["event_id"], answer.id in error["message"]) == ("mine", True)
    answer.end()
    assert client.types == ["response.done"]
    assert client.asks()


def test_a_response_answers_what_it_is_given() -> None:
    client = Client()
    client.says("one", id="a")
    client.says("two", id="b")
    assert [item.id for item in client.asks(conversation="none").context] == ["a", "b"]
    assert client.asks(conversation="none", input=[]).context == ()
    reference = {"type": "item_reference", "id": "b"}
    new = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "x"}]}
    context = client.asks(conversation="none", input=[reference, new]).context
    assert [item.text for item in context] == ["two", "x"]
    assert client.told
    client.send("response.create", response={"input": [reference | {"id": "no"}]})
    assert client.error()["code"] == "item_retrieve_invalid_item_id"


def test_a_response_is_cancelled_by_its_name_or_without() -> None:
    client = Client()
    aside, answer = client.asks(conversation="none"), client.asks()
    assert client.told
    client.send("response.cancel")
    assert (answer.over, aside.over) == (True, False)
    assert client.told[-1]["response"]["status"] == "cancelled"
    client.send("response.cancel", response_id=aside.id)
    assert aside.over
    assert client.types == ["response.done"]
    client.send("response.cancel")
    assert client.error()["code"] == "response_cancel_not_active"


@pytest.mark.parametrize(("sound", "per_ms"), [("audio/pcm", 48), ("audio/pcma", 8)])
def test_what_was_not_heard_was_not_said(sound: str, per_ms: int) -> None:
    client = Client()
    told = {"output": {"format": {"type": sound}}}
    client.send("session.update", session={"type": "realtime", "audio": told})
    answer = client.asks()
    answer.say("Hello")
    answer.sound(bytes(100 * per_ms))
    answer.end()
    (item,) = client.host.items
    cut = {"item_id": item.id, "content_index": 0}
    assert client.told
    client.send("conversation.item.truncate", audio_end_ms=101, **cut)
    error = client.error()
    assert error["message"] == "Audio content of 100ms is already shorter than 101ms"
    assert (error["code"], error.get("param")) == ("invalid_value", None)
    client.send("conversation.item.truncate", audio_end_ms=40, **cut)
    (event,) = client.told
    assert (event["audio_end_ms"], event["content_index"]) == (40, 0)
    (item,) = client.host.items
    assert item.text == ""
    assert len(client.host.items.audio(item.id or "")) == 40 * per_ms


def test_the_voice_stays_once_it_was_heard() -> None:
    client = Client()

    def speaks(voice: str) -> None:
        output = {"voice": voice, "speed": 1.1}
        client.send("session.update", session={"type": "realtime", "audio": {"output": output}})

    speaks("ash")
    answer = client.asks()
    answer.say("Hello")
    answer.sound(bytes(4800))
    answer.end()
    speaks("ash")
    assert client.types.count("session.updated") == 2
    speaks("cedar")
    assert client.error()["code"] == "cannot_update_voice"


def test_only_the_audio_of_the_model_is_cut() -> None:
    client = Client()
    client.says("Hi", id="a")
    assert client.told
    client.send("conversation.item.truncate", item_id="a", content_index=0, audio_end_ms=0)
    assert client.error()["code"] == "unsupported_content_type"
    client.send("conversation.item.truncate", item_id="no", content_index=0, audio_end_ms=0)
    assert client.error()["code"] == "item_truncate_invalid_item_id"


def test_a_client_that_plays_itself_has_no_buffer_of_ours() -> None:
    client = Client()
    client.send("output_audio_buffer.clear")
    error = client.error()
    assert (error["code"], error["param"]) == ("invalid_value", "type")


def test_a_session_without_formats_is_pcm() -> None:
    client = Client()
    told = {"input": {"format": None, "turn_detection": None}, "output": None}
    client.send("session.update", session={"type": "realtime", "audio": told})
    assert client.types == ["session.updated"]
    assert client.send("input_audio_buffer.append", audio=audio(100))
    assert client.send("input_audio_buffer.commit")


@pytest.mark.parametrize(
    ("detection", "kept_ms"), [({"type": "server_vad"}, 30_000), (None, 31_000)]
)
def test_what_nobody_says_is_kept_where_the_client_ends_the_turn(
    detection: object, kept_ms: int
) -> None:
    client = Client()
    told = {"input": {"turn_detection": detection}}
    client.send("session.update", session={"type": "realtime", "audio": told})
    client.send("input_audio_buffer.append", audio=audio(31_000))
    (spoken,) = client.send("input_audio_buffer.commit")
    assert isinstance(spoken, Spoken)
    assert len(spoken.audio) == kept_ms * 48
