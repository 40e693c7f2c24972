"""Tools in a turn: from a script, and over a real socket through each bot."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
import structlog
from pydantic import BaseModel
from structlog.testing import CapturingLogger

from chatbots import Chatbots, Settings
from chatbots.deltas import Delta, Notice, TextDelta, ToolFinished, ToolProgress, ToolStarted
from chatbots.errors import ChatError, InvalidRequest, ProviderError
from chatbots.flow.bot import Bot
from chatbots.flow.calling import make_prompt
from chatbots.messages import Message, ModelAnswer, Reply, Turn, Usage
from chatbots.services.memory import MemoryChat
from chatbots.services.stateless import StatelessChat
from chatbots.services.streaming import StreamingChat
from chatbots.services.tool_loop import MAX_CALLS, MAX_ROUNDS, TOOL_LIMIT
from chatbots.sessions.in_memory import InMemorySessions
from chatbots.testing import CollectingSink, FakeOpenAI, ScriptedModel
from chatbots.testing.calls import Call
from chatbots.tool_calls import ToolCall, ToolContext, ToolResult, ToolSpec
from chatbots.tools.optional import NOTICE, OptionalTools
from chatbots.tools.registry import ToolRegistry
from chatbots.tools.tool import tool

SIX = '{"a":6,"b":7}'


@tool
def multiply(a: int, b: int) -> int:
    """Multiply."""
    return a * b


def call(name: str = "multiply", arguments: str = SIX, call_id: str = "c1") -> ToolCall:
    return ToolCall(call_id, name, arguments)


def calling(*calls: ToolCall, then: str = "It is 42.") -> ScriptedModel:
    """Return a model that calls tools, and then says something."""
    model = ScriptedModel()
    model.answer(tool_calls=calls, reason="tool_calls")
    model.answer(then)
    return model


def bot(model: ScriptedModel, *tools: object, **asking: object) -> Bot:
    return Bot(StatelessChat(model), tools=tools or [multiply], **asking)  # type: ignore[arg-type]  # keywords under test


async def told(model: ScriptedModel, *tools: object, **asking: object) -> list[Delta]:
    sink = CollectingSink()
    asked = bot(model, *tools, **asking)
    with anyio.fail_after(10):
        await asked.service.respond(asked.prompt("What is 6 times 7?"), sink)
    return sink.deltas


def results_of(model: ScriptedModel) -> list[tuple[str | None, str]]:
    """Return what the model was told last of its calls."""
    return [(m.tool_call_id, m.content) for m in model.requests[-1].messages if m.role == "tool"]


# A round


async def test_the_results_of_an_answers_calls_are_given_back_and_it_is_asked_again() -> None:
    model = calling(call())
    reply = await bot(model).ask("What is 6 times 7?")
    assert (reply.text, reply.state, reply.reason) == ("It is 42.", "completed", "stop")
    first, second = model.requests
    assert [tool.name for tool in first.tools] == ["multiply"]
    assert second.tools == first.tools
    assert second.messages == (
        *first.messages,
        Message("assistant", "", tool_calls=(call(),)),
        Message("tool", "42", tool_call_id="c1"),
    )


async def test_news_of_tools_stream_to_the_reader_in_order() -> None:
    @tool
    async def look(ctx: ToolContext) -> str:
        await ctx.progress("Half.", 0.5)
        return "seen"

    model = ScriptedModel()
    model.answer("Let me ", "see.", tool_calls=[call("look", "{}")], reason="tool_calls")
    model.answer(" Done.")
    deltas = await told(model, look)
    finished = deltas[3]
    assert isinstance(finished, ToolFinished)
    assert 0 <= finished.seconds < 5
    assert deltas[:-1] == [
        TextDelta("Let me see."),
        ToolStarted("c1", "look", "{}"),
        ToolProgress("c1", "Half.", 0.5),
        ToolFinished("c1", "look", "seen", is_error=False, seconds=finished.seconds),
        TextDelta(" Done."),
    ]


async def test_text_before_calls_is_part_of_the_reply_and_given_back() -> None:
    model = ScriptedModel()
    model.answer("Let me see. ", tool_calls=[call()], reason="tool_calls")
    model.answer("It is 42.")
    assert (await bot(model).ask("Hm")).text == "Let me see. It is 42."
    assert model.requests[1].messages[1].content == "Let me see. "


async def test_calls_run_at_the_same_time_and_their_results_are_in_call_order() -> None:
    met = anyio.Event()

    async def first() -> str:
        await met.wait()
        return "one"

    async def second() -> str:
        met.set()
        return "two"

    model = calling(call("first", "{}", "c1"), call("second", "{}", "c2"))
    deltas = await told(model, first, second)
    assert results_of(model) == [("c1", "one"), ("c2", "two")]
    started = [delta.call_id for delta in deltas if isinstance(delta, ToolStarted)]
    finished = [delta.call_id for delta in deltas if isinstance(delta, ToolFinished)]
    assert (started, finished) == (["c1", "c2"], ["c2", "c1"])


async def test_one_delta_is_sent_at_a_time() -> None:
    busy: list[int] = []

    class Slow(CollectingSink):
        async def send(self, item: Delta) -> None:
            assert not busy
            busy.append(1)
            await anyio.sleep(0.001)
            busy.clear()
            await super().send(item)

    async def chat(ctx: ToolContext) -> None:
        await ctx.progress("One.")
        await ctx.progress("Two.")

    model = calling(*(call("chat", "{}", f"c{n}") for n in range(4)))
    asked, sink = bot(model, chat), Slow()
    await asked.service.respond(asked.prompt("Hm"), sink)
    assert len([d for d in sink.deltas if isinstance(d, ToolProgress)]) == 8


async def test_a_tool_knows_the_turn_it_is_called_in() -> None:
    seen: list[ToolContext] = []

    async def look(ctx: ToolContext) -> None:
        seen.append(ctx)

    asked = bot(calling(call("look", "{}")), look, session="s", user="ada", timeout=60)
    before = anyio.current_time()
    await asked.ask("Hm", request_id="r")
    (context,) = seen
    assert (context.request_id, context.call_id) == ("r", "c1")
    assert (context.session, context.user) == ("s", "ada")
    assert before + 60 <= context.deadline <= anyio.current_time() + 60


async def test_the_usage_and_the_retries_are_those_of_all_rounds() -> None:
    class Twice(ScriptedModel):
        async def complete(self, request, out) -> ModelAnswer:  # type: ignore[no-untyped-def]  # as the seam
            answer = await super().complete(request, out)
            return ModelAnswer(
                text=answer.text,
                state=answer.state,
                reason=answer.reason,
                usage=answer.usage,
                tool_calls=answer.tool_calls,
                retries=1,
            )

    model = Twice()
    model.answer(tool_calls=[call()], usage=Usage(10, 2, 12))
    model.answer("42.", usage=Usage(20, 3, 23))
    reply = await bot(model).ask("Hm")
    assert reply.usage == Usage(30, 5, 35)
    assert reply.metrics is not None
    assert reply.metrics.retries == 2


async def test_what_has_to_be_called_has_to_be_called_once() -> None:
    for choice in ("required", "multiply"):
        model = calling(call())
        await bot(model, tool_choice=choice).ask("Hm")
        assert [request.tool_choice for request in model.requests] == [choice, None]
    model = calling(call())
    await bot(model, tool_choice="none").ask("Hm")
    assert [request.tool_choice for request in model.requests] == ["none", "none"]


async def test_a_runner_of_ones_own_will_do() -> None:
    class Runner:
        def specs(self) -> list[ToolSpec]:
            return [ToolSpec.of({"name": "now"})]

        async def run(self, call: ToolCall, context: ToolContext) -> ToolResult:
            return ToolResult(call.id, "noon")

    model = calling(call("now", "{}"))
    await Bot(StatelessChat(model), tools=Runner()).ask("Hm")
    assert results_of(model) == [("c1", "noon")]


async def test_a_bug_in_a_runner_raises_as_itself() -> None:
    class Broken:
        def specs(self) -> list[ToolSpec]:
            return []

        async def run(self, call: ToolCall, context: ToolContext) -> ToolResult:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await Bot(StatelessChat(calling(call())), tools=Broken()).ask("Hm")


async def test_a_call_is_logged() -> None:
    log = CapturingLogger()
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars],
        logger_factory=lambda *_: log,
        cache_logger_on_first_use=False,
    )
    await bot(calling(call())).ask("Hm")
    (line,) = [c.kwargs for c in log.calls if c.kwargs["event"] == "tool.end"]
    assert (line["tool"], line["is_error"]) == ("multiply", False)
    assert line["seconds"] >= 0


# What no server would take back


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        (call("functions.now()", "{}"), call("functions_now__", "{}")),
        (call("x" * 99, "{}"), call("x" * 64, "{}")),
        (call("", "{}"), call("_", "{}")),
        (call(arguments='{"a":6'), call(arguments="{}")),
        (call(arguments="[6]"), call(arguments="{}")),
        (call(arguments=""), call(arguments="{}")),
        (call(arguments="[" * 100_000), call(arguments="{}")),
    ],
)
async def test_a_call_is_given_back_as_any_server_takes_it(asked: ToolCall, kept: ToolCall) -> None:
    model = calling(asked)
    deltas = await told(model)
    assert model.requests[1].messages[-2].tool_calls == (kept,)
    assert deltas[0] == ToolStarted("c1", asked.name, asked.arguments)


async def test_each_call_gets_an_id_of_its_own() -> None:
    model = ScriptedModel()
    model.answer(tool_calls=[call(), call(), call(call_id="")])
    model.answer(tool_calls=[call()])
    deltas = await told(model)
    ids = [delta.call_id for delta in deltas if isinstance(delta, ToolFinished)]
    assert len(set(ids)) == len(ids) == 4
    assert [name for name, _ in results_of(model)] == ["c1", "c1_2", "_2", "c1_3"]
    assert {content for _, content in results_of(model)} == {"42"}


# Limits


async def test_a_model_that_calls_on_and_on_is_stopped_and_its_text_kept() -> None:
    model = ScriptedModel()
    for number in range(MAX_ROUNDS + 1):
        model.answer(f"{number} ", tool_calls=[call()], usage=Usage(1, 1, 2))
    reply = await bot(model).ask("Hm")
    assert (reply.state, reply.reason) == ("incomplete", TOOL_LIMIT)
    assert reply.text == "0 1 2 3 4 5 6 7 8 "
    assert reply.usage == Usage(9, 9, 18)
    assert len(results_of(model)) == MAX_ROUNDS == 8


@pytest.mark.parametrize(("calls", "state"), [(16, "completed"), (17, "incomplete")])
async def test_more_calls_than_an_answer_may_have_are_not_run(calls: int, state: str) -> None:
    ran: list[int] = []

    async def count() -> None:
        ran.append(1)

    model = calling(*(call("count", "{}", f"c{n}") for n in range(calls)))
    reply = await bot(model, count).ask("Hm")
    assert reply.state == state
    assert len(ran) == (calls if calls <= MAX_CALLS else 0)


async def test_a_model_that_calls_what_was_not_offered_makes_no_sense() -> None:
    with pytest.raises(ProviderError) as caught:
        await Bot(StatelessChat(calling(call()))).ask("Hm")
    assert caught.value.code == "upstream_bad_response"
    assert caught.value.message == "The model called the tool 'multiply', and none was offered."


async def test_text_beside_a_call_that_was_not_offered_is_the_answer() -> None:
    model = ScriptedModel()
    model.answer("Hello.", tool_calls=[call()])
    reply = await Bot(StatelessChat(model)).ask("Hm")
    assert (reply.text, len(model.requests)) == ("Hello.", 1)


# A person is asked


@tool(confirm=True)
async def erase(name: str) -> str:
    """Erase a file."""
    return f"erased {name}"


REFUSED = '{"error":"The call of \'erase\' was not allowed."}'


@pytest.mark.parametrize("allowed", [True, False])
@pytest.mark.parametrize("waits", [True, False])
async def test_whoever_asks_a_person_decides(allowed: bool, waits: bool) -> None:
    asked: list[tuple[str, Mapping[str, object], str]] = []

    def now(call: ToolCall, arguments: Mapping[str, object], digest: str) -> bool:
        asked.append((call.id, arguments, digest))
        return allowed

    async def later(call: ToolCall, arguments: Mapping[str, object], digest: str) -> bool:
        return now(call, arguments, digest)

    model = calling(call("erase", '{"name": "a"}'))
    await bot(model, erase, on_confirm=later if waits else now).ask("Hm")
    (result,) = results_of(model)
    assert result[1] == ("erased a" if allowed else REFUSED)
    ((call_id, arguments, digest),) = asked
    assert (call_id, arguments) == ("c1", {"name": "a"})
    assert len(digest) == 64


async def test_a_person_is_asked_one_question_at_a_time() -> None:
    asking: list[int] = []

    async def confirm(call: ToolCall, arguments: Mapping[str, object], digest: str) -> bool:
        assert not asking
        asking.append(1)
        await anyio.sleep(0.001)
        asking.clear()
        return True

    model = calling(*(call("erase", '{"name":"a"}', f"c{n}") for n in range(3)))
    await bot(model, erase, on_confirm=confirm).ask("Hm")
    assert [content for _, content in results_of(model)] == ["erased a"] * 3


async def test_with_nobody_to_ask_it_is_refused() -> None:
    model = calling(call("erase", '{"name":"a"}'))
    await bot(model, erase).ask("Hm")
    assert "there is nobody to ask" in results_of(model)[0][1]


# What is remembered


def remembering(model: ScriptedModel, store: InMemorySessions, *tools: object) -> Bot:
    return Bot(StreamingChat(model, store), session="s", tools=tools or [multiply])


async def last_turn(store: InMemorySessions) -> Turn:
    return (await store.load("s"))[-1]


async def test_a_turn_is_kept_with_its_calls_and_results_and_carried_on() -> None:
    store, model = InMemorySessions(), ScriptedModel()
    model.answer("Let me see.", tool_calls=[call()])
    model.answer("It is 42.")
    await remembering(model, store).ask("What is 6 times 7?")
    turn = await last_turn(store)
    assert turn.answer == (
        Message("assistant", "Let me see.", tool_calls=(call(),)),
        Message("tool", "42", tool_call_id="c1"),
        Message("assistant", "It is 42."),
    )
    assert turn.text == "Let me see.It is 42."
    await remembering(model, store).ask("Thanks.")
    past = (Message("user", "What is 6 times 7?"), *turn.answer)
    assert model.requests[-1].messages == (*past, Message("user", "Thanks."))


async def test_a_turn_with_tools_is_replayed_without_running_them_again() -> None:
    store, model = InMemorySessions(), ScriptedModel()
    ran: list[int] = []

    async def count() -> None:
        ran.append(1)

    model.answer("Let me see.", tool_calls=[call("count", "{}")])
    model.answer(" Done.")
    asked = remembering(model, store, count)
    first = await asked.ask("Hm", request_id="r")
    again = await asked.ask("Hm", request_id="r")
    assert again.text == first.text == "Let me see. Done."
    assert (len(ran), len(model.requests)) == (1, 2)


async def test_a_cancelled_turn_keeps_the_results_there_are_and_the_next_one_is_accepted() -> None:
    store, model = InMemorySessions(), ScriptedModel()
    waits = anyio.Event()

    async def quick() -> str:
        return "quick"

    async def stuck() -> None:
        await anyio.sleep(0.01)
        waits.set()
        await anyio.sleep_forever()

    model.answer("Hm.", tool_calls=[call("quick", "{}", "c1"), call("stuck", "{}", "c2")])
    asked = remembering(model, store, quick, stuck)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(asked.ask, "Hm")
        await waits.wait()
        tasks.cancel_scope.cancel()
    turn = await last_turn(store)
    assert turn.state == "cancelled"
    assert [m.tool_call_id for m in turn.answer if m.role == "tool"] == ["c1"]
    model.answer("Hello.")
    await asked.ask("Hello")
    sent = model.requests[-1].messages
    assert [(m.role, m.tool_call_id) for m in sent[2:4]] == [("tool", "c1"), ("tool", "c2")]
    assert "cancelled" in sent[3].content


async def test_what_broke_off_in_a_later_round_keeps_the_earlier_ones() -> None:
    store, model = InMemorySessions(), ScriptedModel()
    model.answer("Let me see.", tool_calls=[call()])
    model.answer(" It", ProviderError("stream_interrupted", "Gone."))
    with pytest.raises(ProviderError) as caught:
        await remembering(model, store).ask("Hm")
    assert caught.value.partial == "Let me see. It"
    turn = await last_turn(store)
    assert (turn.state, turn.text) == ("interrupted", "Let me see. It")
    assert len(turn.answer) == 3


async def test_a_context_that_became_too_long_by_tools_is_not_started_again() -> None:
    store, model = InMemorySessions(), ScriptedModel("Hello.")
    asked = remembering(model, store)
    await asked.ask("Hello")
    model.answer(tool_calls=[call()])
    model.answer(ProviderError("context_too_long", "Too long: 9000 of 8000."))
    with pytest.raises(ProviderError):
        await asked.ask("Hm")
    assert len(model.requests) == 3


# A demanded shape


class Answer(BaseModel):
    number: int


@pytest.mark.parametrize("make", [StatelessChat, None])
async def test_an_answer_has_its_demanded_shape_after_tools(
    make: Callable[[ScriptedModel], StatelessChat] | None,
) -> None:
    model, store = ScriptedModel(), InMemorySessions()
    model.answer("Let me see.", tool_calls=[call()])
    model.answer('{"number": "x"}')
    model.answer('{"number": 42}')
    service = make(model) if make else MemoryChat(model, store)
    reply: Reply[Answer] = await Bot(service, tools=[multiply], session="s").ask(
        "Hm", output_type=Answer
    )
    assert reply.output == Answer(number=42)
    assert reply.text == '{"number": 42}'
    if make is None:
        assert (await last_turn(store)).text == reply.text


# Over a real socket, through each bot


@asynccontextmanager
async def served(kind: str, fault: str = "") -> AsyncIterator[tuple[FakeOpenAI, Bot]]:
    async with (
        FakeOpenAI() as fake,
        Chatbots(Settings(openai_base_url=fake.base_url, openai_api_key="k")) as bots,
    ):
        if fault:
            fake.fault(",".join([fault] * 9) if fault == "tool-loop" else fault)
        make = getattr(bots, kind)
        with anyio.fail_after(20):
            yield fake, make(tools=[get_weather])


@tool
def get_weather(city: str) -> str:
    """Tell the weather."""
    return f"Rain in {city}."


each_bot = pytest.mark.parametrize("kind", ["stateless", "memory", "streaming"])


def last_results(calls: list[Call]) -> list[str]:
    said = json.loads(calls[-1].body)["messages"]
    return [message["content"] for message in said if message["role"] == "tool"]


@each_bot
async def test_tools_work_over_a_socket(kind: str) -> None:
    async with served(kind) as (fake, asked):
        fake.answer("Let me see. ", tool_calls=[("get_weather", {"city": "Zürich"})])
        fake.answer("It rains.")
        reply = await asked.ask("How is it?")
        assert reply.text == "Let me see. It rains."
        assert last_results(fake.calls) == ["Rain in Zürich."]


@each_bot
@pytest.mark.parametrize(
    ("fault", "results"),
    [
        ("tool-split", ["Rain in Zürich."]),
        ("tool-interleaved", ["Rain in Zürich."] * 2),
        ("tool-no-id", ["Rain in Zürich."]),
        ("tool-then-text", ["Rain in Zürich."]),
        ("tool-invalid-json", ["no valid JSON"]),
        ("tool-unknown", ["There is no tool 'no_such_tool'; there are: get_weather."]),
        ("tool-huge-args:2", ["no valid JSON"]),
        ("tool-bomb:16", ["Rain in Zürich."] * 16),
    ],
)
async def test_a_fault_of_a_call_is_recovered_from(
    kind: str, fault: str, results: list[str]
) -> None:
    async with served(kind, fault) as (fake, asked):
        reply = await asked.ask("How is it?")
        assert reply.state == "completed"
        assert reply.text.endswith("How is it?")
        given = last_results(fake.calls)
        assert len(given) == len(results)
        assert all(part in result for part, result in zip(results, given, strict=True))
        assert len(fake.calls) == 2


@each_bot
@pytest.mark.parametrize(
    ("fault", "reason", "requests"),
    [("tool-loop", TOOL_LIMIT, 9), ("tool-bomb", TOOL_LIMIT, 1), ("tool-truncated", "length", 1)],
)
async def test_a_turn_ends_incomplete_where_calls_have_no_end(
    kind: str, fault: str, reason: str, requests: int
) -> None:
    async with served(kind, fault) as (fake, asked):
        reply = await asked.ask("How is it?")
        assert (reply.state, reply.reason) == ("incomplete", reason)
        assert len(fake.calls) == requests


# Tools that can be done without

NO_TOOLS = "This model does not support tools."


@each_bot
async def test_a_server_that_takes_no_tools_is_asked_without_those_it_need_not_take(
    kind: str,
) -> None:
    async with served(kind) as (fake, asked):
        fake.answer(status=400, error=NO_TOOLS)
        fake.answer("Hello.")
        optional = OptionalTools(ToolRegistry([multiply]))
        reply = await asked.ask("Hi", tools=optional, tool_choice="auto")
        assert (reply.text, reply.state) == ("Hello.", "completed")
        await asked.ask("Hi again", tools=optional)
        await asked.ask("Hi another", tools=optional, model="another")
        with_tools = ["tools" in call.json for call in fake.calls]
        assert with_tools == [True, False, False, True]
        assert "tool_choice" not in fake.calls[1].json
        fake.answer(status=400, error=NO_TOOLS)
        with pytest.raises(InvalidRequest):
            await asked.ask("Hi", tools=[multiply])


async def test_that_it_goes_without_tools_is_told_once() -> None:
    model = ScriptedModel([InvalidRequest("invalid_request", NO_TOOLS)], "Hello.")
    optional = OptionalTools(ToolRegistry([multiply]))
    sink = CollectingSink()
    asked = Bot(StatelessChat(model), tools=optional)
    for _ in range(2):
        await asked.service.respond(asked.prompt("Hi"), sink)
    assert [delta for delta in sink.deltas if isinstance(delta, Notice)] == [
        Notice("tools_refused", NOTICE)
    ]


@pytest.mark.parametrize(
    "answers",
    [
        [["Hel", ProviderError("upstream_error", NO_TOOLS)]],
        [[InvalidRequest("invalid_request", "The prompt is too hot.")]],
        [[InvalidRequest("invalid_request", NO_TOOLS)]] * 2,
    ],
    ids=["something was shown", "it is about something else", "it is refused without them too"],
)
async def test_what_tools_are_not_to_blame_for_ends_the_turn(answers: Any) -> None:
    model = ScriptedModel(*answers)
    asked = Bot(StreamingChat(model, InMemorySessions()))
    with pytest.raises(ChatError):
        await asked.ask("Hi", tools=OptionalTools(ToolRegistry([multiply])))
    assert len(model.requests) == len(answers)


async def test_tools_that_were_taken_are_not_taken_away() -> None:
    model = ScriptedModel()
    model.answer(tool_calls=[call()], reason="tool_calls")
    model.answer(InvalidRequest("invalid_request", NO_TOOLS))
    with pytest.raises(InvalidRequest):
        await Bot(StatelessChat(model), tools=OptionalTools(ToolRegistry([multiply]))).ask("Hi")
    assert len(model.requests) == 2


def test_a_prompt_has_no_tools_if_there_are_none() -> None:
    assert make_prompt("Hm", tools=[]).tools is None
