from __future__ import annotations

import anyio
import pytest
from openai import AsyncOpenAI

from chatbots.errors import ProviderError
from chatbots.flow.calling import ask, stream
from chatbots.messages import Message
from chatbots.provider.chat import OpenAIChat
from chatbots.services.stateless import StatelessChat
from chatbots.services.take_turn import Manner
from chatbots.testing import FakeOpenAI, ScriptedModel


async def test_the_second_question_cannot_see_the_first() -> None:
    model = ScriptedModel()
    bot = StatelessChat(model, Manner(instructions="Be brief."))
    for said in ("My name is Ada.", "What is my name?"):
        await ask(bot, said, session="the same")
    assert [request.messages for request in model.requests] == [
        (Message("system", "Be brief."), Message("user", "My name is Ada.")),
        (Message("system", "Be brief."), Message("user", "What is my name?")),
    ]


async def test_the_second_question_cannot_see_the_first_on_the_wire() -> None:
    async with (
        FakeOpenAI() as fake,
        AsyncOpenAI(base_url=fake.base_url, api_key="k", max_retries=0) as client,
    ):

        async def the_client() -> AsyncOpenAI:
            return client

        bot = StatelessChat(OpenAIChat(the_client, model="m"))
        for said in ("My name is Ada.", "What is my name?"):
            await ask(bot, said, session="the same")
        assert [call.json["messages"] for call in fake.calls] == [
            [{"role": "user", "content": "My name is Ada."}],
            [{"role": "user", "content": "What is my name?"}],
        ]
        assert b"Ada" not in fake.calls[1].body
        assert fake.connections == 1


async def test_one_turn_is_one_whole_request() -> None:
    model = ScriptedModel("Hello.")
    await ask(StatelessChat(model), "Hi", request_id="r1")
    assert [(request.stream, request.request_id) for request in model.requests] == [(False, "r1")]


async def test_the_same_request_id_is_answered_again() -> None:
    bot = StatelessChat(ScriptedModel("One.", "Two."))
    replies = [await ask(bot, "Hi", request_id="r1") for _ in range(2)]
    assert [reply.text for reply in replies] == ["One.", "Two."]


async def test_nothing_is_sent_before_the_first_turn() -> None:
    model = ScriptedModel()
    async with stream(StatelessChat(model), "Hi") as s:
        assert model.requests == []
        with anyio.fail_after(10):
            assert [text async for text in s.text] == ["Hi"]
    assert len(model.requests) == 1


async def test_a_call_of_a_tool_that_nobody_offered_is_no_answer() -> None:
    async with (
        FakeOpenAI() as fake,
        AsyncOpenAI(base_url=fake.base_url, api_key="k", max_retries=0) as client,
    ):

        async def the_client() -> AsyncOpenAI:
            return client

        fake.answer(fault="tool-no-id")
        with pytest.raises(
            ProviderError, match="called the tool 'get_weather', and none"
        ) as caught:
            await ask(StatelessChat(OpenAIChat(the_client, model="m")), "Hi")
    assert caught.value.code == "upstream_bad_response"
