from __future__ import annotations

import anyio
import pytest
from hypothesis import given, strategies as st
from openai import AsyncOpenAI

from chatbots.deltas import TextDelta
from chatbots.errors import ProviderError
from chatbots.flow.bot import Bot
from chatbots.flow.calling import ask
from chatbots.messages import Message, Prompt, Turn
from chatbots.provider.chat import OpenAIChat
from chatbots.services.streaming import StreamingChat
from chatbots.sessions.in_memory import InMemorySessions
from chatbots.testing import CollectingSink, FakeOpenAI, Gate, ScriptedModel


class Talk:
    """A streaming bot in the session "s", and what is stored of it."""

    def __init__(self, *answers: list[str | Gate | Exception] | str) -> None:
        self.model = ScriptedModel(*answers)
        self.store = InMemorySessions()
        self.bot = Bot(StreamingChat(self.model, self.store), session="s")

    async def last(self) -> Turn:
        return (await self.store.load("s"))[-1]


async def test_it_asks_for_the_answer_as_it_forms() -> None:
    talk = Talk("Hello.")
    await talk.bot.ask("Hi")
    assert [request.stream for request in talk.model.requests] == [True]


async def test_the_whole_text_is_stored_at_the_end() -> None:
    talk = Talk(["Once ", "upon ", "a time."])
    async with talk.bot.stream("Tell") as s:
        shown = [text async for text in s.text]
    turn = await talk.last()
    assert turn.text == "".join(shown) == "Once upon a time."
    assert (turn.state, turn.reason) == ("completed", "stop")
    assert turn.answer == (Message("assistant", "Once upon a time."),)


@given(
    st.lists(st.sampled_from(["a", "\n", " ", "é", "👍", "\u2028", "\r", "e\u0301"]), max_size=9)
)
async def test_what_is_stored_equals_what_was_streamed_byte_for_byte(pieces: list[str]) -> None:
    talk = Talk(list(pieces))
    async with talk.bot.stream("Tell") as s:
        shown = "".join([text async for text in s.text])
    assert (await talk.last()).text.encode() == shown.encode() == "".join(pieces).encode()


async def test_it_is_stored_before_done_is_sent() -> None:
    talk = Talk("Hello.")
    states: list[str] = []

    class Watch(CollectingSink):
        async def send(self, item: object) -> None:
            states.append((await talk.last()).state)

    prompt = Prompt(messages=(Message("user", "Hi"),), request_id="r", session="s")
    await talk.bot.service.respond(prompt, Watch())
    assert states == ["accepted", "completed"]


async def test_an_answer_that_broke_off_is_stored_and_marked() -> None:
    error = ProviderError("stream_interrupted", "The connection was lost.")
    talk = Talk(["Once ", "upon", error])
    with pytest.raises(ProviderError) as raised:
        await talk.bot.ask("Tell")
    turn = await talk.last()
    assert turn.text == raised.value.partial == "Once upon"
    assert (turn.state, turn.reason) == ("interrupted", "stream_interrupted")


async def test_an_answer_that_was_left_early_is_stored_and_marked() -> None:
    talk = Talk(["Once ", Gate(), "upon"])
    async with talk.bot.stream("Tell") as s:
        async for _text in s.text:
            break
    turn = await talk.last()
    assert (turn.text, turn.state, turn.reason) == ("Once ", "cancelled", "cancelled")


@pytest.mark.usefixtures("time_flies")
async def test_an_answer_past_its_deadline_is_stored_and_marked() -> None:
    talk = Talk(["Once ", Gate(), "upon"])
    with pytest.raises(ProviderError) as raised:
        await talk.bot.ask("Tell", timeout=0.02)
    turn = await talk.last()
    assert raised.value.code == "upstream_timeout"
    assert (turn.text, turn.state, turn.reason) == ("Once ", "interrupted", "upstream_timeout")


async def test_the_next_request_carries_what_was_shown_of_a_broken_answer() -> None:
    error = ProviderError("stream_interrupted", "The connection was lost.")
    talk = Talk(["Once upon", error], "a time.")
    with pytest.raises(ProviderError):
        await talk.bot.ask("Tell")
    await talk.bot.ask("Go on")
    assert talk.model.requests[1].messages == (
        Message("user", "Tell"),
        Message("assistant", "Once upon"),
        Message("user", "Go on"),
    )


async def test_it_remembers_on_the_wire() -> None:
    async with (
        FakeOpenAI() as fake,
        AsyncOpenAI(base_url=fake.base_url, api_key="k", max_retries=0) as client,
    ):

        async def the_client() -> AsyncOpenAI:
            return client

        service = StreamingChat(OpenAIChat(the_client, model="m"), InMemorySessions())
        past: list[object] = []
        for number in range(1, 5):
            fake.answer(f"Answer {number}.")
            await ask(service, f"Question {number}?", session="s")
            assert fake.calls[-1].json["stream"] is True
            past.append({"role": "user", "content": f"Question {number}?"})
            assert fake.calls[-1].json["messages"] == past
            past.append({"role": "assistant", "content": f"Answer {number}."})
        assert fake.connections == 1


async def test_a_connection_that_is_lost_half_way_is_stored_and_marked() -> None:
    async with (
        FakeOpenAI() as fake,
        AsyncOpenAI(base_url=fake.base_url, api_key="k", max_retries=0) as client,
    ):

        async def the_client() -> AsyncOpenAI:
            return client

        store = InMemorySessions()
        service = StreamingChat(OpenAIChat(the_client, model="m"), store)
        send, pieces = anyio.create_memory_object_stream[str](3)
        fake.answer(pieces, drop_after=2)
        talk = Bot(service, session="s").stream("Tell")

        async def read() -> None:
            async with talk:
                async for text in talk.text:
                    if text == "Once ":
                        await send.send("upon")

        async with send:
            await send.send("Once ")
            with pytest.raises(ProviderError) as raised:
                await read()
        (turn,) = await store.load("s")
        assert raised.value.code == "stream_interrupted"
        assert turn.text == raised.value.partial == talk.partial
        assert turn.text.startswith("Once ")
        assert turn.state == "interrupted"
        assert len(fake.calls) == 1


async def test_pieces_arrive_as_they_are_said() -> None:
    gates = [Gate(), Gate()]
    talk = Talk(["a", gates[0], "b", gates[1], "c"])
    sink = CollectingSink()
    prompt = Prompt(messages=(Message("user", "Hi"),), request_id="r", session="s")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(talk.bot.service.respond, prompt, sink)
        for number, gate in enumerate(gates, 1):
            await gate.reached()
            assert sink.deltas == [TextDelta(piece) for piece in "abc"[:number]]
            gate.open()
    assert sink.text == "abc"
