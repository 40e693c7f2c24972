from __future__ import annotations

import anyio
import pytest
from openai import AsyncOpenAI

from chatbots.errors import ChatError, InvalidRequest, ProviderError
from chatbots.flow.bot import Bot
from chatbots.flow.calling import ask
from chatbots.messages import Message
from chatbots.provider.chat import OpenAIChat
from chatbots.services.memory import MemoryChat
from chatbots.services.take_turn import Manner
from chatbots.sessions.in_memory import InMemorySessions
from chatbots.testing import FakeOpenAI, Gate, ScriptedModel


def bot(model: ScriptedModel) -> Bot:
    return Bot(MemoryChat(model, InMemorySessions()), session="s")


def asked(model: ScriptedModel) -> list[list[str]]:
    return [[message.content for message in request.messages] for request in model.requests]


async def test_turn_n_carries_turns_1_to_n_minus_1_in_order() -> None:
    model = ScriptedModel()
    ada = Bot(MemoryChat(model, InMemorySessions(), Manner(instructions="Be brief.")), session="s")
    past: list[Message] = [Message("system", "Be brief.")]
    for number in range(1, 8):
        model.answer(f"Answer {number}.")
        await ada.ask(f"Question {number}?")
        said = Message("user", f"Question {number}?")
        assert model.requests[-1].messages == (*past, said)
        past += [said, Message("assistant", f"Answer {number}.")]


async def test_turn_n_carries_turns_1_to_n_minus_1_in_order_on_the_wire() -> None:
    async with (
        FakeOpenAI() as fake,
        AsyncOpenAI(base_url=fake.base_url, api_key="k", max_retries=0) as client,
    ):

        async def the_client() -> AsyncOpenAI:
            return client

        ada = MemoryChat(OpenAIChat(the_client, model="m"), InMemorySessions())
        past: list[object] = []
        for number in range(1, 6):
            fake.answer(f"Answer {number}.")
            await ask(ada, f"Question {number}?", session="s")
            body = fake.calls[-1].json
            assert not body.get("stream")
            past.append({"role": "user", "content": f"Question {number}?"})
            assert body["messages"] == past
            past.append({"role": "assistant", "content": f"Answer {number}."})
        assert len(fake.calls) == 5
        assert fake.connections == 1


async def test_two_sessions_do_not_see_each_other() -> None:
    model = ScriptedModel()
    service = MemoryChat(model, InMemorySessions())
    await ask(service, "My name is Ada.", session="ada")
    await ask(service, "What is my name?", session="bob")
    assert asked(model)[1] == ["What is my name?"]


async def test_a_prompt_without_session_gets_one_of_its_own() -> None:
    model = ScriptedModel()
    store = InMemorySessions()
    service = MemoryChat(model, store)
    replies = [await ask(service, said) for said in ("One", "Two")]
    assert asked(model) == [["One"], ["Two"]]
    sessions = [reply.session for reply in replies]
    assert len(set(sessions)) == 2
    assert [turn.text for turn in await store.load(sessions[0] or "")] == ["One"]


async def test_a_failed_turn_does_not_poison_the_history() -> None:
    broken = ProviderError("upstream_error", "It broke.")
    model = ScriptedModel("One.", [broken], "Three.")
    ada = bot(model)
    await ada.ask("1")
    with pytest.raises(ProviderError):
        await ada.ask("2")
    await ada.ask("3")
    assert asked(model)[2] == ["1", "One.", "3"]
    roles = [message.role for message in model.requests[2].messages]
    assert roles == ["user", "assistant", "user"]


async def test_a_bug_does_not_poison_the_history_either() -> None:
    model = ScriptedModel([ZeroDivisionError()], "Two.")
    ada = bot(model)
    with pytest.raises(ZeroDivisionError):
        await ada.ask("1")
    assert (await ada.ask("2")).text == "Two."
    assert asked(model)[1] == ["2"]


async def test_a_prompt_that_is_refused_is_not_remembered() -> None:
    model = ScriptedModel()
    ada = bot(model)
    for said in ("", " ", "\0"):
        with pytest.raises(InvalidRequest):
            await ada.ask(said)
    await ada.ask("Hi")
    assert asked(model) == [["Hi"]]


async def test_a_cut_answer_is_carried_as_far_as_it_came() -> None:
    model = ScriptedModel()
    model.answer("Once upon", reason="length")
    ada = bot(model)
    assert (await ada.ask("Tell")).state == "incomplete"
    await ada.ask("Go on")
    assert asked(model)[1] == ["Tell", "Once upon", "Go on"]


async def test_instructions_of_one_turn_are_not_remembered() -> None:
    model = ScriptedModel()
    ada = bot(model)
    await ada.ask("1", instructions="Be long.")
    await ada.ask("2")
    assert asked(model) == [["Be long.", "1"], ["1", "1", "2"]]


async def test_of_two_turns_at_once_the_second_waits_and_sees_the_first() -> None:
    gate = Gate()
    model = ScriptedModel([gate, "One."], "Two.")
    ada = bot(model)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ada.ask, "1")
        await gate.reached()
        tasks.start_soon(ada.ask, "2")
        await anyio.wait_all_tasks_blocked()
        assert len(model.requests) == 1
        gate.open()
    assert asked(model)[1] == ["1", "One.", "2"]


@pytest.mark.usefixtures("time_flies")
async def test_a_session_that_stays_busy_is_an_error_of_the_caller() -> None:
    gate = Gate()
    model = ScriptedModel([gate, "One."])
    ada = bot(model)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ada.ask, "1")
        await gate.reached()
        with pytest.raises(ChatError) as raised:
            await ada.ask("2", timeout=0.02)
        assert (raised.value.code, raised.value.retryable) == ("session_busy", True)
        gate.open()
    assert (await ada.ask("3")).text == "3"
    assert asked(model)[-1] == ["1", "One.", "3"]
