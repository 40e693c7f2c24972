"""What a turn's way out passes on, remembers and measures."""

from __future__ import annotations

import anyio
import pytest

from chatbots.deltas import Delta, Done, Notice, TextDelta
from chatbots.flow.channel import open_channel
from chatbots.messages import Message, ModelAnswer, ModelRequest, UnderWay, Usage
from chatbots.services import narration as module
from chatbots.services.narration import Narration
from chatbots.testing import CollectingSink
from chatbots.tool_calls import ToolCall

DONE = Done(state="completed", reason="stop", usage=None, request_id="r", session="s")
ANSWER = ModelAnswer(text="Hello", state="completed", reason="stop", usage=Usage(5, 11, 16))


def request(*said: str) -> ModelRequest:
    messages = tuple(Message("user", text) for text in said)
    return ModelRequest(messages=messages, stream=True, request_id="r")


class Clock:
    """A clock that goes where it is put."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(module, "monotonic", lambda: self.now)


async def test_it_passes_on_what_it_remembers_and_leaves_the_way_open() -> None:
    sink = CollectingSink()
    narration = Narration(sink)
    await narration.send(TextDelta("Hel"))
    await narration.send(DONE)
    await narration.aclose()
    assert sink.deltas == [TextDelta("Hel"), DONE]
    assert narration.text == "Hel"
    assert not sink.closed
    assert not narration.timed_out


async def test_what_is_settled_stays_as_it_is_and_text_goes_on_after_it() -> None:
    narration = Narration(CollectingSink())
    assert narration.spoken.messages == []
    await narration.send(TextDelta("Let me see."))
    assert narration.spoken.messages == [Message("assistant", "Let me see.")]
    called = Message("assistant", "Let me see.", tool_calls=(ToolCall("c", "f", "{}"),))
    result = Message("tool", "42", tool_call_id="c")
    narration.spoken.settle(called)
    narration.spoken.settle(result)
    assert narration.spoken.messages == [called, result]
    await narration.send(TextDelta("It is "))
    await narration.send(TextDelta("42."))
    assert narration.spoken.messages == [called, result, Message("assistant", "It is 42.")]
    assert narration.text == "Let me see.It is 42."


async def test_what_is_remembered_is_never_behind_what_is_shown() -> None:
    sink = CollectingSink()
    narration = Narration(sink)
    await sink.aclose()
    with pytest.raises(anyio.ClosedResourceError):
        await narration.send(TextDelta("Hel"))
    assert narration.text == "Hel"


async def test_it_passes_on_at_once_what_its_way_out_takes_at_once() -> None:
    out, source = open_channel(capacity=3)
    narration = Narration(out)
    narration.send_nowait(TextDelta("Hel"))
    with pytest.raises(anyio.WouldBlock):
        narration.send_nowait(TextDelta("lo"))
    assert narration.text == "Hel"
    assert await source.receive() == TextDelta("Hel")
    narration.send_nowait(Notice("n", "By the way."))
    assert await source.receive() == Notice("n", "By the way.")


async def test_the_text_is_kept_once_where_the_way_out_keeps_it() -> None:
    out, _source = open_channel()
    await out.send(TextDelta("Before. "))
    narration = Narration(out)
    await narration.send(TextDelta("Hel"))
    narration.send_nowait(TextDelta("lo"))
    assert narration.said is out.said
    assert narration.text == "Hello"
    assert narration.spoken.messages == [Message("assistant", "Hello")]


async def test_it_keeps_the_text_itself_where_the_way_out_does_not() -> None:
    out, source = anyio.create_memory_object_stream[Delta](2)
    with out, source:
        narration = Narration(out)
        await narration.send(TextDelta("Hel"))
        narration.send_nowait(TextDelta("lo"))
        assert narration.text == "Hello"


async def test_a_way_out_that_always_waits_is_never_hurried() -> None:
    with pytest.raises(anyio.WouldBlock):
        Narration(CollectingSink()).send_nowait(TextDelta("Hel"))


async def test_once_a_second_the_text_goes_the_way_that_can_store_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock(monkeypatch)
    kept: list[str] = []
    out, _source = open_channel()
    narration = Narration(out)

    async def keep(doing: UnderWay | None) -> None:
        kept.append(f"{narration.text} {doing}")

    narration.keep = keep
    narration.send_nowait(TextDelta("a"))
    await narration.send(TextDelta("b"))
    clock.now += module.KEEP_INTERVAL
    with pytest.raises(anyio.WouldBlock):
        narration.send_nowait(TextDelta("c"))
    await narration.send(TextDelta("c"))
    narration.send_nowait(TextDelta("d"))
    assert kept == ["ab None"]  # before more is shown
    await narration.keep_now("waiting_for_tools")
    assert kept[1:] == ["abcd waiting_for_tools"]
    assert module.KEEP_INTERVAL == 1.0


async def test_it_measures_the_first_text_the_whole_and_the_rate_between(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock(monkeypatch)
    narration = Narration(CollectingSink())
    await narration.send(Notice("n", "By the way."))
    clock.now += 0.5
    await narration.send(TextDelta("Hel"))
    clock.now += 2
    await narration.send(TextDelta("lo"))
    metrics = narration.metrics(ANSWER)
    assert (metrics.first_token, metrics.seconds) == (0.5, 2.5)
    assert metrics.tokens_per_second == 5.0
    assert metrics.retries == 0


@pytest.mark.parametrize("usage", [Usage(5, 11, 16), None])
async def test_an_answer_that_came_at_once_or_uncounted_has_no_rate(
    usage: Usage | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    narration = Narration(CollectingSink())
    clock.now += 1
    await narration.send(TextDelta("Hello"))
    clock.now += 0 if usage else 1
    answer = ModelAnswer(text="Hello", state="completed", reason="stop", usage=usage)
    assert narration.metrics(answer).tokens_per_second is None


async def test_an_answer_without_text_has_no_first_token() -> None:
    assert Narration(CollectingSink()).metrics(ANSWER).first_token is None


async def test_a_turn_that_broke_off_cost_about_what_was_read_and_shown() -> None:
    narration = Narration(CollectingSink())
    narration.request = request("x" * 10, "y" * 6)
    assert narration.estimate() is None, "nothing was shown"
    await narration.send(TextDelta("Hello"))
    assert narration.estimate() == Usage(13, 2, 15, estimated=True)


async def test_a_turn_that_asked_nobody_cost_nothing() -> None:
    narration = Narration(CollectingSink())
    await narration.send(TextDelta("Hello"))
    assert narration.estimate() is None
