from __future__ import annotations

import json
from base64 import b64encode

import anyio
import pytest

from chatbots.realtime.hosting.host import Host
from chatbots.speech import conversing
from chatbots.testing import Gate, ScriptedModel
from chatbots.tool_calls import ToolCall
from tests.local.processes import eventually
from tests.speech.engines_of import Voice, engines_of
from tests.speech.talking import PUSH_TO_TALK, talking
from tests.speech.test_ear import silence, tone

WRITTEN = {"audio": {"input": {"transcription": {"model": "any"}}}}


async def test_a_spoken_question_is_answered_by_voice() -> None:
    model = ScriptedModel("Paris, of course.")
    async with talking(model, "What is the capital of France?") as talk:
        await talk.session(**WRITTEN)
        await talk.speak()
        done = await talk.until("response.done")
    kinds = [event["type"] for event in talk.told if not event["type"].endswith("delta")]
    assert kinds[:7] == [
        "session.created",
        "session.updated",
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
    ]
    heard = talk.of("conversation.item.input_audio_transcription.completed")[0]
    assert heard["transcript"] == "What is the capital of France?"
    assert model.requests[0].messages[-1].content == "What is the capital of France?"
    assert done["response"]["status"] == "completed"
    assert talk.said == "Paris, of course."
    assert talk.sound == 10 * (len("Paris,") + len("of course."))


async def test_the_answer_is_thought_and_said_before_the_silence_is_over() -> None:
    async with talking(ScriptedModel("Yes."), "Are you there?") as talk:
        await talk.speak(then=300)
        await eventually(lambda: bool(talk.voice.said))
        assert talk.of("input_audio_buffer.speech_stopped") == []
        assert talk.of("response.created") == []
        await talk.speak(0, then=500)
        await talk.until("response.done")
    assert (talk.said, len(talk.model.requests), len(talk.recogniser.heard)) == ("Yes.", 1, 1)


async def test_who_goes_on_after_a_pause_is_heard_to_the_end() -> None:
    model = ScriptedModel(["Paris", Gate()], "Sixty million.")
    async with talking(model, "What is France", "What is France's population?") as talk:
        await talk.speak(then=300)
        await eventually(lambda: len(model.requests) == 1)
        await talk.append(tone(300))
        await eventually(lambda: model.cancelled == 1)
        await talk.speak(300)
        await talk.until("response.done")
    assert talk.said == "Sixty million."
    assert model.requests[1].messages[-1].content == "What is France's population?"
    assert talk.recogniser.heard[1] > talk.recogniser.heard[0] + 600


async def test_whoever_speaks_stops_the_answer_at_once() -> None:
    model = ScriptedModel(["One, ", Gate()], "All right.")
    async with talking(model, "Count.", "Stop!") as talk:
        await talk.speak()
        await talk.until("response.output_audio.delta")
        await talk.append(tone(300))
        done = await talk.until("response.done")
        assert done["response"]["status_details"]["reason"] == "turn_detected"
        await eventually(lambda: model.cancelled == 1)
        await talk.speak(100)
        await talk.until("response.done", 2)
    assert talk.said == "One, All right."


async def test_an_answer_that_may_not_be_interrupted_goes_on() -> None:
    gate = Gate()
    model = ScriptedModel(["One, ", gate, "two."])
    told = {"type": "server_vad", "interrupt_response": False}
    async with talking(model, "Count.", "Stop!") as talk:
        await talk.session(audio={"input": {"turn_detection": told}})
        await talk.speak()
        await talk.until("response.output_audio.delta")
        await talk.speak()
        await talk.until("input_audio_buffer.committed", 2)
        gate.open()
        done = await talk.until("response.done")
    assert done["response"]["status"] == "completed"
    assert (talk.said, len(model.requests)) == ("One, two.", 1)


async def test_push_to_talk_answers_when_it_is_asked_to() -> None:
    async with talking(ScriptedModel("Yes."), "Are you there?") as talk:
        await talk.session(**PUSH_TO_TALK)
        await talk.speak()
        await talk.send("input_audio_buffer.commit")
        await talk.send("response.create")
        await talk.until("response.done")
    assert talk.of("input_audio_buffer.speech_started") == []
    assert talk.recogniser.heard == [pytest.approx(600 + 64, abs=32)]
    assert talk.said == "Yes."


