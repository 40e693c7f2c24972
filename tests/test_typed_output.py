"""What a caller's type checker knows of a reply: this file is checked by mypy and by pyright."""

from __future__ import annotations

from typing import Any, Literal, assert_type

import pytest
from pydantic import BaseModel

from chatbots import (
    Bot,
    InvalidRequest,
    OutputFormat,
    Reply,
    Settings,
    StatelessChat,
    Stream,
    ask,
    ask_sync,
    stream,
)
from chatbots.testing import ScriptedModel
from chatbots.testing.threaded import FakeOpenAIThread


class Pet(BaseModel):
    name: str


SCHEMA: dict[str, object] = {"type": "object", "properties": {"name": {"type": "string"}}}
REX = '{"name": "Rex"}'


def service(*answers: str) -> StatelessChat:
    return StatelessChat(ScriptedModel(*answers))


@pytest.mark.checklist(34)
async def test_ask_returns_what_it_was_asked_for() -> None:
    model = service("Hi", REX, REX, '{"value": [1]}', '{"value": "b"}', '{"value": 2}', "Rex")
    assert_type(await ask(model, "Hi"), Reply[None])
    pet = await ask(model, "Hi", output_type=Pet)
    assert_type(pet, Reply[Pet])
    assert_type(pet.output, Pet | None)
    assert pet.output is not None
    assert pet.output.name == "Rex"
    by_schema = await ask(model, "Hi", output_type=SCHEMA)
    assert_type(by_schema, Reply[Any])
    assert by_schema.output is not None
    assert by_schema.output["name"] == "Rex"
    assert_type(await ask(model, "Hi", output_type=list[int]), Reply[list[int]])
    letter = await ask(model, "Hi", output_type=Literal["a", "b"])
    assert_type(letter, Reply[Literal["a", "b"]])
    assert letter.output == "b"
    assert_type(await ask(model, "Hi", output_type=int | str), Reply[int | str])
    shape = OutputFormat(name="n", schema=SCHEMA, parse=str.upper)
    assert_type(shape, OutputFormat[str])
    assert (await ask(model, "Hi", output_type=shape)).output == "REX"


async def test_a_bot_returns_what_it_was_asked_for() -> None:
    bot = Bot(service("Hi", REX, '{"value": 1}', REX))
    assert_type(await bot.ask("Hi"), Reply[None])
    assert_type(await bot.ask("Hi", output_type=Pet), Reply[Pet])
    assert_type(await bot.ask("Hi", output_type=Literal[1, 2]), Reply[Literal[1, 2]])
    assert_type(await bot.ask("Hi", output_type=SCHEMA), Reply[Any])


async def test_a_stream_has_what_it_was_asked_for() -> None:
    bot = Bot(service(REX, REX))
    async with bot.stream("Hi", output_type=Pet) as s:
        assert_type(s, Stream[Pet])
        assert [text async for text in s.text] == [REX]
    assert_type(s.reply.output, Pet | None)
    async with stream(bot.service, "Hi", output_type=SCHEMA) as t:
        assert_type(t, Stream[Any])
        assert [text async for text in t.text] == [REX]
    assert_type(bot.stream("Hi"), Stream[None])
    assert_type(stream(bot.service, "Hi"), Stream[None])
    assert_type(stream(bot.service, "Hi", output_type=list[Pet]), Stream[list[Pet]])
    assert_type(bot.stream("Hi", output_type=SCHEMA), Stream[Any])
    assert_type(bot.stream("Hi", output_type=int | str), Stream[int | str])


def test_without_a_loop_as_well(fake_openai: FakeOpenAIThread) -> None:
    settings = Settings(openai_base_url=fake_openai.base_url)
    for text in ("Hi", REX, REX):
        fake_openai.answer(text)
    assert_type(ask_sync("Hi", settings=settings), Reply[None])
    assert_type(ask_sync("Hi", settings=settings, output_type=Pet), Reply[Pet])
    assert_type(ask_sync("Hi", settings=settings, output_type=SCHEMA), Reply[Any])


async def test_a_reply_of_any_type_is_a_reply() -> None:
    def text_of(reply: Reply) -> str:
        return reply.text

    assert text_of(await ask(service(REX), "Hi", output_type=Pet)) == REX
    assert text_of(await ask(service(REX), "Hi")) == REX


async def test_a_checker_refuses_what_is_no_type() -> None:
    with pytest.raises(InvalidRequest, match="3 has no JSON schema"):
        stream(service(), "Hi", output_type=3)  # type: ignore[call-overload]  # the mistake
