from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
import pytest

from chatbots.deltas import AudioDelta, Delta
from chatbots.messages import Message, ModelRequest
from chatbots.realtime.conversation import Conversation
from chatbots.realtime.events.items import ContentPart, Item
from chatbots.realtime.events.responses import ResponseAudioDelta
from chatbots.realtime.outcomes import Ended
from chatbots.services.speech import Speech
from chatbots.services.spoken import Answer, SpokenModel
from chatbots.testing import Gate, ScriptedModel
from chatbots.testing.scripted import CollectingSink
from chatbots.tool_calls import ToolCall
from tests.services.speaking import MS_PER_CHAR, serving


def request(*said: str, system: str = "") -> ModelRequest:
    messages = [Message("assistant" if n % 2 else "user", text) for n, text in enumerate(said)]
    first = [Message("system", system)] if system else []
    return ModelRequest(messages=(*first, *messages), stream=True, request_id="r")


async def test_a_model_speaks_and_its_text_is_what_is_heard() -> None:
    async with serving(ScriptedModel("Hello.")) as server:
        model = SpokenModel(server.speaking, Speech())
        answer = await model.complete(request("Hi"), sink := CollectingSink())
        await model.aclose()
        await model.aclose()
    assert (answer.text, answer.state, sink.text) == ("Hello.", "completed", "Hello.")
    assert sum(len(d.pcm) for d in sink.deltas if isinstance(d, AudioDelta)) == 6 * 48 * MS_PER_CHAR


async def test_a_session_that_is_told_to_be_otherwise_stays_open() -> None:
    async with serving(ScriptedModel("A.", "B.", "C.")) as server:
        model = SpokenModel(server.speaking, Speech())
        await model.complete(request("1"), CollectingSink())
        await model.complete(request("1", "A.", "2", system="Shout."), CollectingSink())
        # Others have talked in this conversation meanwhile.
        await model.complete(request("9", "Z.", "3", system="Shout."), CollectingSink())
        await model.aclose()
        assert server.said() == ["1", "2", "3"]
        _, second, _ = server.sent("session.update")
        assert "output_modalities" not in second["session"]
        assert second["session"]["instructions"] == "Shout."
        assert len(server.conns) == 1


async def test_an_answer_is_over_when_all_of_it_was_heard_or_nobody_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chatbots.services.spoken.PATIENCE", 60)
    async with serving(ScriptedModel("0123456789", "Z")) as server:
        model = SpokenModel(server.speaking, Speech(), plays=True)
        sink, over = CollectingSink(), anyio.Event()

        async def one() -> None:
            await model.complete(request("1"), sink)
            over.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(one)
            await anyio.wait_all_tasks_blocked()
            assert model.answer is not None
            sound = sink.deltas[-1]
            assert isinstance(sound, AudioDelta)
            model.answer.played(sound.item_id, 9 * MS_PER_CHAR)
            await anyio.wait_all_tasks_blocked()
            assert not over.is_set()
            model.answer.played(sound.item_id, 10 * MS_PER_CHAR)
        assert model.kept([Message("assistant", "0123456789")]) == (
            Message("assistant", "0123456789"),
        )
        monkeypatch.setattr("chatbots.services.spoken.PATIENCE", 0.05)
        with anyio.fail_after(20):
            await model.complete(request("1", "0123456789", "2"), CollectingSink())
        await model.aclose()


async def test_calls_are_told_and_nothing_is_waited_for() -> None:
    async with serving(scripted := ScriptedModel()) as server:
        scripted.answer("Well.", tool_calls=[ToolCall("c", "f", "{}")])
        model = SpokenModel(server.speaking, Speech(), plays=True)
        answer = await model.complete(request("1"), CollectingSink())
        await model.aclose()
    assert answer.tool_calls == (ToolCall("c", "f", "{}"),)
    assert answer.reason == "tool_calls"


async def test_who_stops_it_has_what_was_heard_kept() -> None:
    async with serving(scripted := ScriptedModel()) as server:
        scripted.answer("012 456789", gate := Gate())
        model = SpokenModel(server.speaking, Speech(), plays=True)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(model.complete, request("1"), sink := CollectingSink())
            await gate.reached()
            await anyio.wait_all_tasks_blocked()
            sound = next(d for d in sink.deltas if isinstance(d, AudioDelta))
            assert model.answer is not None
            session = await model._held.open()  # type: ignore[union-attr]
            session.played(sound.item_id, 3 * MS_PER_CHAR)
            model.answer.played(sound.item_id, 3 * MS_PER_CHAR)
            tasks.cancel_scope.cancel()
        kept = model.kept([Message("user", "x"), Message("assistant", "012 456789")])
        await model.aclose()
    heard = Message("assistant", "012", heard_ms=3 * MS_PER_CHAR, unheard=" 456789")
    assert kept == (Message("user", "x"), heard)


class Told:
    """A response of which two pieces of sound have come, and which is then cancelled."""

    async def __aiter__(self) -> AsyncIterator[ResponseAudioDelta]:
        yield ResponseAudioDelta(item_id="i", delta="AQI=")
        yield ResponseAudioDelta(item_id="i", delta="AwQ=")

    async def ended(self) -> Ended:
        return Ended("r", "cancelled", "turn_detected", "")


async def test_once_it_is_cut_nothing_of_it_sounds_any_more() -> None:
    answer = Answer(Conversation(), plays=True)

    class CutAtOnce(CollectingSink):
        async def send(self, item: Delta) -> None:
            await super().send(item)
            answer.cut_short()

    await answer.pass_on(Told(), sink := CutAtOnce())  # type: ignore[arg-type]
    assert sink.deltas == [AudioDelta("i", b"\1\2", 24_000)]


def test_an_answer_was_heard_though_its_last_millisecond_was_rounded_away() -> None:
    answer = Answer(Conversation(), plays=True)
    answer._sizes = {"i": 4800}
    answer.played("i", 90)
    assert not answer._silent.is_set()
    answer.played("i", 99)
    assert answer._silent.is_set()


def test_an_answer_that_is_another_is_kept_as_it_is() -> None:
    model = SpokenModel(None, Speech())  # type: ignore[arg-type]
    assert model.kept([Message("assistant", "Hi")]) == [Message("assistant", "Hi")]
    model.answer = Answer(Conversation(), plays=True)
    assert model.kept([]) == []
    assert model.kept([Message("assistant", "Hi")]) == [Message("assistant", "Hi")]


def test_of_an_item_that_was_deleted_nothing_was_heard() -> None:
    conversation = Conversation()
    said = ContentPart(type="output_audio", transcript="Hello")
    conversation.add(Item(id="i", role="assistant", type="message", content=(said,)))
    answer = Answer(conversation, plays=True)
    answer._said, answer._sizes = ["Hello"], {"i": 4800, "unknown": 4800}
    conversation.delete("i")
    answer.cut_short()
    assert answer.message == Message("assistant", "", heard_ms=0, unheard="Hello")