async def test_a_response_with_words_of_its_own_takes_no_guess() -> None:
    model = ScriptedModel("Yes.", "Oui.")
    told = {"type": "server_vad", "create_response": False}
    async with talking(model, "Are you there?") as talk:
        await talk.session(audio={"input": {"turn_detection": told}})
        await talk.speak()
        await talk.until("input_audio_buffer.committed")
        await talk.send("response.create", response={"instructions": "Speak French."})
        await talk.until("response.done")
    assert model.requests[-1].messages[0].content.startswith("Speak French.")
    assert talk.said == "Oui."


async def test_a_response_that_is_asked_for_was_begun_before_the_silence_was_over() -> None:
    told = {"type": "server_vad", "create_response": False}
    async with talking(model := ScriptedModel("Yes."), "Are you there?") as talk:
        await talk.session(audio={"input": {"turn_detection": told}})
        await talk.speak(then=300)
        await eventually(lambda: bool(talk.voice.said))
        await talk.speak(0, then=500)
        await talk.until("input_audio_buffer.committed")
        await talk.send("response.create")
        await talk.until("response.done")
    assert (talk.said, len(model.requests), len(talk.recogniser.heard)) == ("Yes.", 1, 1)


async def test_an_answer_that_nobody_asks_for_is_not_made_when_the_user_speaks_again() -> None:
    model = ScriptedModel(["One, ", Gate()], "All right.")
    told = {"type": "server_vad", "create_response": False}
    async with talking(model, "Count.", "Stop.") as talk:
        await talk.session(audio={"input": {"turn_detection": told}})
        await talk.speak()
        await talk.until("conversation.item.done")
        await eventually(lambda: len(model.requests) == 1)
        await talk.append(tone(600))
        await eventually(lambda: model.cancelled == 1)
        await talk.append(silence(1000))
        await talk.until("conversation.item.done", 2)
        await talk.send("response.create")
        await talk.until("response.done")
    assert talk.said == "All right."


async def test_text_is_answered_in_text_where_that_is_asked_for() -> None:
    async with talking(ScriptedModel("Yes.")) as talk:
        part = {"type": "input_text", "text": "Hello?"}
        item = {"type": "message", "role": "user", "content": [part]}
        await talk.send("conversation.item.create", item=item)
        await talk.send("response.create", response={"output_modalities": ["text"]})
        await talk.until("response.done")
    assert talk.of("response.output_text.done")[0]["text"] == "Yes."
    assert talk.voice.said == []


async def test_a_tool_is_called_and_its_result_is_told() -> None:
    model = ScriptedModel()
    model.answer(tool_calls=[ToolCall("c1", "multiply", '{"a":6,"b":7}')], reason="tool_calls")
    model.answer("It is 42.")
    tool = {"type": "function", "name": "multiply", "parameters": {"type": "object"}}
    async with talking(model, "What is six times seven?") as talk:
        await talk.session(tools=[tool], **PUSH_TO_TALK)
        await talk.append(tone(600))
        await talk.send("input_audio_buffer.commit")
        await talk.send("response.create")
        await talk.until("response.done")
        called = talk.of("response.function_call_arguments.done")[0]
        assert (called["call_id"], called["arguments"]) == ("c1", '{"a":6,"b":7}')
        result = {"type": "function_call_output", "call_id": "c1", "output": "42"}
        await talk.send("conversation.item.create", item=result)
        await talk.send("response.create")
        await talk.until("response.done", 2)
    assert [message.role for message in model.requests[1].messages[1:]] == [
        *("user", "assistant", "tool"),
    ]
    assert talk.said == "It is 42."
    assert talk.voice.said == ["It is forty two."]


