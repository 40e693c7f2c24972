"""What of the past a request carries, asked through the bots that remember."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from chatbots.deltas import Delta, Done, Failed, Notice
from chatbots.errors import InvalidRequest, ProviderError
from chatbots.flow.calling import make_prompt
from chatbots.images import Image
from chatbots.messages import Message, Prompt, Turn, Usage
from chatbots.services.recall import FIRST_LOAD, frame
from chatbots.services.streaming import StreamingChat
from chatbots.services.take_turn import Manner
from chatbots.sessions.in_memory import InMemorySessions
from chatbots.sessions.tokens import PER_MESSAGE
from chatbots.sessions.window import ASK_FOR_SUMMARY, ASSUMED, LeftOut, Window
from chatbots.testing import CollectingSink, ScriptedModel
from chatbots.tool_calls import ToolCall
from chatbots.tools.tool import tool

TURN = 1000
"""Tokens of a turn below, if a character is one."""


class Store(InMemorySessions):
    """A store that remembers how many turns it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int | None] = []

    async def load(self, session: str, *, last: int | None = None) -> Sequence[Turn]:
        self.asked.append(last)
        return await super().load(session, last=last)

    async def fill(self, number: int) -> None:
        """Have turns of `TURN` tokens: Q1 and A1, Q2 and A2, and so on."""
        for seq in range(1, number + 1):
            turn = await self.begin("s", f"r{seq}", [said("user", f"Q{seq}")])
            await self.finish(turn, [said("assistant", f"A{seq}")], state="completed")


