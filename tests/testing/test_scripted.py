from __future__ import annotations

import anyio
import pytest

from chatbots.deltas import Notice, TextDelta
from chatbots.errors import ProviderError
from chatbots.interfaces import ChatModel
from chatbots.messages import Message, ModelAnswer, ModelRequest, Usage
from chatbots.testing.scripted import CollectingSink, Gate, ScriptedModel
from chatbots.tool_calls import ToolCall


def request(*, stream: bool = True) -> ModelRequest:
    said = (Message("user", "Hi"), Message("assistant", "Hello."), Message("user", "Again"))
    return ModelRequest(messages=said, stream=stream, request_id="r1")


@pytest.mark.checklist(188)
def test_it_is_a_chat_model() -> None:
    model: ChatModel = ScriptedModel()
    assert model


async def test_each_request_gets_the_next_answer_and_is_kept() -> None:
    model = ScriptedModel("One.", ["T", "wo."])
    for pieces in (["One."], ["T", "wo."], ["Again"]):
        sink = CollectingSink()
        answer = await model.complete(request(), sink)
        assert sink.deltas == [TextDelta(piece) for piece in pieces]
        assert answer.text == sink.text
    assert model.requests == [request()] * 3


async def test_a_request_without_stream_gets_the_text_in_one_piece() -> None:
    sink = CollectingSink()
    answer = await ScriptedModel(["T", "wo."]).complete(request(stream=False), sink)
    assert sink.deltas == [TextDelta("Two.")]
    assert answer.text == "Two."


@pytest.mark.parametrize("stream", [True, False])
async def test_an_empty_answer_sends_nothing(stream: bool) -> None:
    sink = CollectingSink()
    answer = await ScriptedModel([]).complete(request(stream=stream), sink)
    assert sink.deltas == []
    assert answer == ModelAnswer(text="", state="completed", reason="stop")


@pytest.mark.parametrize(
    ("reason", "state"),
    [("stop", "completed"), ("length", "incomplete"), ("content_filter", "incomplete")],
)
async def test_the_reason_says_whether_the_answer_is_whole(reason: str, state: str) -> None:
    model = ScriptedModel()
    model.answer("Hi", reason=reason, usage=Usage(output_tokens=1))
    answer = await model.complete(request(), CollectingSink())
    assert (answer.state, answer.reason, answer.usage) == (state, reason, Usage(output_tokens=1))


async def test_it_calls_tools() -> None:
    model, call = ScriptedModel(), ToolCall("c", "f", "{}")
    model.answer("Hm.", tool_calls=[call], reason="tool_calls")
    answer = await model.complete(request(), CollectingSink())
    assert (answer.text, answer.tool_calls, answer.reason) == ("Hm.", (call,), "tool_calls")
    assert (await model.complete(request(), CollectingSink())).tool_calls == ()


async def test_an_exception_ends_the_answer_where_it_stands() -> None:
    error = ProviderError("upstream_error", "It broke.")
    sink = CollectingSink()
    with pytest.raises(ProviderError) as raised:
        await ScriptedModel(["Hel", error, "lo"]).complete(request(), sink)
    assert raised.value is error
    assert sink.text == "Hel"


async def test_a_gate_holds_the_answer_until_it_is_opened() -> None:
    gate = Gate()
    model = ScriptedModel(["Hel", gate, "lo"])
    sink = CollectingSink()
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(model.complete, request(), sink)
            await gate.reached()
            await anyio.wait_all_tasks_blocked()
            assert sink.text == "Hel"
            gate.open()
    assert sink.text == "Hello"
    assert model.cancelled == 0


async def test_a_cancelled_request_is_counted() -> None:
    gate = Gate()
    model = ScriptedModel([gate])
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(model.complete, request(), CollectingSink())
        await gate.reached()
        tasks.cancel_scope.cancel()
    assert model.cancelled == 1


async def test_nobody_having_said_anything_there_is_nothing_to_say() -> None:
    said = (Message("system", "Be brief."),)
    answer = await ScriptedModel().complete(
        ModelRequest(messages=said, stream=True, request_id="r1"), CollectingSink()
    )
    assert answer.text == ""


async def test_a_collecting_sink_keeps_deltas_until_it_is_closed() -> None:
    sink = CollectingSink()
    await sink.send(TextDelta("Hel"))
    await sink.send(Notice("n", "By the way."))
    await sink.send(TextDelta("lo"))
    assert sink.text == "Hello"
    assert len(sink.deltas) == 3
    await sink.aclose()
    assert sink.closed
    with pytest.raises(anyio.ClosedResourceError):
        await sink.send(TextDelta("!"))
