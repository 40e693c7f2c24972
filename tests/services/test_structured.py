"""Answers in a demanded shape, from a script and over a real socket through each bot."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
import pytest
from pydantic import BaseModel

from chatbots import Chatbots, Settings
from chatbots.deltas import Notice, TextDelta
from chatbots.errors import ChatError, InvalidRequest, ProviderError
from chatbots.flow.bot import Bot
from chatbots.flow.output import output_format
from chatbots.interfaces import Sink
from chatbots.messages import (
    Message,
    ModelAnswer,
    ModelRequest,
    Usage,
)
from chatbots.services.structured import Structured
from chatbots.testing import CollectingSink, FakeOpenAI, Gate, ScriptedModel
from chatbots.tool_calls import ToolCall


class Pet(BaseModel):
    name: str
    age: int


GOOD = '{"name": "Rex",  "age": 3}'
BAD = '{"name": "Rex", "age": "old"}'
REX = Pet(name="Rex", age=3)


def request_for(output_type: object = Pet, *, stream: bool = True) -> ModelRequest:
    return ModelRequest(
        messages=(Message("user", "Which pet?"),),
        stream=stream,
        request_id="r",
        output=None if output_type is None else output_format(output_type),
    )


async def texts_of(model: Structured, request: ModelRequest) -> tuple[list[str], ModelAnswer]:
    """Return the pieces that were shown, and the answer."""
    sink = CollectingSink()
    answer = await model.complete(request, sink)
    assert not sink.closed
    return [delta.text for delta in sink.deltas if isinstance(delta, TextDelta)], answer


# From a script


async def test_an_answer_without_a_demanded_shape_is_shown_as_it_forms() -> None:
    shown, answer = await texts_of(Structured(ScriptedModel(["He", "llo"])), request_for(None))
    assert shown == ["He", "llo"]
    assert answer.text == "Hello"


async def test_an_answer_that_fits_is_shown_in_one_piece_when_it_is_whole() -> None:
    gate = Gate()
    sink = CollectingSink()
    model = ScriptedModel([GOOD[:9], gate, GOOD[9:]])
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Structured(model).complete, request_for(), sink)
        await gate.reached()
        assert sink.deltas == []
        gate.open()
    assert sink.deltas == [TextDelta(GOOD)]
    assert len(model.requests) == 1


async def test_what_is_no_text_is_not_held_back() -> None:
    class Chatty:
        async def complete(self, request: ModelRequest, out: Sink) -> ModelAnswer:
            await out.send(TextDelta(GOOD))
            await out.send(Notice("n", "By the way."))
            await out.aclose()
            return ModelAnswer(text=GOOD, state="completed", reason="stop")

    sink = CollectingSink()
    await Structured(Chatty()).complete(request_for(), sink)
    assert sink.deltas == [Notice("n", "By the way."), TextDelta(GOOD)]


async def test_an_answer_that_does_not_fit_is_told_to_the_model_once() -> None:
    model = ScriptedModel(BAD, GOOD)
    shown, answer = await texts_of(Structured(model), request_for())
    assert (shown, answer.text) == ([GOOD], GOOD)
    first, second = model.requests
    assert second.messages[:1] == first.messages
    said, complaint = second.messages[1:]
    assert said == Message("assistant", BAD)
    assert complaint.role == "user"
    assert "age: Input should be a valid integer" in complaint.content
    assert '"additionalProperties":false' in complaint.content
    assert (second.output, second.stream) == (first.output, True)


async def test_the_answer_is_what_was_shown_without_its_wrapping() -> None:
    model = ScriptedModel('{"value": [1,  2]}')
    shown, answer = await texts_of(Structured(model), request_for(list[int]))
    assert (shown, answer.text) == (["[1,  2]"], "[1,  2]")


async def test_an_empty_answer_is_not_told_as_one() -> None:
    model = ScriptedModel("", GOOD)
    shown, _ = await texts_of(Structured(model), request_for())
    assert shown == [GOOD]
    assert [message.role for message in model.requests[1].messages] == ["user", "user"]


async def test_both_rounds_are_counted() -> None:
    for usages, total in (
        ((Usage(1, 2, 3, 4, 5), Usage(10, 20, 30, 40, 50)), Usage(11, 22, 33, 44, 55)),
        ((Usage(1, 2, 3, estimated=True), Usage(1, 2, 3)), Usage(2, 4, 6, estimated=True)),
        ((None, Usage(1, 2, 3)), Usage(1, 2, 3)),
        ((Usage(1, 2, 3), None), Usage(1, 2, 3)),
        ((None, None), None),
    ):
        model = ScriptedModel()
        for text, usage in zip((BAD, GOOD), usages, strict=True):
            model.answer(text, usage=usage)
        _, answer = await texts_of(Structured(model), request_for())
        assert answer.usage == total
        assert answer.usage is None or isinstance(answer.usage.estimated, bool)


async def test_an_answer_that_still_does_not_fit_is_an_error_that_keeps_it() -> None:
    model = ScriptedModel("No.", BAD, GOOD)
    sink = CollectingSink()
    with pytest.raises(ProviderError, match="schema 'Pet': age: ") as caught:
        await Structured(model).complete(request_for(), sink)
    assert caught.value.code == "output_invalid"
    assert sink.text == BAD
    assert len(model.requests) == 2


async def test_an_empty_answer_that_does_not_fit_shows_nothing() -> None:
    sink = CollectingSink()
    with pytest.raises(ProviderError):
        await Structured(ScriptedModel("", "")).complete(request_for(), sink)
    assert sink.deltas == []


@pytest.mark.parametrize("reason", ["length", "content_filter", "refusal"])
async def test_an_answer_that_was_cut_or_refuses_is_shown_and_not_repaired(reason: str) -> None:
    model = ScriptedModel()
    model.answer("I wi", "ll", reason=reason)
    shown, answer = await texts_of(Structured(model), request_for())
    assert (shown, answer.reason) == (["I will"], reason)
    assert len(model.requests) == 1


async def test_a_call_of_a_tool_is_no_answer_yet() -> None:
    call = ToolCall("c1", "weather", "{}")

    model = ScriptedModel()
    model.answer("Let me see.", tool_calls=[call])
    shown, answer = await texts_of(Structured(model), request_for())
    assert (shown, answer.text, answer.tool_calls) == ([], "", (call,))
    assert len(model.requests) == 1


async def test_what_had_arrived_of_an_answer_that_breaks_off_is_shown() -> None:
    lost = ProviderError("stream_interrupted", "The connection was lost.")
    for answers in ([["{", '"na', lost]], [BAD, ["{", '"na', lost]]):
        sink = CollectingSink()
        with pytest.raises(ProviderError) as caught:
            await Structured(ScriptedModel(*answers)).complete(request_for(), sink)
        assert caught.value is lost
        assert sink.text == '{"na'


async def test_a_server_that_takes_no_schema_is_told_with_what_to_do() -> None:
    for message, param, hint in (
        ("This response_format type is unavailable now", "output_type", "without output_type"),
        ("temperature must be at most 1", None, None),
    ):
        refused = InvalidRequest("invalid_request", message)
        with pytest.raises(InvalidRequest) as caught:
            await Structured(ScriptedModel([refused])).complete(request_for(), CollectingSink())
        assert caught.value.param == param
        assert (hint or "") in (caught.value.hint or "")


# Over a real socket


@asynccontextmanager
async def asking(kind: str) -> AsyncIterator[tuple[Bot, FakeOpenAI]]:
    async with FakeOpenAI() as fake, Chatbots(Settings(openai_base_url=fake.base_url)) as bots:
        yield getattr(bots, kind)(), fake


every_bot = pytest.mark.parametrize("kind", ["stateless", "memory", "streaming"])


@every_bot
async def test_a_model_comes_back_as_a_value(kind: str) -> None:
    async with asking(kind) as (bot, fake):
        fake.answer(GOOD)
        reply = await bot.ask("Which pet?", output_type=Pet)
        assert (reply.output, reply.text, reply.state) == (REX, GOOD, "completed")
        asked = fake.calls[0].json["response_format"]
        assert (asked["type"], asked["json_schema"]["name"]) == ("json_schema", "Pet")
        assert asked["json_schema"]["strict"] is True
        assert asked["json_schema"]["schema"]["required"] == ["name", "age"]


@every_bot
async def test_a_schema_comes_back_as_json(kind: str) -> None:
    async with asking(kind) as (bot, fake):
        schema = {"type": "array", "items": {"type": "string"}}
        fake.answer('{"value": ["red"]}')
        reply = await bot.ask("A colour?", output_type=schema)
        assert (reply.output, reply.text) == (["red"], '["red"]')


@every_bot
async def test_a_stream_shows_the_text_once_and_has_the_value(kind: str) -> None:
    async with asking(kind) as (bot, fake):
        fake.answer([GOOD[:5], GOOD[5:]])
        async with bot.stream("Which pet?", output_type=Pet) as s:
            assert [text async for text in s.text] == [GOOD]
        assert s.reply.output == REX
        assert s.reply is s.reply


@every_bot
async def test_the_repair_round_is_on_the_wire_and_not_in_the_session(kind: str) -> None:
    async with asking(kind) as (bot, fake):
        for text in (BAD, GOOD, "You are welcome."):
            fake.answer(
                text, usage={"prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11}
            )
        reply = await bot.ask("Which pet?", output_type=Pet)
        assert (reply.output, reply.text) == (REX, GOOD)
        assert reply.usage is not None
        assert (reply.usage.input_tokens, reply.usage.total_tokens) == (20, 22)
        said = [(m["role"], m["content"]) for m in fake.calls[1].json["messages"]]
        assert said[:2] == [("user", "Which pet?"), ("assistant", BAD)]
        assert "age: Input should be a valid integer" in said[2][1]
        assert "response_format" in fake.calls[1].json
        await bot.ask("Thank you.")
        later = [m["content"] for m in fake.calls[2].json["messages"]]
        assert later == (["Which pet?", GOOD, "Thank you."] if bot.session else ["Thank you."])
        assert "response_format" not in fake.calls[2].json


async def ask_it(bot: Bot) -> None:
    await bot.ask("Which pet?", output_type=Pet)


async def read_its_deltas(bot: Bot) -> None:
    async with bot.stream("Which pet?", output_type=Pet) as s:
        async for _ in s:
            pass


async def read_its_text(bot: Bot) -> None:
    async with bot.stream("Which pet?", output_type=Pet) as s:
        async for _ in s.text:
            pass


@every_bot
@pytest.mark.parametrize("way", [ask_it, read_its_deltas, read_its_text])
async def test_no_way_of_asking_ends_normally_where_nothing_fits(
    kind: str, way: Callable[[Bot], Awaitable[None]]
) -> None:
    async with asking(kind) as (bot, fake):
        for _ in range(3):
            fake.answer(BAD)
        with pytest.raises(ChatError) as caught:
            await way(bot)
        assert (caught.value.code, caught.value.partial) == ("output_invalid", BAD)
        assert len(fake.calls) == 2


@every_bot
async def test_a_refusal_is_an_answer_without_a_value(kind: str) -> None:
    async with asking(kind) as (bot, fake):
        fake.answer("I would rather not.", refusal=True)
        reply = await bot.ask("Which pet?", output_type=Pet)
        assert (reply.output, reply.text) == (None, "I would rather not.")
        assert (reply.state, reply.reason) == ("completed", "refusal")
        assert len(fake.calls) == 1


@every_bot
async def test_a_cut_answer_is_incomplete_and_has_no_value(kind: str) -> None:
    async with asking(kind) as (bot, fake):
        fake.answer(GOOD[:9], finish_reason="length")
        reply = await bot.ask("Which pet?", output_type=Pet)
        assert (reply.output, reply.text, reply.state) == (None, GOOD[:9], "incomplete")
        assert len(fake.calls) == 1


@every_bot
async def test_a_server_that_refuses_the_schema_is_quoted(kind: str) -> None:
    async with asking(kind) as (bot, fake):
        fake.answer(status=400, error="This response_format type is unavailable now")
        with pytest.raises(
            InvalidRequest, match=r"unavailable now.* without output_type="
        ) as caught:
            await bot.ask("Which pet?", output_type=Pet)
        assert caught.value.param == "output_type"
        assert len(fake.calls) == 1


@pytest.mark.parametrize("kind", ["memory", "streaming"])
async def test_an_answer_that_is_told_again_has_its_value_again(kind: str) -> None:
    async with asking(kind) as (bot, fake):
        fake.answer('{"value": [1,  2]}')
        replies = [await bot.ask("Hi", request_id="r1", output_type=list[int]) for _ in range(2)]
        assert [reply.output for reply in replies] == [[1, 2], [1, 2]]
        assert [reply.text for reply in replies] == ["[1,  2]"] * 2
        assert len(fake.calls) == 1
        with pytest.raises(ChatError) as caught:
            await bot.ask("Hi", request_id="r1", output_type=Pet)
        assert (caught.value.code, caught.value.partial) == ("output_invalid", "[1,  2]")


@every_bot
async def test_a_deadline_holds_for_both_rounds(kind: str) -> None:
    async with asking(kind) as (bot, fake):
        fake.answer(GOOD)
        await bot.ask("Hi", output_type=Pet)  # what it imports takes its time before the deadline
        fake.answer(BAD)
        fake.answer(hold=anyio.Event())
        with anyio.fail_after(10), pytest.raises(ChatError) as caught:
            await bot.ask("Which pet?", output_type=Pet, timeout=0.4)
        assert (caught.value.code, caught.value.partial) == ("upstream_timeout", "")
        assert len(fake.calls) == 3
        await fake.wait_for_hangup(fake.calls[2])


@pytest.mark.weights
@pytest.mark.timeout(300)
async def test_the_real_model_keeps_to_the_shape() -> None:
    async with Chatbots(Settings(openai_model="local", chatbots_local_idle=0)) as bots:
        bot = bots.streaming(temperature=0, max_tokens=100)
        pet = await bot.ask("Rex is a dog of three years.", output_type=Pet)
        schema = {"type": "array", "items": {"enum": ["red", "green"]}, "minItems": 1}
        colours = await bot.ask("Name colours.", output_type=schema)
    assert isinstance(pet.output, Pet)
    assert Pet.model_validate_json(pet.text) == pet.output
    assert set(colours.output or ()) <= {"red", "green"}
    assert json.loads(colours.text) == colours.output