def said(role: Any, text: str) -> Message:
    return Message(role, text.ljust(TURN // 2 - PER_MESSAGE, "."))


class Talk:
    """A session "s" in a store, and a model that reads so many tokens, a character each."""

    def __init__(self, context: int | None, *, known: bool = True, **window: Any) -> None:
        self.model = ScriptedModel()
        self.store = Store()
        self.window = Window(
            context=lambda _: context if known else None, answer=1, count=len, **window
        )
        self.bot = StreamingChat(self.model, self.store, Manner(window=self.window))

    async def ask(self, text: str = "Hi", **asking: Any) -> list[Delta]:
        sink = CollectingSink()
        await self.bot.respond(prompt(text, **asking), sink)
        return sink.deltas

    def sent(self, number: int = -1) -> list[str]:
        """Return what a request said, without the dots."""
        return [m.content.rstrip(".") for m in self.model.requests[number].messages]


def prompt(text: str = "Hi", **asking: Any) -> Prompt:
    return make_prompt(text, **({"session": "s"} | asking))


def notices(deltas: Sequence[Delta]) -> list[tuple[str, str]]:
    return [(delta.code, delta.message) for delta in deltas if isinstance(delta, Notice)]


def context_for(number: int, more: int = 0) -> int:
    """Return a context with room for so many turns, beside a prompt of two letters."""
    return round((number * TURN + PER_MESSAGE + 2 + more) / 0.9) + 3


# What fits


async def test_of_a_long_past_the_newest_turns_are_sent_and_a_notice_says_so() -> None:
    talk = Talk(context_for(2))
    await talk.store.fill(5)
    deltas = await talk.ask()
    assert talk.sent() == ["Q4", "A4", "Q5", "A5", "Hi"]
    assert notices(deltas) == [
        (
            "context_trimmed",
            "The conversation is longer than the model can read: its oldest 3 turns were left out.",
        )
    ]
    assert isinstance(deltas[-1], Done)


async def test_one_turn_is_called_one() -> None:
    talk = Talk(context_for(2))
    await talk.store.fill(3)
    assert "its oldest turn was left out" in notices(await talk.ask())[0][1]


async def test_the_system_message_and_the_tools_take_room_and_stay() -> None:
    @tool
    def add(a: int) -> int:
        """Add."""
        return a

    system = PER_MESSAGE + len("Be brief.")
    for tools, context, sent in (
        ([], context_for(2, more=system), ["Q1", "A1", "Q2", "A2", "Hi"]),
        ([], context_for(2), ["Q2", "A2", "Hi"]),
        ([add], context_for(2, more=system), ["Q2", "A2", "Hi"]),
    ):
        talk = Talk(context)
        await talk.store.fill(2)
        await talk.ask(instructions="Be brief.", tools=tools)
        assert talk.sent() == ["Be brief", *sent]


async def test_the_bound_of_the_answer_takes_room() -> None:
    talk = Talk(context_for(2))
    await talk.store.fill(2)
    await talk.ask(max_tokens=TURN)
    assert talk.sent() == ["Q2", "A2", "Hi"]


async def test_the_last_turns_are_sent_without_a_notice() -> None:
    talk = Talk(context_for(9), last=2)
    await talk.store.fill(5)
    assert notices(await talk.ask()) == []
    assert talk.sent() == ["Q4", "A4", "Q5", "A5", "Hi"]
    assert talk.store.asked == [FIRST_LOAD + 2]


async def test_no_more_is_loaded_than_may_fit() -> None:
    talk = Talk(context_for(3))
    await talk.store.fill(FIRST_LOAD * 5)
    await talk.ask()
    assert talk.store.asked == [FIRST_LOAD]
    talk = Talk(context_for(FIRST_LOAD * 2))
    await talk.store.fill(FIRST_LOAD * 5)
    await talk.ask()
    assert talk.store.asked == [FIRST_LOAD, FIRST_LOAD * 4]
    assert len(talk.sent()) == FIRST_LOAD * 2 * 2 + 1


async def test_a_store_that_has_lost_its_oldest_turns_is_not_asked_for_ever() -> None:
    talk = Talk(None)
    talk.store = Forgetful()
    talk.bot = StreamingChat(talk.model, talk.store, Manner(window=talk.window))
    await talk.store.fill(4)
    await talk.ask()
    assert talk.sent() == ["Q3", "A3", "Q4", "A4", "Hi"]
    assert len(talk.store.asked) == 2


class Forgetful(Store):
    async def load(self, session: str, *, last: int | None = None) -> Sequence[Turn]:
        return [turn for turn in await super().load(session, last=last) if turn.seq > 2]


async def test_what_is_pinned_is_sent() -> None:
    talk = Talk(context_for(2))
    await talk.store.fill(FIRST_LOAD * 2)
    await talk.store.mark("s", 3, pinned=True)
    await talk.ask()
    newest = FIRST_LOAD * 2
    assert talk.sent() == ["Q3", "A3", f"Q{newest}", f"A{newest}", "Hi"]


# What is too long by itself


async def test_a_prompt_longer_than_the_model_reads_is_refused_unasked_and_not_stored() -> None:
    talk = Talk(1000)
    (failed,) = await talk.ask("x" * 1600)
    assert isinstance(failed, Failed)
    assert failed.error.code == "prompt_too_long"
    assert "about 1,604 tokens; the model reads 1,000" in failed.error.message
    assert talk.model.requests == []
    assert await talk.store.load("s") == ()
    with pytest.raises(InvalidRequest, match="about 1,604 tokens"):
        await talk.bot.explain(prompt("x" * 1600))


async def test_a_prompt_that_may_be_read_is_sent_alone() -> None:
    talk = Talk(1000)
    await talk.store.fill(1)
    await talk.ask("x" * 1400)
    assert talk.sent() == ["x" * 1400]


async def test_where_nobody_said_what_a_model_reads_nothing_is_refused_unasked() -> None:
    talk = Talk(None)
    await talk.ask("x" * 199_000)
    assert len(talk.model.requests) == 1
    view = frame(prompt(), Manner(window=talk.window), stream=False)
    assert (view.context, view.known) == (ASSUMED, False)


# What servers say


async def test_what_the_server_counts_is_learned_where_it_matters() -> None:
    talk = Talk(context_for(4))
    await talk.store.fill(4)
    talk.model.answer("Hello", usage=Usage(2 * (4 * TURN + 6), 1, 0))
    await talk.ask()
    assert talk.window.calibration.ratio(None) == 1, "all fitted without any doubt"
    talk = Talk(context_for(4))
    await talk.store.fill(5)
    talk.model.answer("Hello", usage=Usage(2 * (4 * TURN + 6), 1, 0))
    await talk.ask()
    assert talk.window.calibration.ratio(None) == 2
    await talk.ask("Ho")
    assert talk.sent() == ["Q5", "A5", "Hi", "Hello", "Ho"]


@pytest.mark.parametrize(
    "asking", [{"output_type": dict[str, int]}, {"estimated": True}, {"images": True}]
)
async def test_what_cannot_be_compared_teaches_nothing(asking: dict[str, Any]) -> None:
    talk = Talk(context_for(4))
    await talk.store.fill(5)
    usage = Usage(9999, 1, 0, estimated=asking.pop("estimated", False))
    image = Image("https://x/y.png", "low")
    text: Any = Message("user", "", images=(image,)) if asking.pop("images", False) else "Hi"
    talk.model.answer("{}", usage=usage)
    await talk.ask(text, **asking)
    assert talk.window.calibration.ratio(None) == 1


async def test_a_turn_of_several_requests_teaches_nothing() -> None:
    @tool
    def add(a: int) -> int:
        """Add."""
        return a

    talk = Talk(context_for(4))
    await talk.store.fill(5)
    talk.model.answer(tool_calls=[ToolCall("1", "add", '{"a":1}')], usage=Usage(5000, 1, 0))
    talk.model.answer("Done.", usage=Usage(6000, 1, 0))
    await talk.ask(tools=[add])
    assert talk.window.calibration.ratio(None) == 1


async def test_a_refusal_is_learned_from_and_the_next_turn_is_not_refused() -> None:
    talk = Talk(None)
    await talk.store.fill(9)
    talk.model.answer(ProviderError("context_too_long", "It reads 50000, and not 90060."))
    talk.model.answer("Hello", usage=Usage(4000, 1, 0))
    deltas = await talk.ask(max_tokens=1000)
    assert [code for code, _ in notices(deltas)] == ["context_trimmed"]
    assert talk.window.calibration.limit(None) == 50000
    assert len(talk.sent(0)) == 19
    assert talk.sent(1) == [f"{who}{n}" for n in (6, 7, 8, 9) for who in "QA"] + ["Hi"]
    await talk.ask("Ho", max_tokens=1000)
    assert len(talk.sent(2)) < 19
    assert len(talk.model.requests) == 3


async def test_a_refusal_without_numbers_halves_what_is_sent() -> None:
    talk = Talk(None)
    await talk.store.fill(10)
    talk.model.answer(ProviderError("context_too_long", "Too long."))
    await talk.ask()
    assert talk.sent(1) == [f"{who}{n}" for n in (7, 8, 9, 10) for who in "QA"] + ["Hi"]


# Summaries


async def test_what_no_longer_fits_is_summed_up_once_and_the_original_stays() -> None:
    talk = Talk(context_for(6), sums_up=True)
    await talk.store.fill(7)
    talk.model.answer("They met.", usage=Usage(100, 20, 120))
    talk.model.answer("Hello", usage=Usage(10, 2, 12))
    deltas = await talk.ask()
    assert notices(deltas) == []
    done = deltas[-1]
    assert isinstance(done, Done)
    assert done.usage == Usage(110, 22, 132)
    summing, _ = talk.model.requests
    assert [m.role for m in summing.messages] == ["system", "user"]
    assert "user: Q4" in summing.messages[1].content
    assert "Q5" not in summing.messages[1].content
    assert not summing.stream
    assert talk.sent() == [
        ASK_FOR_SUMMARY[:-1],
        "They met",
        "Q5",
        "A5",
        "Q6",
        "A6",
        "Q7",
        "A7",
        "Hi",
    ]
    kept = await talk.store.load("s")
    assert [(turn.seq, turn.summary) for turn in kept if turn.summary] == [(4, "They met.")]
    assert len(kept) == 8
    await talk.ask("Ho")
    assert len(talk.model.requests) == 3, "there is room again"
    assert talk.sent()[:2] == [ASK_FOR_SUMMARY[:-1], "They met"]


async def test_the_next_summary_goes_on_from_the_last() -> None:
    talk = Talk(context_for(6), sums_up=True)
    await talk.store.fill(8)
    await talk.store.mark("s", 2, summary="They met.")
    talk.model.answer("They met, and parted.")
    await talk.ask()
    quoted = talk.model.requests[0].messages[1].content
    assert quoted.startswith("What was before, summed up: They met.\n\nuser: Q3")
    assert talk.sent(1)[1] == "They met, and parted"


async def test_older_than_the_last_turns_is_summed_up_too() -> None:
    talk = Talk(context_for(50), sums_up=True, last=4)
    await talk.store.fill(5)
    talk.model.answer("They met.")
    await talk.ask()
    assert talk.sent() == [ASK_FOR_SUMMARY[:-1], "They met", "Q4", "A4", "Q5", "A5", "Hi"]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (ProviderError("rate_limited", "Slow down."), "Slow down"),
        ("  ", "The model has said nothing"),
    ],
)
async def test_without_a_summary_the_turn_goes_on(answer: str | Exception, why: str) -> None:
    talk = Talk(context_for(2), sums_up=True)
    await talk.store.fill(3)
    talk.model.answer(answer)
    talk.model.answer("Hello")
    deltas = await talk.ask()
    assert notices(deltas) == [
        (
            "summary_failed",
            f"The conversation was not summed up: {why}: its oldest turn was left out.",
        )
    ]
    assert talk.sent() == ["Q2", "A2", "Q3", "A3", "Hi"]
    assert isinstance(deltas[-1], Done)


