"""Calls, to a server in this process that hears and speaks."""

from __future__ import annotations

import struct
from base64 import b64decode
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from chatbots.app import Chatbots
from chatbots.deltas import AudioDelta, Done, Failed, Interrupted, Notice, TextDelta, UserSaid
from chatbots.errors import ChatError, InvalidRequest, ProviderError
from chatbots.messages import Message
from chatbots.realtime import g711
from chatbots.realtime.audio import size_of
from chatbots.realtime.events.session import TurnDetection
from chatbots.services import spoken
from chatbots.services.call import VoiceCall
from chatbots.services.speech import Speech
from chatbots.sessions.in_memory import InMemorySessions
from chatbots.settings import Settings
from chatbots.testing import FakeOpenAI, Gate
from chatbots.testing.scripted import CollectingSink
from chatbots.tool_calls import ToolCall
from tests.services.speaking import MS_PER_CHAR, SPEECH, heard, says, speak, talking


@pytest.mark.checklist(26, 29)
async def test_what_is_said_is_answered_and_both_are_remembered() -> None:
    async with talking("Hello Ada.", "You are Ada.", words=("I am Ada.", "Who am I?")) as talk:
        async with talk.bot as call:
            await speak(call)
            await talk.until(call, Done)
            await speak(call)
            end = await talk.until(call, Done)
        assert isinstance(end, Done)
        assert (end.state, end.session) == ("completed", "ada")
        kinds = [type(delta) for delta in talk.told]
        assert kinds[0] is kinds[kinds.index(Done) + 1] is UserSaid
        assert len(talk.server.conns) == 1
        assert talk.server.said() == []  # the server has heard it all itself
        assert talk.server.sent("conversation.item.create") == []
    turns = await talk.bot.history()
    assert [(t.said[0].content, t.text) for t in turns] == [
        ("I am Ada.", "Hello Ada."),
        ("Who am I?", "You are Ada."),
    ]


@pytest.mark.checklist(28)
async def test_tools_are_called_in_a_call() -> None:
    def multiply(a: int, b: int) -> int:
        """Multiply."""
        return a * b

    async with talking(words=("Six times seven?",), tools=[multiply]) as talk:
        talk.model.answer("Well.", tool_calls=[ToolCall("c1", "multiply", '{"a":6,"b":7}')])
        talk.model.answer("42.")
        async with talk.bot as call:
            await speak(call)
            end = await talk.until(call, Done | Failed)  # type: ignore[arg-type]
        assert isinstance(end, Done)
        assert talk.model.requests[-1].messages[-1].content == "42"
    (turn,) = await talk.bot.history()
    assert [m.role for m in turn.answer] == ["assistant", "tool", "assistant"]
    assert turn.text == "Well.42."


async def test_of_an_answer_that_is_spoken_into_is_kept_what_was_heard_and_what_was_not() -> None:
    async with talking(words=("Tell me.", "Stop."), plays=True) as talk:
        talk.model.answer("0123 56789", "abcdefghij", gate := Gate(), "never said")
        talk.model.answer("Well.")
        async with talk.bot as call:
            await speak(call)
            await gate.reached()
            sound = await talk.until(call, AudioDelta)
            assert isinstance(sound, AudioDelta)
            call.played(sound.item_id, 4 * MS_PER_CHAR)
            await call.send_audio(SPEECH)
            cut = await talk.until(call, Interrupted)
            assert cut == Interrupted(sound.item_id, 4 * MS_PER_CHAR)
            end = await talk.until(call, Done)
            assert isinstance(end, Done)
            assert (end.state, end.reason) == ("incomplete", "interrupted")
            await call.send_audio(bytes(size_of(500)))
            last = await talk.until(call, AudioDelta)
            assert isinstance(last, AudioDelta)
            call.played(last.item_id, 5 * MS_PER_CHAR)
            await talk.until(call, Done)
        (truncate,) = talk.server.sent("conversation.item.truncate")
        assert truncate["audio_end_ms"] == 4 * MS_PER_CHAR
        assert len(talk.server.conns) == 1
    first, second = await talk.bot.history()
    assert (first.state, first.reason) == ("incomplete", "interrupted")
    assert first.answer == (
        Message("assistant", "0123", heard_ms=4 * MS_PER_CHAR, unheard=" 56789abcdefghij"),
    )
    assert second.text == "Well."


@pytest.mark.parametrize(
    ("speech", "width"),
    [
        (Speech(detection=None, audio="audio/pcmu"), 1),
        (Speech(detection=None, rate=11_025), 2),
    ],
)
async def test_an_answer_at_another_rate_is_over_when_all_of_it_was_played(
    speech: Speech, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spoken, "PATIENCE", 1000)
    ms = 0.0
    async with (
        talking("Hello", words=("Hi.",), speech=speech, plays=True) as talk,
        talk.bot as call,
    ):
        await call.send_audio(SPEECH)
        await call.commit()
        with anyio.fail_after(20):
            async for delta in call.deltas:
                if isinstance(delta, AudioDelta):
                    ms += 1000 * len(delta.pcm) / width / delta.rate
                    call.played(delta.item_id, int(ms))
                if isinstance(delta, Done):
                    break
    assert ms == pytest.approx(len("Hello") * MS_PER_CHAR, abs=1)