async def test_a_cancelled_answer_is_silent_and_the_model_is_stopped() -> None:
    voice = Voice()
    voice.go.clear()
    model = ScriptedModel(["One, ", Gate()], "Yes.")
    async with talking(model, "Count.", "Again.", voice=voice) as talk:
        await talk.session(**PUSH_TO_TALK)
        for number, what in enumerate(("response.cancel", "response.create"), 1):
            await talk.append(tone(300))
            await talk.send("input_audio_buffer.commit")
            if number == 1:
                await talk.send("response.create")
                await eventually(lambda: bool(voice.said))
            else:
                voice.go.set()
            await talk.send(what)
            await talk.until("response.done", number)
    assert [done["response"]["status"] for done in talk.of("response.done")] == [
        *("cancelled", "completed"),
    ]
    assert (model.cancelled, talk.said) == (1, "Yes.")


async def test_of_an_answer_that_was_cut_the_model_is_told_what_was_heard() -> None:
    model = ScriptedModel("Yes. One two three four.", "Go on.")
    async with talking(model, "Count.", "Where were we?") as talk:
        await talk.session(**PUSH_TO_TALK)
        await talk.append(tone(300))
        await talk.send("input_audio_buffer.commit")
        await talk.send("response.create")
        done = await talk.until("response.done")
        item = done["response"]["output"][0]["id"]
        await talk.send(
            "conversation.item.truncate", item_id=item, content_index=0, audio_end_ms=140
        )
        await talk.append(tone(300))
        await talk.send("input_audio_buffer.commit")
        await talk.send("response.create")
        await talk.until("response.done", 2)
    assert model.requests[1].messages[2].content == "Yes. One two"


async def test_a_guess_is_told_what_was_heard_of_an_answer_that_was_cut() -> None:
    model = ScriptedModel("Yes. One two three four.", "Go on.")
    async with talking(model, "Count.", "Where were we?") as talk:
        await talk.speak()
        done = await talk.until("response.done")
        item = done["response"]["output"][0]["id"]
        await talk.send(
            "conversation.item.truncate", item_id=item, content_index=0, audio_end_ms=140
        )
        await talk.speak()
        await talk.until("response.done", 2)
    assert [m.content for m in model.requests[1].messages[1:]] == [
        *("Count.", "Yes. One two", "Where were we?"),
    ]
    assert len(model.requests) == 2


async def test_a_guess_is_dropped_where_something_else_was_said_before_it() -> None:
    model = ScriptedModel(["No", Gate()], "Yes.")
    async with talking(model, "Is that so?") as talk:
        await talk.speak(then=300)
        await eventually(lambda: len(model.requests) == 1)
        part = {"type": "input_text", "text": "The sky is blue."}
        item = {"type": "message", "role": "system", "content": [part]}
        await talk.send("conversation.item.create", item=item)
        await talk.speak(0, then=500)
        await talk.until("response.done")
        await eventually(lambda: model.cancelled == 1)
    assert [m.content for m in model.requests[1].messages[1:]] == [
        *("The sky is blue.", "Is that so?"),
    ]
    assert talk.said == "Yes."


async def test_where_nothing_was_said_nothing_is_answered() -> None:
    model = ScriptedModel()
    async with talking(model, "") as talk:
        await talk.speak()
        done = await talk.until("response.done")
    assert (done["response"]["output"], model.requests) == ([], [])


async def test_of_silence_that_is_pushed_nothing_is_made_out() -> None:
    async with talking(model := ScriptedModel(), "You") as talk:
        heard = {"turn_detection": None, "transcription": {"model": "any"}}
        await talk.session(audio={"input": heard})
        await talk.append(silence(1000))
        await talk.send("input_audio_buffer.commit")
        await talk.send("response.create")
        done = await talk.until("response.done")
        said = await talk.until("conversation.item.input_audio_transcription.completed")
    assert (said["transcript"], talk.recogniser.heard) == ("", [])
    assert (done["response"]["output"], model.requests) == ([], [])


@pytest.mark.parametrize("pushed", [True, False])
async def test_what_cannot_be_made_out_is_told_and_not_answered(pushed: bool) -> None:
    async with talking(ScriptedModel()) as talk:  # its recogniser has nothing left to hear
        await talk.session(**(PUSH_TO_TALK if pushed else {}))
        await talk.speak()
        if pushed:
            await talk.send("input_audio_buffer.commit")
            await talk.send("response.create")
        await talk.until("conversation.item.input_audio_transcription.failed")
        done = await talk.until("response.done")
    assert (done["response"]["output"], talk.model.requests) == ([], [])


