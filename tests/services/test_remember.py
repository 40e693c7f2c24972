from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from msgspec.structs import replace

from chatbots.deltas import Delta, Done, Failed, Notice, TextDelta
from chatbots.errors import ChatError, ProviderError, StorageError, TurnCancelled
from chatbots.interfaces import SessionStore, Sink
from chatbots.messages import (
    FinalState,
    Message,
    ModelAnswer,
    ModelRequest,
    Prompt,
    Turn,
    UnderWay,
    Usage,
)
from chatbots.services import narration, remember
from chatbots.services.remember import Remembered
from chatbots.services.take_turn import Manner
from chatbots.sessions.in_memory import InMemorySessions
from chatbots.testing import CollectingSink, Gate, ScriptedModel
from chatbots.tool_calls import ToolCall
from chatbots.tools.registry import ToolRegistry
from chatbots.tools.tool import tool

USAGE = Usage(1, 2, 3)


def prompt(said: str = "Hi", request_id: str = "r", *, timeout: float = 60) -> Prompt:
    messages = (Message("user", said),)
    return Prompt(messages=messages, request_id=request_id, session="s", timeout=timeout)


class Broken(InMemorySessions):
    """A store that fails where it is told to, and takes a moment for each call."""

    def __init__(self, *broken: str) -> None:
        super().__init__()
        self.broken = set(broken)
        self.checkpoints: list[str] = []
        self.hold: Gate | None = None

    async def _use(self, name: str) -> None:
        await checkpoint()
        if name in self.broken:
            raise StorageError("storage_unavailable", f"No {name}.")

    async def begin(self, session: str, request_id: str, said: Sequence[Message]) -> Turn:
        await self._use("begin")
        return await super().begin(session, request_id, said)

    async def checkpoint(
        self, turn: Turn, answer: Sequence[Message], *, state: UnderWay = "streaming"
    ) -> None:
        await self._use("checkpoint")
        self.checkpoints.append(answer[0].content)
        await super().checkpoint(turn, answer, state=state)

    async def load(self, session: str, *, last: int | None = None) -> Sequence[Turn]:
        await self._use("load")
        return await super().load(session, last=last)

    async def finish(
        self,
        turn: Turn,
        answer: Sequence[Message],
        *,
        state: FinalState,
        reason: str | None = None,
        usage: Usage | None = None,
    ) -> Turn:
        await self._use("finish")
        if self.hold is not None:
            await self.hold.pass_through()
        return await super().finish(turn, answer, state=state, reason=reason, usage=usage)


class Asker:
    """Remembered turns of the session "s"."""

    def __init__(self, model: ScriptedModel, store: SessionStore | None = None) -> None:
        self.model = model
        self.store = store or InMemorySessions()
        self._bot = Remembered(model, self.store, Manner(), stream=True)

    async def ask(self, asked: Prompt) -> list[Delta]:
        sink = CollectingSink()
        with anyio.fail_after(10):
            await self._bot.respond(asked, sink, bot="test")
        # How quick it was differs from one time to the other.
        return [replace(d, metrics=None) if isinstance(d, Done) else d for d in sink.deltas]

    async def fail(self, asked: Prompt) -> ChatError:
        last = (await self.ask(asked))[-1]
        assert isinstance(last, Failed)
        return last.error

    async def turns(self) -> list[tuple[str, str, str | None]]:
        return [(turn.text, turn.state, turn.reason) for turn in await self.store.load("s")]


# One request id, one turn


async def test_the_same_request_again_gets_the_stored_answer_and_asks_nobody() -> None:
    model = ScriptedModel()
    model.answer("Hel", "lo", usage=USAGE)
    asker = Asker(model)
    first = await asker.ask(prompt())
    again = await asker.ask(prompt())
    done = Done(state="completed", reason="stop", usage=USAGE, request_id="r", session="s")
    assert first == [TextDelta("Hel"), TextDelta("lo"), done]
    assert isinstance(again[0], Notice)
    assert again[0].code == "replayed"
    assert again[1:] == [TextDelta("Hello"), done]
    assert len(model.requests) == 1
    assert await asker.turns() == [("Hello", "completed", "stop")]


async def test_an_answer_that_was_cut_is_told_again_as_one() -> None:
    model = ScriptedModel()
    model.answer("Hel", reason="length")
    asker = Asker(model)
    assert (await asker.ask(prompt()))[-1] == (await asker.ask(prompt()))[-1]


async def test_an_answer_without_text_is_told_again_without() -> None:
    asker = Asker(ScriptedModel([]))
    await asker.ask(prompt())
    assert [type(delta) for delta in await asker.ask(prompt())] == [Notice, Done]


