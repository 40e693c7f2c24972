from __future__ import annotations

import json
from collections.abc import Sequence

import anyio
import pytest
from msgspec.structs import replace

from chatbots.deltas import Delta, Notice, TextDelta, ToolFinished
from chatbots.errors import ChatError, InvalidRequest, ProviderError
from chatbots.flow.bot import Bot
from chatbots.interfaces import Sink
from chatbots.local.tool_routing import ToolRouting
from chatbots.messages import Message, ModelAnswer, ModelRequest, Usage
from chatbots.sampling import Sampling
from chatbots.services.stateless import StatelessChat
from chatbots.testing.scripted import CollectingSink, Gate, ScriptedModel, Step
from chatbots.tool_calls import ToolCall
from chatbots.tools.registry import ToolRegistry
from tests.local.routing.scoring import CORPUS, Scored, cases, local_model, product, score, table


def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


def now() -> str:
    """Tell the time."""
    raise ValueError("The clock stands still.")


TOOLS = ToolRegistry([multiply, now])
WHAT = Message("user", "What is 6 times 7?")
CHOICE = '{"tool":"multiply"}'
ARGUMENTS = '{ "a": 6, "b": 7 }'
CALL = ToolCall("call_1", "multiply", '{"a":6,"b":7}')
CALLED = Message("assistant", "", tool_calls=(CALL,))


def request(*messages: Message, choice: str | None = None) -> ModelRequest:
    return ModelRequest(
        messages=messages or (WHAT,),
        stream=True,
        request_id="r",
        sampling=Sampling(temperature=1, stop=("7",), seed=3),
        tools=tuple(TOOLS.specs()),
        tool_choice=choice,
    )


async def complete(
    model: ScriptedModel, asked: ModelRequest | None = None
) -> tuple[ModelAnswer, list[Delta]]:
    out = CollectingSink()
    answer = await ToolRouting(model).complete(asked or request(), out)
    return answer, out.deltas


def result(content: str) -> Message:
    return Message("tool", content, tool_call_id="call_1")


async def test_a_tool_is_chosen_then_its_arguments_and_nothing_of_it_is_shown() -> None:
    model = ScriptedModel()
    model.answer(CHOICE, usage=Usage(10, 2, 12))
    model.answer(ARGUMENTS, usage=Usage(20, 3, 23))
    answer, shown = await complete(model)
    [call] = answer.tool_calls
    assert (call.name, call.arguments) == ("multiply", '{"a":6,"b":7}')
    assert call.id.startswith("call_")
    assert (answer.text, answer.state, answer.reason) == ("", "completed", "tool_calls")
    assert answer.usage == Usage(30, 5, 35)
    assert shown == []
    for step in model.requests:
        assert not (step.stream)
        assert not (step.tools)
        assert not (step.tool_choice)
        assert (step.sampling.temperature, step.sampling.stop, step.sampling.seed) == (0, None, 3)
        assert step.output is not None
    assert model.requests[1].output is not None
    assert model.requests[1].output.schema == TOOLS.specs()[0].parameters


async def test_two_calls_have_two_ids() -> None:
    model = ScriptedModel(CHOICE, ARGUMENTS, CHOICE, ARGUMENTS)
    one, _ = await complete(model)
    other, _ = await complete(model)
    assert one.tool_calls[0].id != other.tool_calls[0].id


async def test_where_no_tool_is_needed_the_answer_streams() -> None:
    model = ScriptedModel()
    model.answer('{"tool":"none"}', usage=Usage(10, 2, 12))
    model.answer("For", "ty-two", usage=Usage(1, 2, 3))
    answer, shown = await complete(model)
    assert shown == [TextDelta("For"), TextDelta("ty-two")]
    assert (answer.text, answer.usage) == ("Forty-two", Usage(11, 4, 15))
    said = model.requests[1]
    assert (said.messages, said.stream, said.tools, said.output) == ((WHAT,), True, (), None)
    assert said.sampling == request().sampling