async def test_what_was_said_is_known_though_nothing_of_its_answer_was_heard() -> None:
    store = InMemorySessions()
    async with talking(words=("I am Ada.", "Who am I?"), plays=True, store=store) as talk:
        talk.model.answer(gate := Gate(), "Hello.")
        talk.model.answer("Ada.")
        async with talk.bot as call:
            await speak(call)
            await gate.reached()
            await speak(call)
            await talk.until(call, Done)
            last = await talk.until(call, AudioDelta)
            assert isinstance(last, AudioDelta)
            call.played(last.item_id, 4 * MS_PER_CHAR)
            await talk.until(call, Done)
    async with talking("A, D, A.", store=store) as talk:
        await talk.bot.ask("Spell it.")
        said = heard(talk.model.requests[0])
    assert said == ["Be brief.", "I am Ada.", "...", "Who am I?", "Ada.", "Spell it."]


async def test_an_answer_that_is_whole_is_over_when_it_was_heard_or_spoken_into() -> None:
    async with (
        talking("01234 6789", "Yes.", words=("Tell me.", "No."), plays=True) as talk,
        talk.bot as call,
    ):
        await speak(call)
        sound = await talk.until(call, AudioDelta)
        assert isinstance(sound, AudioDelta)
        await anyio.wait_all_tasks_blocked()
        assert [turn.state for turn in await talk.bot.history()] == ["accepted"]
        call.played(sound.item_id, 5 * MS_PER_CHAR)
        await call.send_audio(SPEECH)
        end = await talk.until(call, Done)
        assert isinstance(end, Done)
        assert end.reason == "interrupted"
        await call.send_audio(bytes(size_of(500)))
        sound = await talk.until(call, AudioDelta)
        assert isinstance(sound, AudioDelta)
        call.played(sound.item_id, 4 * MS_PER_CHAR)
        await talk.until(call, Done)
    first, second = await talk.bot.history()
    assert first.answer[0].content == "01234"
    assert first.answer[0].unheard == " 6789"
    assert second.answer == (Message("assistant", "Yes."),)
    assert second.state == "completed"