async def test_cleared_audio_is_forgotten() -> None:
    async with talking(ScriptedModel()) as talk:
        await talk.append(tone(300))
        await talk.until("input_audio_buffer.speech_started")
        await talk.send("input_audio_buffer.clear")
        await talk.speak(0)
        await talk.until("input_audio_buffer.cleared")
    assert talk.of("input_audio_buffer.speech_stopped") == []


async def test_an_answer_out_of_a_given_input_is_beside_the_conversation() -> None:
    model = ScriptedModel("Yes.")
    part = {"type": "input_text", "text": "Is it so?"}
    async with talking(model) as talk:
        await talk.send(
            "response.create",
            response={
                "conversation": "none",
                "input": [{"type": "message", "role": "user", "content": [part]}],
            },
        )
        await talk.until("response.done")
    assert model.requests[0].messages[-1].content == "Is it so?"
    assert list(talk.host.items) == []


async def test_a_client_that_does_not_read_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversing, "MAX_WAITING", 10)
    put, frames = anyio.create_memory_object_stream[bytes | str](100)

    async def never(frame: bytes) -> None:
        await anyio.sleep_forever()

    talk = conversing.Conversation(engines_of(ScriptedModel()), Host(model="local"), never)
    with put, frames, anyio.fail_after(20):
        for _ in range(30):
            put.send_nowait(json.dumps({"type": "response.cancel"}))  # an error each
        await talk.run(frames)


async def test_a_turn_that_the_client_ends_itself_is_answered_as_it_says() -> None:
    model = ScriptedModel(["Yes", Gate()], "Oui.")
    async with talking(model, "Are you there?") as talk:
        await talk.speak(then=300)
        await eventually(lambda: len(model.requests) == 1)
        await talk.send("input_audio_buffer.commit")
        await talk.send("response.create", response={"instructions": "Speak French."})
        await talk.until("response.done")
        assert model.cancelled == 1
    assert talk.said == "Oui."
    assert model.requests[1].messages[0].content.startswith("Speak French.")


async def test_a_session_that_changes_while_somebody_speaks_hears_on() -> None:
    model = ScriptedModel(["Yes", Gate()], "Oui.")
    async with talking(model, "Are you there?", "Are you there?") as talk:
        await talk.speak(then=300)
        await eventually(lambda: len(model.requests) == 1)
        await talk.session(instructions="Speak French.")
        await eventually(lambda: model.cancelled == 1)
        await talk.speak(0, then=500)
        await talk.until("response.done")
    assert talk.said == "Oui."
    assert model.requests[1].messages[0].content.startswith("Speak French.")


LONG = tone(5200) + silence(300)
DELTA = "conversation.item.input_audio_transcription.delta"


async def test_what_is_said_is_written_down_while_it_is_said() -> None:
    async with talking(ScriptedModel("I see."), "It was", "It was dark.", "Cold.") as talk:
        await talk.session(**WRITTEN)
        await talk.append(LONG[: -2 * 24 * 100])
        await eventually(lambda: len(talk.recogniser.heard) == 1)
        await talk.append(silence(100) + tone(300))
        first = await talk.until(DELTA)
        speaking = talk.of("input_audio_buffer.speech_started")[0]
        assert (first["item_id"], first["delta"]) == (speaking["item_id"], "It was dark.")
        assert talk.of("input_audio_buffer.speech_stopped") == []
        await talk.speak(300)
        await talk.until("response.done")
    whole = talk.of("conversation.item.input_audio_transcription.completed")[0]
    assert whole["transcript"] == "It was dark. Cold."
    assert [one["delta"] for one in talk.of(DELTA)] == ["It was dark.", " Cold."]
    assert talk.model.requests[-1].messages[-1].content == "It was dark. Cold."


