"""The bot over realtime sessions, against a server in this process."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import anyio
import pytest

from chatbots.app import Chatbots
from chatbots.deltas import Delta, Notice, TextDelta, ToolFinished
from chatbots.errors import ChatError, InvalidRequest, ProviderError
from chatbots.flow.calling import Asking
from chatbots.interfaces import ChatModel, ChatService
from chatbots.messages import Message, Turn, Usage
from chatbots.realtime.events.event import Dialect
from chatbots.services.conversation import Conversation
from chatbots.services.realtime_chat import RealtimeChat
from chatbots.services.take_turn import Manner
from chatbots.sessions.in_memory import InMemorySessions
from chatbots.settings import Settings
from chatbots.testing import FakeOpenAI, Gate, ScriptedModel
from chatbots.testing.realtime.faults import FAULTS, OPENING
from chatbots.testing.service_contract import AnsweringPromises, CancellingPromises
from chatbots.tool_calls import ToolCall
from tests.realtime.talking import MIXED, asked, mixing, playing
from tests.services.hosted import Hosted, hosting


class Talk(Conversation):
    """A conversation with a bot over `server`, whose answers are those of `model`."""

    server: Hosted
    model: ScriptedModel
    chat: RealtimeChat


@asynccontextmanager
async def talking(
    *answers: str, instructions: str = "", idle: float = 60, store: InMemorySessions | None = None
) -> AsyncGenerator[Talk]:
    model = ScriptedModel(*answers)
    store = store or InMemorySessions()
    async with hosting(model) as server:
        chat = RealtimeChat(server.opening, store, Manner(instructions=instructions), idle=idle)
        asking: Asking = {"session": "ada"}
        talk = Talk(chat, store, **asking)
        talk.server, talk.model, talk.chat = server, model, chat
        try:
            yield talk
        finally:
            await chat.aclose()
        assert all(conn.closed for conn in server.conns)
        assert not server.bugs


async def read(talk: Talk, said: str, told: list[Delta]) -> None:
    async with talk.stream(said) as stream:
        async for delta in stream:
            told.append(delta)  # noqa: PERF401 - it may raise half-way


def multiply(a: int, b: int) -> int:
    """Multiply."""
    return a * b


@pytest.mark.checklist(3)
async def test_all_turns_of_a_conversation_go_over_one_session_and_say_only_what_is_new() -> None:
    async with talking("Hello Ada.", "Ada.") as talk:
        assert (await talk.ask("I am Ada.")).text == "Hello Ada."
        assert (await talk.ask("Who am I?")).text == "Ada."
        assert len(talk.server.conns) == 1
        assert talk.server.said() == ["I am Ada.", "Who am I?"]
    assert [turn.text for turn in await talk.history()] == ["Hello Ada.", "Ada."]


async def test_conversations_do_not_hear_each_other() -> None:
    async with talking() as talk:
        await talk.ask("One.")
        await talk.ask("Two.", session="bob")
        assert [talk.server.said(number) for number in (0, 1)] == [["One."], ["Two."]]


@pytest.mark.checklist(5)
async def test_a_session_is_told_its_manner_before_anything_is_said() -> None:
    async with talking(instructions="Be brief.") as talk:
        await talk.ask("Hi", tools=[multiply])
        update, first, asked = talk.server.frames
    assert update["type"] == "session.update"
    assert update["session"]["instructions"] == "Be brief."
    assert update["session"]["output_modalities"] == ["text"]
    assert [tool["name"] for tool in update["session"]["tools"]] == ["multiply"]
    assert (first["type"], asked["type"]) == ("conversation.item.create", "response.create")


async def test_another_manner_is_another_session_that_is_told_what_was_said() -> None:
    async with talking("Hello.") as talk:
        await talk.ask("Hi")
        await talk.ask("Who?", instructions="Be a pirate.")
        assert talk.server.said(1) == ["Hi", "Hello.", "Who?"]
        assert talk.server.conns[0].closed


@pytest.mark.checklist(6, 7, 8)
@pytest.mark.parametrize("dialect", ["ga", "beta"])
async def test_what_is_said_around_two_calls_is_part_of_the_answer(dialect: Dialect) -> None:
    async with playing(mixing(dialect)) as stage:
        settings = Settings(openai_base_url=stage.address.base_url, openai_realtime_dialect=dialect)
        async with Chatbots(settings, store=InMemorySessions()) as bots:
            async with bots.realtime(session="ada", tools=[multiply]).stream("6 x 7?") as stream:
                deltas = [delta async for delta in stream]
            [turn] = await bots.realtime(session="ada").history()
    words = "Let me see: one moment. It is 42."
    assert (stream.reply.text, turn.text) == (words, words)
    assert [d.content for d in deltas if isinstance(d, ToolFinished)] == ["42", "42"]
    assert asked(stage.sockets[0]) == MIXED


@pytest.mark.checklist(6, 7, 8)
async def test_a_tool_is_run_and_its_result_told_once_before_the_answer() -> None:
    async with talking() as talk:
        call = ToolCall("call_1", "multiply", '{"a": 6, "b": 7}')
        talk.model.answer("Let me see.", tool_calls=[call])
        talk.model.answer("It is 42.")
        deltas = []
        async with talk.stream("6 times 7?", tools=[multiply]) as stream:
            deltas = [delta async for delta in stream]
        outputs = [
            frame["item"]
            for frame in talk.server.frames
            if frame.get("item", {}).get("type") == "function_call_output"
        ]
        assert [(item["call_id"], item["output"]) for item in outputs] == [("call_1", "42")]
        assert [d.content for d in deltas if isinstance(d, ToolFinished)] == ["42"]
        assert stream.reply.text == "Let me see.It is 42."
        assert [f["type"] for f in talk.server.frames].count("response.create") == 2
        await talk.ask("Thanks", tools=[multiply])
        assert len(talk.server.conns) == 1


async def test_usage_is_that_of_the_whole_turn() -> None:
    async with talking() as talk:
        call = ToolCall("call_1", "multiply", '{"a": 6, "b": 7}')
        talk.model.answer(tool_calls=[call], usage=Usage(1, 2, 3))
        talk.model.answer("It is 42.", usage=Usage(10, 20, 30))
        assert (await talk.ask("6 * 7?", tools=[multiply])).usage == Usage(11, 22, 33)


# What goes wrong


async def test_a_server_that_cannot_be_reached_fails_the_turn_and_not_the_next() -> None:
    async with talking("Hello.") as talk:
        talk.server.refusals += [ProviderError("upstream_unreachable", "No.", retryable=False)]
        with pytest.raises(ChatError) as caught:
            await talk.ask("Hi")
        assert caught.value.code == "upstream_unreachable"
        assert (await talk.ask("Hi")).text == "Hello."


async def test_a_failed_answer_raises_with_what_had_come() -> None:
    async with talking() as talk:
        talk.model.answer("Once ", ProviderError("upstream_error", "Oh."))
        with pytest.raises(ProviderError) as caught:
            await talk.ask("Hi")
        assert caught.value.partial == "Once "
        assert [turn.state for turn in await talk.history()] == ["interrupted"]


@pytest.mark.checklist(17)
async def test_a_connection_lost_half_way_interrupts_the_turn_and_the_next_goes_on() -> None:
    gate = Gate()
    async with talking() as talk:
        talk.model.answer("Once ", gate)
        talk.model.answer("I said: once.")

        async def drop() -> None:
            await gate.reached()
            talk.server.conns[0].drop(ProviderError("stream_interrupted", "Dropped."))

        told: list[Delta] = []
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(drop)
            with pytest.raises(ProviderError) as caught:
                await read(talk, "Tell me", told)
        assert (caught.value.code, caught.value.partial) == ("stream_interrupted", "Once ")
        await read(talk, "What did you say?", told)
        assert [d.code for d in told if isinstance(d, Notice)] == ["reconnecting", "reconnected"]
        assert TextDelta("I said: once.") in told
        assert talk.server.said(1) == ["Tell me", "Once ", "What did you say?"]
        assert [t.state for t in await talk.history()] == ["interrupted", "completed"]


@pytest.mark.checklist(17)
async def test_an_answer_that_had_not_begun_is_asked_for_again() -> None:
    async with talking() as talk:
        talk.model.answer(ProviderError("upstream_error", "Oh."))
        talk.model.answer("Hello.")
        reply = await talk.ask("Hi")
        assert (reply.text, reply.metrics and reply.metrics.retries) == ("Hello.", 1)
        talk.model.answer(ProviderError("upstream_error", "Oh."))
        talk.model.answer(ProviderError("upstream_error", "Oh again."))
        with pytest.raises(ProviderError, match="Oh again"):
            await talk.ask("Again")
        assert len(talk.model.requests) == 4
        assert talk.server.said() == ["Hi", "Again"]


async def test_a_connection_lost_between_turns_is_told_with_the_next() -> None:
    async with talking("Hello.") as talk:
        await talk.ask("Hi")
        talk.server.conns[0].drop(ProviderError("stream_interrupted", "Dropped."))
        with anyio.fail_after(20):
            await talk.server.conn(2)
        told: list[Delta] = []
        await read(talk, "Still there?", told)
        assert [d.code for d in told if isinstance(d, Notice)] == ["reconnecting", "reconnected"]


@pytest.mark.parametrize(
    "error", [ProviderError("upstream_error", "Gone."), InvalidRequest("invalid_request", "1008")]
)
async def test_a_session_that_is_over_is_replaced_by_one_that_is_told_all(error: ChatError) -> None:
    async with talking("Hello.") as talk:
        await talk.ask("Hi")
        if error.retryable:
            talk.server.refusals += [ProviderError("upstream_auth", "No.")]
        talk.server.conns[0].drop(error)
        await anyio.wait_all_tasks_blocked()
        assert (await talk.ask("Still there?")).text == "Still there?"
        assert talk.server.said(1) == ["Hi", "Hello.", "Still there?"]


async def test_a_message_that_the_server_refuses_fails_the_turn() -> None:
    async with talking() as talk:
        await talk.ask("Hi")
        # The server has forgotten: no result is owed for that call.
        messages = [Message("tool", "42", tool_call_id="call_9"), Message("user", "Hi")]
        with pytest.raises(InvalidRequest, match="refuses what was said"):
            await talk.ask(messages)


async def test_an_answer_that_the_server_cancels_is_interrupted() -> None:
    gate = Gate()
    async with talking() as talk:
        talk.model.answer("Once ", gate)

        async def cancel() -> None:
            await gate.reached()
            conn = talk.server.conns[0]
            await conn.write_message('{"type": "response.cancel"}')

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(cancel)
            with pytest.raises(ProviderError, match="cancelled its answer"):
                await talk.ask("Hi")


async def test_what_no_session_can_be_told_is_refused_before_one_is_opened() -> None:
    async with talking() as talk:
        with pytest.raises(InvalidRequest, match="seed"):
            await talk.ask("Hi", seed=1)
        assert not talk.server.conns


ENDS = {
    "hs-401": "upstream_auth",
    "close-1008": "invalid_request",
    "close-midresponse": "stream_interrupted",
    "invalid-json": "upstream_bad_response",
    "bad-utf8": "upstream_bad_response",
    "masked-frame": "upstream_bad_response",
    "rsv-frame": "upstream_bad_response",
    "resp-cancelled": "stream_interrupted",
    "resp-incomplete": "length",
    "resp-incomplete-filter": "content_filter",
    "no-done": "stream_stalled",
    "stall": "stream_stalled",
    "tool-bomb": "tool_limit",
}
"""How a turn ends that has the fault; all others are answered."""


async def end_of(bot: Conversation, said: str) -> str:
    try:
        reply = await bot.ask(said, timeout=30)
    except ChatError as error:
        return error.code if said.startswith(error.partial) else error.partial
    return reply.reason or ""


@pytest.mark.slow
@pytest.mark.checklist(21, 127)
@pytest.mark.parametrize("fault", [*OPENING, *FAULTS])
async def test_every_fault_of_a_socket_ends_the_turn_as_it_should_and_the_next_is_answered(
    fault: str,
) -> None:
    async with FakeOpenAI() as fake:
        settings = Settings(
            openai_base_url=fake.base_url,
            db_type="memory",
            chatbots_connect_timeout=1,
            # A flood takes its time on a busy machine.
            chatbots_gap_timeout=30 if "flood" in fault else 2,
        )
        fake.fault(fault)
        async with Chatbots(settings) as bots:
            bot = bots.realtime(tools=[multiply])
            assert await end_of(bot, "one two three four") == ENDS.get(fault, "stop")
            assert (await bot.ask("five")).text == "five"
            with anyio.fail_after(20):
                await bots.aclose()


# Open and closed


async def test_a_session_is_closed_when_nobody_has_asked_for_a_while() -> None:
    async with talking("Hello.", idle=0.01) as talk:
        await talk.ask("Hi")
        with anyio.fail_after(20):
            await talk.server.conns[0].ended.wait()
        await talk.ask("Back again")
        assert talk.server.said(1) == ["Hi", "Hello.", "Back again"]


async def test_sessions_that_are_begun_at_the_same_time_are_all_closed_at_the_end() -> None:
    async with talking() as talk:

        async def ask(name: str) -> None:
            await talk.ask("Hi", session=name)

        async with anyio.create_task_group() as tasks:
            for number in range(4):
                tasks.start_soon(ask, f"s{number}")
        await talk.chat.aclose()
        assert [conn.closed for conn in talk.server.conns] == [True] * 4


async def test_a_prompt_of_no_conversation_leaves_no_session_open() -> None:
    async with talking() as talk:
        await talk.ask("Hi", session=None)
        assert [conn.closed for conn in talk.server.conns] == [True]


async def test_explaining_opens_no_session() -> None:
    async with talking(instructions="Be brief.") as talk:
        told = await talk.explain("Hi")
        assert [message.content for message in told.messages] == ["Be brief.", "Hi"]
        assert not talk.server.conns


async def test_what_was_said_before_is_told_to_a_new_process() -> None:
    store = InMemorySessions()
    turn: Turn = await store.begin("ada", "r", [Message("user", "I am Ada.")])
    await store.finish(turn, [Message("assistant", "Hello Ada.")], state="completed")
    async with talking(store=store) as talk:
        await talk.ask("Who am I?")
        assert talk.server.said() == ["I am Ada.", "Hello Ada.", "Who am I?"]


# The promises of every bot


@asynccontextmanager
async def serving(model: ChatModel) -> AsyncGenerator[ChatService]:
    async with hosting(model) as server:
        chat = RealtimeChat(server.opening, InMemorySessions())
        try:
            yield chat
        finally:
            await chat.aclose()


@pytest.mark.usefixtures("time_flies")
class TestRealtimeChat(AnsweringPromises, CancellingPromises):
    """How it fails is tried above: an error that crosses a socket is another object."""

    def make_service(self, model: ChatModel) -> AbstractAsyncContextManager[ChatService]:
        return serving(model)

    async def test_a_turn_asks_the_model_once_and_carries_what_was_said(self) -> None:
        """A server is told no request id; the rest is tried above."""