async def test_the_same_request_id_with_other_words_is_a_conflict_and_asks_nobody() -> None:
    asker = Asker(ScriptedModel("Hello."))
    await asker.ask(prompt())
    error = await asker.fail(prompt("Something else"))
    assert error.code == "request_id_conflict"
    assert len(asker.model.requests) == 1
    assert await asker.turns() == [("Hello.", "completed", "stop")]


@pytest.mark.parametrize("shown", [[], ["Hel"]])
async def test_a_failed_turn_asked_again_fails_the_same_way(shown: list[str]) -> None:
    failure = ProviderError("rate_limited", "Slow down.")
    asker = Asker(ScriptedModel([*shown, failure], "never"))
    (*_, first), (*_, again) = [await asker.ask(prompt()) for _ in range(2)]
    assert isinstance(first, Failed)
    assert isinstance(again, Failed)
    assert (first.error.code, first.state) == (again.error.code, again.state)
    assert again.error.partial == "".join(shown)
    assert again.error.hint == "Ask again with a new request id."
    assert (first.error.retryable, again.error.retryable) == (True, False)
    assert len(asker.model.requests) == 1


async def test_a_cancelled_turn_asked_again_was_cancelled() -> None:
    gate = Gate()
    asker = Asker(ScriptedModel(["Hel", gate]))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(asker.ask, prompt())
        await gate.reached()
        tasks.cancel_scope.cancel()
    assert await asker.turns() == [("Hel", "cancelled", "cancelled")]
    last = (await asker.ask(prompt()))[-1]
    assert isinstance(last, Failed)
    assert isinstance(last.error, TurnCancelled)
    assert (last.state, last.error.partial) == ("cancelled", "Hel")


async def test_a_turn_a_bug_ended_says_so_when_asked_again() -> None:
    asker = Asker(ScriptedModel(["Hel", ZeroDivisionError()]))
    with pytest.raises(ZeroDivisionError):
        await asker.ask(prompt())
    assert await asker.turns() == [("Hel", "interrupted", "internal")]
    error = await asker.fail(prompt())
    assert error.code == "upstream_error"
    assert error.message == "This request ended before, interrupted."


async def test_the_same_request_at_the_same_time_waits_and_gets_the_same_answer() -> None:
    gate = Gate()
    asker = Asker(ScriptedModel([gate, "Hello."]))
    heard: list[list[Delta]] = []

    async def ask() -> None:
        heard.append(await asker.ask(prompt()))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        await gate.reached()
        tasks.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        gate.open()
    assert heard[0] == heard[1][1:]
    assert len(asker.model.requests) == 1


# A busy session


@pytest.mark.usefixtures("time_flies")
async def test_a_busy_session_is_waited_for_until_the_deadline() -> None:
    gate = Gate()
    asker = Asker(ScriptedModel([gate, "One."], "Two."))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(asker.ask, prompt("1", "r1"))
        await gate.reached()
        error = await asker.fail(prompt("2", "r2", timeout=0.02))
        assert error.code == "session_busy"
        gate.open()
    assert await asker.turns() == [("One.", "completed", "stop")]
    await asker.ask(prompt("3", "r3"))
    assert await asker.turns() == [("One.", "completed", "stop"), ("Two.", "completed", "stop")]


@pytest.mark.usefixtures("time_flies")
async def test_a_turn_that_had_its_session_is_not_blamed_on_the_session() -> None:
    asker = Asker(ScriptedModel([Gate()]))
    assert (await asker.fail(prompt(timeout=0.02))).code == "upstream_timeout"
    assert await asker.turns() == [("", "failed", "upstream_timeout")]


# What is kept on the way


async def test_a_long_answer_is_stored_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(narration, "KEEP_INTERVAL", 0.0)
    store = Broken()
    gate = Gate()
    asker = Asker(ScriptedModel(["Hel", "lo", gate, " there"]), store)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(asker.ask, prompt())
        await gate.reached()
        assert await asker.turns() == [("Hello", "streaming", None)]
        gate.open()
    assert store.checkpoints == ["Hel", "Hello", "Hello there"]
    assert await asker.turns() == [("Hello there", "completed", "stop")]