async def test_long_speech_that_is_pushed_is_written_down_piece_by_piece() -> None:
    async with talking(ScriptedModel("I see."), "One.", "Two.", "Three.") as talk:
        heard = {"turn_detection": None, "transcription": {"model": "any"}}
        await talk.session(audio={"input": heard})
        await talk.append((LONG * 3)[: -2 * 24 * 300])
        await talk.send("input_audio_buffer.commit")
        await talk.send("response.create")
        await talk.until("response.done")
    whole = talk.of("conversation.item.input_audio_transcription.completed")[0]
    assert (
        whole["transcript"] == "".join(one["delta"] for one in talk.of(DELTA)) == "One. Two. Three."
    )
    assert whole["usage"]["seconds"] == pytest.approx(16.2)
    assert len(talk.model.requests) == 1


async def test_an_item_with_sound_is_heard_as_well() -> None:
    async with talking(ScriptedModel("I see."), "One.", "Two.") as talk:
        await talk.session(**WRITTEN)
        sound = b64encode(LONG + tone(600)).decode()
        part = {"type": "input_audio", "audio": sound}
        item = {"type": "message", "role": "user", "content": [part]}
        await talk.send("conversation.item.create", item=item)
        await talk.send("response.create")
        await talk.until("response.done")
    assert [one["delta"] for one in talk.of(DELTA)] == ["One.", " Two."]
    assert talk.model.requests[0].messages[-1].content == "One. Two."


async def test_what_was_not_listened_to_as_it_came_is_heard_whole() -> None:
    async with talking(ScriptedModel("I see."), "One.") as talk:
        await talk.append(tone(2000, level=1_000) + tone(32))  # too soft, and too short, for a turn
        await talk.send("input_audio_buffer.commit")
        await talk.send("response.create")
        await talk.until("response.done")
    assert talk.recogniser.heard == [pytest.approx(2032, abs=40)]


async def test_an_item_with_sound_is_not_what_the_microphone_heard() -> None:
    async with talking(ScriptedModel("I see."), "One.") as talk:
        await talk.session(**PUSH_TO_TALK)
        await talk.append(tone(600))
        part = {"type": "input_audio", "audio": b64encode(silence(600)).decode()}
        item = {"id": "silent", "type": "message", "role": "user", "content": [part]}
        await talk.send("conversation.item.create", item=item)
        await talk.send("input_audio_buffer.commit")
        await talk.send("response.create")
        await talk.until("response.done")
    silent, spoken = list(talk.host.items)[:2]
    assert (silent.id, silent.text, spoken.text) == ("silent", "", "One.")


async def test_the_beginning_of_a_long_turn_is_read_while_it_goes_on() -> None:
    model = ScriptedModel("?", ["?", Gate()], "I see.")
    async with talking(model, "One.", "Two.", reads_ahead=True) as talk:
        await talk.session(**PUSH_TO_TALK)
        await talk.append(LONG + tone(600))
        await eventually(lambda: model.requests[-1:] != [] and len(model.requests) == 2)
        assert model.requests[1].messages[-1].content == "One."
        await talk.send("input_audio_buffer.commit")
        await talk.send("response.create")
        await talk.until("response.done")
    assert model.requests[-1].messages[-1].content == "One. Two."
    assert model.cancelled == 1


async def test_the_model_reads_what_it_will_be_asked_about_while_the_user_speaks() -> None:
    model = ScriptedModel([Gate(), "?"], "Yes.", ["?"], "Yes.")
    async with talking(model, "Are you there?", "Still?", reads_ahead=True) as talk:
        await talk.session(instructions="Be kind.", **PUSH_TO_TALK)
        await talk.append(tone(300))
        await eventually(lambda: len(model.requests) == 1)
        await talk.append(tone(300))
        await talk.send("input_audio_buffer.commit")
        await talk.send("response.create")
        await talk.until("response.done")
        assert (model.cancelled, len(model.requests), talk.said) == (1, 2, "Yes.")
        await talk.session(instructions="Be brief.")
        await talk.append(tone(300))
        await eventually(lambda: len(model.requests) == 3)
    ahead, asked, again = model.requests
    assert (ahead.sampling.max_tokens, asked.sampling.max_tokens) == (1, None)
    assert asked.messages[: len(ahead.messages)] == ahead.messages
    assert again.messages[0].content.startswith("Be brief.")