@pytest.mark.parametrize("steps", [["What?"], ['{"tool":"other"}'], ["{}"], [CHOICE, "no JSON"]])
async def test_what_is_no_call_becomes_an_answer(steps: list[str]) -> None:
    answer, _ = await complete(ScriptedModel(*steps, "So it is."))
    assert (answer.text, answer.tool_calls) == ("So it is.", ())


@pytest.mark.parametrize("before", [[], [CHOICE]])
async def test_a_step_that_was_cut_becomes_an_answer(before: Sequence[str]) -> None:
    model = ScriptedModel(*before)
    model.answer(CHOICE if not before else ARGUMENTS, reason="length")
    model.answer("So it is.")
    answer, _ = await complete(model)
    assert (answer.text, answer.tool_calls) == ("So it is.", ())


async def test_a_request_that_may_call_nothing_is_answered_at_once() -> None:
    model = ScriptedModel("Forty-two", "Hello")
    answer, _ = await complete(model, request(choice="none"))
    assert answer.text == "Forty-two"
    bare = ModelRequest(messages=(WHAT, CALLED, result("42")), stream=True, request_id="r")
    await complete(model, bare)
    assert [message.role for message in model.requests[1].messages] == ["user", "user"]
    assert len(model.requests) == 2


async def test_a_tool_that_is_named_need_not_be_chosen() -> None:
    model = ScriptedModel("{}")
    answer, _ = await complete(model, request(choice="now"))
    assert (answer.tool_calls[0].name, answer.tool_calls[0].arguments) == ("now", "{}")


async def test_what_has_to_be_called_is_chosen_among_the_tools_alone() -> None:
    model = ScriptedModel(CHOICE, ARGUMENTS)
    await complete(model, request(choice="required"))
    assert model.requests[0].output is not None
    assert "none" not in json.dumps(model.requests[0].output.schema)


@pytest.mark.parametrize("choice", ["required", "now"])
async def test_what_has_to_be_called_and_is_not_is_an_error(choice: str) -> None:
    model = ScriptedModel("no JSON", "no JSON")
    with pytest.raises(ProviderError, match="had to call a tool") as caught:
        await complete(model, request(choice=choice))
    assert caught.value.code == "upstream_bad_response"


async def test_after_a_result_comes_the_answer() -> None:
    model = ScriptedModel("It is 42.")
    answer, _ = await complete(model, request(WHAT, CALLED, result("42")))
    assert answer.text == "It is 42."
    assert model.requests[0].messages[-1].content.startswith('multiply({"a":6,"b":7}) = 42\n')
    assert model.requests[0].sampling == request().sampling


async def test_a_result_is_told_as_it_is_unless_a_temperature_is_asked_for() -> None:
    model = ScriptedModel("It is 42.", "Hi")
    unsaid = replace(request(WHAT, CALLED, result("42")), sampling=Sampling(seed=3))
    await complete(model, unsaid)
    await complete(model, replace(unsaid, messages=(WHAT,), tool_choice="none"))
    assert [asked.sampling.temperature for asked in model.requests] == [0, None]
    assert model.requests[0].sampling.seed == 3


async def test_a_call_that_failed_is_made_again_with_other_arguments_and_its_mistake() -> None:
    failed = result('{"error":"6 is too small."}')
    model = ScriptedModel('{"a":60,"b":7}')
    answer, _ = await complete(model, request(WHAT, CALLED, failed))
    assert answer.tool_calls[0].arguments == '{"a":60,"b":7}'
    assert "6 is too small." in model.requests[0].messages[-1].content


async def test_the_same_call_is_not_made_twice() -> None:
    failed = result('{"error":"6 is too small."}')
    model = ScriptedModel(ARGUMENTS, "I cannot.")
    answer, _ = await complete(model, request(WHAT, CALLED, failed))
    assert (answer.text, answer.tool_calls) == ("I cannot.", ())


async def test_after_two_failures_comes_the_answer() -> None:
    failed = result('{"error":"6 is too small."}')
    model = ScriptedModel("I cannot.")
    answer, _ = await complete(model, request(WHAT, CALLED, failed, CALLED, failed))
    assert answer.text == "I cannot."