async def test_it_is_stored_about_once_a_second_not_once_a_piece(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    monkeypatch.setattr(narration, "monotonic", lambda: now)
    store = Broken()
    gate = Gate()
    asker = Asker(ScriptedModel(["a", "b", gate, "c", "d", "e"]), store)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(asker.ask, prompt())
        await gate.reached()
        now = 1.0
        gate.open()
    assert store.checkpoints == ["abc"]


# A store that fails


@pytest.mark.parametrize("where", ["begin", "load"])
async def test_a_store_that_fails_fails_the_turn_before_anybody_is_asked(where: str) -> None:
    asker = Asker(ScriptedModel(["Hel", "lo"]), Broken(where))
    error = await asker.fail(prompt())
    assert (error.message, error.partial) == (f"No {where}.", "")
    assert not asker.model.requests


@pytest.mark.parametrize(
    ("broken", "stored"),
    [(["checkpoint"], True), (["finish"], False), (["checkpoint", "finish"], False)],
)
async def test_an_answer_that_is_not_stored_is_shown_to_its_end_and_says_so_once(
    broken: list[str], stored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(narration, "KEEP_INTERVAL", 0.0)
    deltas = await Asker(ScriptedModel(["Hel", "lo"]), Broken(*broken)).ask(prompt())
    assert "".join(delta.text for delta in deltas if isinstance(delta, TextDelta)) == "Hello"
    (notice,) = [delta for delta in deltas if isinstance(delta, Notice)]
    assert (notice.code, notice.message) == (
        "not_stored",
        f"This answer is not stored. No {broken[0]}.",
    )
    assert isinstance(deltas[-1], Done)
    assert (deltas[-1].state, deltas[-1].stored) == ("completed", stored)


class Owing(InMemorySessions):
    """A store that is late with the end: it raises, and the turn has ended all the same."""

    async def finish(self, *args: Any, **more: Any) -> Turn:
        await super().finish(*args, **more)
        raise StorageError("storage_unavailable", "Not yet.")


async def test_nothing_is_kept_of_an_answer_after_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(narration, "KEEP_INTERVAL", 0.0)
    deltas = await Asker(ScriptedModel(["Hello"]), Owing()).ask(prompt())
    assert isinstance(deltas[-1], Done)
    assert not deltas[-1].stored


async def test_calls_are_kept_before_they_are_run_and_their_results_after() -> None:
    store = Broken()
    kept: list[tuple[str, int]] = []

    async def look() -> None:
        (turn,) = await store.load("s")
        kept.append((turn.state, len(turn.answer)))

    async def book() -> str:
        """Book it."""
        await look()
        return "booked"

    class Looking(ScriptedModel):
        async def complete(self, request: ModelRequest, out: Sink) -> ModelAnswer:
            if len(self.requests) == 1:
                await look()
            answer = await super().complete(request, out)
            calls = () if len(self.requests) > 1 else (ToolCall("c1", "book", "{}"),)
            return replace(answer, tool_calls=calls)

    asked = replace(prompt(), tools=ToolRegistry([tool(book)]))
    await Asker(Looking("Let me see.", "Done."), store).ask(asked)
    assert kept == [("waiting_for_tools", 1), ("streaming", 2)]


async def test_a_turn_whose_program_died_says_so_when_asked_again() -> None:
    store = Broken()
    turn = await store.begin("s", "r", prompt().messages)
    await store.finish(turn, (), state="interrupted", reason="crashed")
    error = await Asker(ScriptedModel(), store).fail(prompt())
    assert (error.code, error.retryable) == ("stream_interrupted", False)
    assert "The program that ran this request ended" in error.message


async def test_a_store_that_fails_does_not_hide_why_the_turn_failed() -> None:
    failure = ProviderError("rate_limited", "Slow down.")
    asker = Asker(ScriptedModel([failure]), Broken("finish"))
    assert await asker.fail(prompt()) is failure


async def test_a_whole_answer_is_stored_though_its_caller_leaves_just_then() -> None:
    store = Broken()
    store.hold = Gate()
    asker = Asker(ScriptedModel("Hello."), store)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(asker.ask, prompt())
        await store.hold.reached()
        tasks.cancel_scope.cancel()
        store.hold.open()
    assert await asker.turns() == [("Hello.", "completed", "stop")]


async def test_what_was_shown_is_stored_though_its_caller_has_left() -> None:
    gate = Gate()
    asker = Asker(ScriptedModel(["Hel", gate]), Broken())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(asker.ask, prompt())
        await gate.reached()
        tasks.cancel_scope.cancel()
    assert await asker.turns() == [("Hel", "cancelled", "cancelled")]


@pytest.mark.usefixtures("time_flies")
async def test_a_store_that_hangs_at_the_end_is_not_waited_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(remember, "FINISH_TIMEOUT", 0.02)
    store = Broken()
    store.hold = Gate()
    *_, notice, done = await Asker(ScriptedModel("Hello."), store).ask(prompt())
    assert isinstance(notice, Notice)
    assert "The answer could not be stored within 0.02 seconds." in notice.message
    assert isinstance(done, Done)
    assert not done.stored


async def test_cancelling_does_not_wait_long_for_a_store_that_hangs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(remember, "FINISH_TIMEOUT", 0.02)
    store = Broken()
    store.hold = Gate()
    gate = Gate()
    asker = Asker(ScriptedModel(["Hel", gate]), store)
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(asker.ask, prompt())
            await gate.reached()
            tasks.cancel_scope.cancel()
    assert await asker.turns() == [("", "accepted", None)]


# Sessions


async def test_a_prompt_without_session_is_told_which_it_got() -> None:
    asker = Asker(ScriptedModel("Hello."))
    asked = Prompt(messages=(Message("user", "Hi"),), request_id="r")
    done = (await asker.ask(asked))[-1]
    assert isinstance(done, Done)
    assert done.session
    assert [turn.text for turn in await asker.store.load(done.session)] == ["Hello."]


async def test_the_way_out_stays_open_whatever_the_model_does() -> None:
    class Closer:
        async def complete(self, request: ModelRequest, out: Sink) -> ModelAnswer:
            await out.aclose()
            return ModelAnswer(text="", state="completed", reason="stop")

    sink = CollectingSink()
    bot = Remembered(Closer(), InMemorySessions(), Manner(), stream=True)
    await bot.respond(prompt(), sink, bot="test")
    assert [type(delta) for delta in sink.deltas] == [Done]
    assert not sink.closed


async def test_a_turn_that_only_calls_a_tool_failed() -> None:
    class Caller(ScriptedModel):
        async def complete(self, request: ModelRequest, out: Sink) -> ModelAnswer:
            answer = await super().complete(request, out)
            return replace(answer, tool_calls=(ToolCall("c1", "get_weather", "{}"),))

    asker = Asker(Caller(""))
    *_, end = await asker.ask(prompt())
    assert isinstance(end, Failed)
    assert (end.state, end.error.code) == ("failed", "upstream_bad_response")
    (turn,) = await asker.store.load("s")
    assert (turn.state, turn.reason) == ("failed", "upstream_bad_response")


# A past that is too long


TOO_LONG = ProviderError(
    "context_too_long",
    "The conversation is longer than the model can read (status 400): This model's maximum "
    "context length is 8192 tokens. However, your messages resulted in 9011 tokens.",
)


async def test_a_past_that_is_too_long_is_sent_again_without_its_oldest_turns() -> None:
    asker = Asker(ScriptedModel("A1", "A2", "A3", [TOO_LONG], "A4"))
    for number in (1, 2, 3):
        await asker.ask(prompt(f"Q{number}", f"r{number}"))
    deltas = await asker.ask(prompt("Q4", "r4"))
    assert isinstance(deltas[0], Notice)
    assert deltas[0].code == "context_trimmed"
    assert "its oldest 2 turns were left out" in deltas[0].message
    assert deltas[1] == TextDelta("A4")
    first, second = asker.model.requests[-2:]
    assert [m.content for m in first.messages] == ["Q1", "A1", "Q2", "A2", "Q3", "A3", "Q4"]
    assert [m.content for m in second.messages] == ["Q3", "A3", "Q4"]
    assert (await asker.turns())[-1] == ("A4", "completed", "stop")


async def test_it_is_sent_again_once_only() -> None:
    asker = Asker(ScriptedModel("A1", "A2", [TOO_LONG], [TOO_LONG], "never"))
    for number in (1, 2):
        await asker.ask(prompt(f"Q{number}", f"r{number}"))
    assert (await asker.fail(prompt("Q3", "r3"))).code == "context_too_long"
    assert len(asker.model.requests) == 4


@pytest.mark.parametrize(
    ("before", "said"), [(0, [TOO_LONG]), (1, ["Hel", TOO_LONG])], ids=["no past", "text shown"]
)
async def test_what_has_no_past_or_has_been_shown_is_not_sent_again(
    before: int, said: list[str | Exception]
) -> None:
    asker = Asker(ScriptedModel(*["A1"] * before, said, "never"))
    for _ in range(before):
        await asker.ask(prompt("Q1", "r1"))
    assert (await asker.fail(prompt("Q2", "r2"))).code == "context_too_long"
    assert len(asker.model.requests) == before + 1


async def test_a_turn_that_broke_off_is_stored_with_about_what_it_cost() -> None:
    asker = Asker(ScriptedModel(["Hello there.", ProviderError("stream_interrupted", "Gone.")]))
    await asker.fail(prompt("Say hi"))
    (turn,) = await asker.store.load("s")
    assert turn.usage == Usage(6, 4, 10, estimated=True)
