"""The bot that is talked to, against a server in this process that hears and speaks."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from chatbots.deltas import AudioDelta, Done, UserSaid
from chatbots.errors import ChatError, InvalidRequest, ProviderError
from chatbots.interfaces import ChatModel, ChatService
from chatbots.messages import Message
from chatbots.realtime.audio import RATE, size_of
from chatbots.services.memory import MemoryChat
from chatbots.services.speech import Speech
from chatbots.services.voice import VoiceBot, VoiceChat
from chatbots.sessions.in_memory import InMemorySessions
from chatbots.testing import ScriptedModel
from chatbots.testing.scripted import CollectingSink
from chatbots.testing.service_contract import AnsweringPromises, CancellingPromises
from tests.services.speaking import MS_PER_CHAR, SPEECH, heard, says, serving, speak, talking


async def test_a_written_question_is_answered_aloud() -> None:
    async with talking("Hello Ada.") as talk:
        async with talk.bot.stream("I am Ada.") as stream:
            talk.told = [delta async for delta in stream]
        assert stream.reply.text == "Hello Ada."
        assert talk.pcm() == b"\x01" * size_of(10 * MS_PER_CHAR)
        assert {d.rate for d in talk.told if isinstance(d, AudioDelta)} == {RATE}
        (update,) = talk.server.sent("session.update")
        assert update["session"]["output_modalities"] == ["audio"]
        assert update["session"]["instructions"] == "Be brief."
    (turn,) = await talk.bot.history()
    assert turn.answer == (Message("assistant", "Hello Ada."),)


async def test_a_session_stays_open_between_what_is_asked_in_writing() -> None:
    async with talking("One.", "Two.", "Three.", words=("Aloud?",)) as talk:
        await talk.bot.ask("First")
        assert not talk.server.conns[0].closed
        async with talk.bot as call:  # it has one of its own
            await speak(call)
            await talk.until(call, Done)
        assert [conn.closed for conn in talk.server.conns] == [False, True]
        async with talk.bot.stream("Third") as stream:
            talk.told = [delta async for delta in stream]
        assert len(talk.server.conns) == 2
        assert talk.pcm() == b"\x01" * size_of(6 * MS_PER_CHAR)
        assert heard(talk.model.requests[-1])[1:] == [
            "First", "One.", "Aloud?", "Two.", "Third"
        ]  # fmt: skip
        assert len(talk.server.sent("session.update")) == 2


async def test_a_session_that_broke_between_two_questions_is_opened_anew() -> None:
    async with talking("One.", "Two.") as talk:
        await talk.bot.ask("First")
        talk.server.refusals = [ProviderError("upstream_auth", "Policy.")] * 9
        talk.server.conns[0].drop(ProviderError("stream_interrupted", "Gone."))
        with pytest.raises(ChatError):
            await talk.bot.ask("Second")
        talk.server.refusals = []
        assert (await talk.bot.ask("Third")).text == "Two."
        assert heard(talk.model.requests[-1])[1:3] == ["First", "One."]


async def test_a_call_knows_what_was_said_before_it_and_a_bot_that_writes_what_was_said_in_it() -> (
    None
):
    store = InMemorySessions()
    writer = ScriptedModel("Noted.", "Seven.")
    wrote = VoiceBot.__mro__[1](MemoryChat(writer, store), store, session="ada")
    await wrote.ask("The number is 7.")
    async with talking("It is seven.", words=("Which number?",), store=store) as talk:
        await talk.bot.run(says(SPEECH), sink := CollectingSink())
        assert isinstance(sink.deltas[-1], Done)
        assert talk.server.said() == ["The number is 7.", "Noted."]
    await wrote.ask("Say it again.")
    assert [m.content for m in writer.requests[-1].messages] == [
        "The number is 7.", "Noted.", "Which number?", "It is seven.", "Say it again.",
    ]  # fmt: skip


@pytest.mark.checklist(29)
async def test_who_pushes_to_talk_says_where_a_turn_ends() -> None:
    async with talking("Hi.", words=("Hello.",), speech=Speech(detection=None)) as talk:
        await talk.bot.run(says(SPEECH, SPEECH), sink := CollectingSink())
        assert isinstance(sink.deltas[0], UserSaid)
        assert sink.deltas[0].text == "Hello."
        assert sink.text == "Hi."
        (update,) = talk.server.sent("session.update")
        assert update["session"]["audio"]["input"]["turn_detection"] is None


async def test_a_bot_is_in_one_call_at_a_time() -> None:
    async with talking("Hi.", "Ho.", words=("Hello?", "Still there?")) as talk:
        for _ in range(2):
            async with talk.bot as call:
                with pytest.raises(InvalidRequest, match="in a call"):
                    await talk.bot.__aenter__()
                await speak(call)
                await talk.until(call, Done)
        talk.server.refusals.append(ProviderError("upstream_auth", "No."))
        with pytest.raises(ProviderError):
            await talk.bot.__aenter__()
        async with talk.bot:  # it is free again
            pass


async def test_it_tells_what_it_would_send() -> None:
    async with talking() as talk:
        explained = await talk.bot.explain("Hi")
        assert [m.content for m in explained.messages] == ["Be brief.", "Hi"]
        assert talk.server.conns == []


# The promises of every bot


@asynccontextmanager
async def service(model: ChatModel) -> AsyncGenerator[ChatService]:
    async with serving(model) as server:
        yield (chat := VoiceChat(server.speaking, InMemorySessions()))
        await chat.aclose()


@pytest.mark.usefixtures("time_flies")
class TestVoiceChat(AnsweringPromises, CancellingPromises):
    """How it fails is tried with calls: an error that crosses a socket is another object."""

    def make_service(self, model: ChatModel) -> AbstractAsyncContextManager[ChatService]:
        return service(model)

    async def test_a_turn_asks_the_model_once_and_carries_what_was_said(self) -> None:
        """A server is told no request id; the rest is tried above."""