@pytest.mark.parametrize("words", [None, "..."])
async def test_what_nobody_could_write_down_is_a_turn_as_well(
    words: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatbots.services.call.WRITING", 0.1)
    async with talking("Pardon?", words=(words,), speech=Speech(detection=None)) as talk:
        await talk.bot.run(says(SPEECH), sink := CollectingSink())
        assert isinstance(sink.deltas[0], UserSaid)
        assert sink.deltas[0].text is None
        assert sink.text == "Pardon?"
    (turn,) = await talk.bot.history()
    assert turn.said == (Message("user", "[unintelligible]"),)


async def test_noise_is_no_turn() -> None:
    async with talking(words=(" ",), speech=Speech(detection=None)) as talk:
        await talk.bot.run(says(SPEECH), sink := CollectingSink())
        assert sink.deltas == []
        assert talk.model.requests == []


async def test_one_may_write_in_a_call() -> None:
    async with talking("Hello.", words=()) as talk:
        async with talk.bot as call:
            call.say("Hi.")
            await talk.until(call, Done)
            await call.finish()
            assert [delta async for delta in call.deltas] == []
        assert talk.server.said() == ["Hi."]
    assert talk.told[:2] == [UserSaid("", "Hi."), TextDelta("Hello.")]


async def test_an_answer_that_fails_is_told_and_the_call_goes_on() -> None:
    async with talking() as talk:
        talk.model.answer("Once", ProviderError("upstream_error", "It broke."))
        talk.model.answer("Again.")
        async with talk.bot as call:
            call.say("One.")
            end = await talk.until(call, Failed)
            assert isinstance(end, Failed)
            assert end.state == "interrupted"
            call.say("Two.")
            await talk.until(call, Done)
    assert [turn.state for turn in await talk.bot.history()] == ["interrupted", "completed"]


async def test_who_cannot_be_called_says_so_where_the_call_begins() -> None:
    async with talking() as talk:
        talk.server.refusals = [ProviderError("upstream_auth", "No.")] * 3
        with pytest.raises(ProviderError, match="No"):
            async with talk.bot:
                raise AssertionError
        talk.server.refusals = [ProviderError("upstream_auth", "No.")] * 3
        with pytest.raises(ProviderError, match="No"):
            await talk.bot.ask("Hi")


async def test_a_call_that_is_lost_raises_why() -> None:
    async with talking() as talk:

        async def call() -> None:
            async with talk.bot as call:
                talk.server.refusals = [ProviderError("upstream_auth", "Policy.")] * 9
                talk.server.conns[0].drop(ProviderError("stream_interrupted", "Gone."))
                async for _ in call.deltas:
                    pass

        with anyio.fail_after(20), pytest.raises(ChatError, match="Policy"):
            await call()


async def test_hanging_up_stops_the_answer_and_keeps_what_was_said() -> None:
    async with talking() as talk:
        talk.model.answer("Once", gate := Gate(), " upon")
        async with talk.bot as call:
            call.say("Tell me.")
            await gate.reached()
            await talk.until(call, TextDelta)
    (turn,) = await talk.bot.history()
    assert (turn.state, turn.text) == ("cancelled", "Once")


@pytest.mark.checklist(52)
async def test_sound_is_sent_in_pieces_and_what_is_none_is_refused() -> None:
    async with talking("Hi.", words=("Hello.",), speech=Speech(detection=None)) as talk:
        async with talk.bot as call:
            await call.send_audio(b"")
            with pytest.raises(InvalidRequest, match="3 bytes"):
                await call.send_audio(b"abc")
            for start in range(0, len(SPEECH), 960):
                await call.send_audio(SPEECH[start : start + 960])
            await call.commit()
            await talk.until(call, Done)
            with pytest.raises(InvalidRequest, match="0 ms of audio to commit"):
                await call.commit()
        sent = talk.server.sent("input_audio_buffer.append")
        assert b"".join(b64decode(frame["audio"]) for frame in sent) == SPEECH


async def test_a_call_outlives_its_connection() -> None:
    async with talking("Hello.", words=("Hi.",)) as talk:
        async with talk.bot as call:
            await call.send_audio(SPEECH)  # the user speaks when it breaks
            talk.server.conns[0].drop(ProviderError("stream_interrupted", "Gone."))
            notice = await talk.until(call, Notice)
            assert isinstance(notice, Notice)
            assert notice.code == "reconnecting"
            await talk.until(call, Notice)
            with anyio.fail_after(20):
                await call.answered()
            await speak(call)
            await talk.until(call, Done)
        assert len(talk.server.conns) == 2
    assert [turn.text for turn in await talk.bot.history()] == ["Hello."]


@pytest.mark.usefixtures("time_flies")
async def test_listening_to_an_answer_is_no_part_of_its_deadline() -> None:
    async with talking("Hello.", plays=True, timeout=0.3) as talk, talk.bot as call:
        call.say("Hi.")
        sound = await talk.until(call, AudioDelta)
        assert isinstance(sound, AudioDelta)
        await anyio.sleep(0.4)
        call.played(sound.item_id, 6 * MS_PER_CHAR)
        end = await talk.until(call, Done)
        assert isinstance(end, Done)
        assert end.state == "completed"


@pytest.mark.checklist(27, 154, 176)
@pytest.mark.parametrize("detection", [None, TurnDetection()])
async def test_a_telephone_is_heard_and_hears_its_own_kind_of_sound(
    detection: TurnDetection | None,
) -> None:
    said = g711.encode(
        struct.pack("<4000h", *[12_000 - n % 20 * 1_200 for n in range(4_000)]), "alaw"
    )
    speech = Speech(detection=detection, audio="audio/pcma")
    async with FakeOpenAI() as fake:
        fake.hear("Hello?")
        fake.answer("Hi there.")
        settings = Settings(openai_base_url=fake.base_url, db_type="memory")
        async with Chatbots(settings) as bots:
            bot = bots.voice(speech=speech)
            await bot.run(
                says(*[said[at : at + 160] for at in range(0, 4_000, 160)]),
                sink := CollectingSink(),
            )
            fake.answer("Hi.")
            async with bot.stream("Hi?") as stream:
                written = [d async for d in stream if isinstance(d, AudioDelta)]
        sent = [event["audio"] for event in fake.talks[0].received if "audio" in event]
    pcm = b"".join(map(b64decode, sent))
    assert len(pcm) == size_of(500) + (size_of(1000) if detection else 0)
    assert sink.text == "Hi there."
    heard = [d for d in sink.deltas if isinstance(d, AudioDelta)]
    for deltas, letters in ((heard, 9), (written, 3)):
        assert {d.rate for d in deltas} == {8_000}
        assert sum(len(d.pcm) for d in deltas) == letters * 50 * 8


async def test_what_is_being_written_down_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    now = 100.0

    async def sleep(seconds: float) -> None:
        nonlocal now
        slept.append(seconds)
        now += seconds - 1
        if len(slept) < 3:
            call._writes(piece)  # a second before the end of patience
        now += 1

    async with talking() as talk:
        piece: Any = None
        call = VoiceCall(talk.bot._chat.model(plays=False), piece, piece, speech=Speech())
        monkeypatch.setattr(
            "chatbots.services.call.anyio",
            SimpleNamespace(current_time=lambda: now, sleep=sleep),
        )
        await call._wait(10, lambda: slept.append(0))
        monkeypatch.undo()
    assert slept == [10, 9, 9, 0]