async def test_a_new_question_may_call_again() -> None:
    model = ScriptedModel(CHOICE, ARGUMENTS)
    past = (WHAT, CALLED, result("42"), Message("assistant", "42"))
    answer, _ = await complete(model, request(*past, WHAT))
    assert answer.tool_calls[0].arguments == '{"a":6,"b":7}'


async def test_nothing_said_is_nothing_to_call_for() -> None:
    model = ScriptedModel('{"tool":"none"}', "Hello")
    answer, _ = await complete(model, request(Message("system", "Be kind.")))
    assert answer.text == "Hello"


REFUSED = InvalidRequest("invalid_request", "Unsupported schema")


async def test_a_schema_the_server_refuses_is_asked_for_more_loosely() -> None:
    model = ScriptedModel(CHOICE, [REFUSED], ARGUMENTS)
    answer, _ = await complete(model)
    assert answer.tool_calls[0].name == "multiply"
    assert model.requests[2].output is not None
    assert model.requests[2].output.schema == {"type": "object"}
    assert model.requests[2].messages == model.requests[1].messages


async def test_other_errors_and_cancelling_go_through() -> None:
    broken: Step = ProviderError("upstream_unreachable", "Nobody there")
    with pytest.raises(ChatError, match="Nobody there"):
        await complete(ScriptedModel([broken]))
    gate = Gate()
    model = ScriptedModel(CHOICE, [gate])
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(complete, model)
        await gate.reached()
        tasks.cancel_scope.cancel()
    assert (model.cancelled, len(model.requests)) == (1, 2)


class _Noticing:
    async def complete(self, request: ModelRequest, out: Sink) -> ModelAnswer:
        await out.send(Notice("retry", "Once more."))
        await out.send(TextDelta("x"))
        await out.aclose()
        return ModelAnswer(text='{"tool":"none"}', state="completed", reason="stop")


async def test_what_is_not_text_is_shown_at_every_step() -> None:
    out = CollectingSink()
    await ToolRouting(_Noticing()).complete(request(choice="none"), CollectingSink())
    await ToolRouting(_Noticing()).complete(request(), _Open(out))
    assert out.deltas == [
        Notice("retry", "Once more."),
        Notice("retry", "Once more."),
        TextDelta("x"),
    ]


class _Open(CollectingSink):
    def __init__(self, out: CollectingSink) -> None:
        super().__init__()
        self.deltas = out.deltas

    async def aclose(self) -> None:
        """Stay open for the second step."""


async def test_a_bot_runs_the_call_and_answers_with_its_result() -> None:
    model = ScriptedModel(CHOICE, ARGUMENTS, "It is 42.")
    reply = await Bot(StatelessChat(ToolRouting(model))).ask("What is 6 times 7?", tools=TOOLS)
    assert reply.text == "It is 42."


async def test_a_tool_that_always_fails_ends_in_an_answer() -> None:
    model = ScriptedModel('{"tool":"now"}', "{}", "{}", "I cannot.")
    bot = Bot(StatelessChat(ToolRouting(model)))
    async with bot.stream("What time is it?", tools=TOOLS) as stream:
        finished = [delta async for delta in stream if isinstance(delta, ToolFinished)]
    assert [delta.is_error for delta in finished] == [True]
    assert stream.reply.text == "I cannot."


def test_the_corpus_is_half_of_prompts_that_need_no_tool() -> None:
    for name, least in (("corpus", 40), ("held_out", 20)):
        rows = cases(name)
        assert len({row.prompt for row in rows}) == len(rows) >= least
        assert 2 * sum(not row.tool for row in rows) == len(rows)
        empty = table([Scored(row, None, None) for row in rows])
        assert f"routed right      {len(rows) // 2}/{len(rows)}" in empty


@pytest.mark.weights
@pytest.mark.timeout(900)
async def test_the_real_model_calls_the_right_tool_nine_times_in_ten_and_tells_what_it_gave() -> (
    None
):
    async with local_model() as model:
        scored = [await score(case, model) for case in cases(CORPUS)]
        told = [await product(digits, model) for digits in (9, 18)]
    assert sum(one.routed for one in scored) >= 0.9 * len(scored), table(scored)
    assert all(one.valid for one in scored if one.call is not None), table(scored)
    assert all(exact for *_, exact in told), told
