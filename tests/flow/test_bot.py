from __future__ import annotations

import pytest

from chatbots.deltas import Done, TextDelta
from chatbots.errors import InvalidRequest
from chatbots.flow.bot import Bot
from chatbots.interfaces import Sink
from chatbots.messages import Message, Prompt
from chatbots.sampling import Sampling


class Parrot:
    """A service that keeps what it is asked, and says it again."""

    def __init__(self) -> None:
        self.asked: list[Prompt] = []

    async def respond(self, prompt: Prompt, out: Sink) -> None:
        self.asked.append(prompt)
        await out.send(TextDelta(prompt.messages[-1].content))
        await out.send(
            Done(
                state="completed",
                reason="stop",
                usage=None,
                request_id=prompt.request_id,
                session=prompt.session,
            )
        )


async def test_it_asks_its_service_in_its_session() -> None:
    parrot = Parrot()
    ada = Bot(parrot, session="ada", timeout=5)
    assert ada.service is parrot
    assert ada.session == "ada"
    for said in ("One", "Two"):
        assert (await ada.ask(said)).text == said
    assert [(p.session, p.timeout) for p in parrot.asked] == [("ada", 5)] * 2
    assert len({p.request_id for p in parrot.asked}) == 2


async def test_it_streams_in_its_session() -> None:
    async with Bot(Parrot(), session="ada").stream("Hi", request_id="r7") as s:
        assert [text async for text in s.text] == ["Hi"]
    assert (s.reply.session, s.reply.request_id) == ("ada", "r7")


async def test_a_bot_without_session_leaves_it_open() -> None:
    parrot = Parrot()
    bot = Bot(parrot)
    assert bot.session is None
    await bot.ask("Hi")
    assert parrot.asked[0].session is None


async def test_what_a_call_names_itself_wins() -> None:
    parrot = Parrot()
    bot = Bot(parrot, session="ada", model="m1", temperature=0.5, max_tokens=7)
    await bot.ask("Hi", session="bob", model="m2", temperature=0.0)
    async with bot.stream("Hi", session=None) as s:
        assert [delta async for delta in s]
    first, second = parrot.asked
    assert (first.session, first.model) == ("bob", "m2")
    assert first.sampling == Sampling(temperature=0.0, max_tokens=7)
    assert (second.session, second.model) == (None, "m1")
    assert bot.session == "ada"


async def test_it_asks_for_a_value_of_a_type() -> None:
    bot = Bot(Parrot(), timeout=3)
    assert (await bot.ask("3", output_type=int)).output == 3
    async with bot.stream("3", output_type={"type": "integer"}) as s:
        assert [text async for text in s.text] == ["3"]
    assert s.reply.output == 3
    assert (await bot.ask("3")).output is None
    assert bot.prompt("3", output_type=int).output is not None


async def test_it_shows_what_it_would_send() -> None:
    parrot = Parrot()
    bot = Bot(parrot, session="ada", instructions="Be brief.")
    prompt = bot.prompt("Hi", request_id="r1", timeout=3)
    assert prompt == Prompt(
        messages=(Message("user", "Hi"),),
        request_id="r1",
        session="ada",
        instructions="Be brief.",
        timeout=3,
    )
    assert parrot.asked == []


def now() -> str:
    return "noon"


async def test_its_tools_are_made_ready_once() -> None:
    parrot = Parrot()
    bot = Bot(parrot, tools=[now])
    await bot.ask("Hi")
    await bot.ask("Hi")
    assert parrot.asked[0].tools is not None
    assert parrot.asked[0].tools is parrot.asked[1].tools
    await bot.ask("Hi", tools=None)
    assert parrot.asked[2].tools is None


def test_tools_that_are_none_are_refused_at_once() -> None:
    with pytest.raises(InvalidRequest, match="two tools with the name 'now'"):
        Bot(Parrot(), tools=[now, now])