# Explained


async def test_what_is_explained_is_what_is_sent() -> None:
    talk = Talk(context_for(4, more=80), sums_up=True)
    await talk.store.fill(9)
    await talk.store.mark("s", 1, pinned=True)
    await talk.store.mark("s", 6, summary="They met.")
    explained = await talk.bot.explain(prompt(instructions="Be brief."))
    assert talk.model.requests == []
    await talk.ask(instructions="Be brief.")
    assert explained.messages == talk.model.requests[0].messages
    assert explained.tokens == {
        "system": PER_MESSAGE + 9,
        "tools": 0,
        "summary": 2 * PER_MESSAGE + len(ASK_FOR_SUMMARY) + 9,
        "pinned": TURN,
        "past": 3 * TURN,
        "prompt": PER_MESSAGE + 2,
    }
    assert (explained.context, explained.context_known) == (context_for(4, more=80), True)
    assert explained.answer == 1
    assert explained.left_out == (LeftOut(2, 6, "summed_up"),)
    assert not explained.summary_due


async def test_a_summary_that_is_due_is_said_to_be() -> None:
    talk = Talk(context_for(2), sums_up=True)
    await talk.store.fill(3)
    assert (await talk.bot.explain(prompt())).summary_due


async def test_what_could_not_be_asked_cannot_be_explained() -> None:
    with pytest.raises(InvalidRequest, match="empty"):
        await Talk(None).bot.explain(prompt(""))
