from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator

import anyio
import anyio.lowlevel
import pytest
from msgspec.structs import replace
from openai import AsyncOpenAI

from chatbots.deltas import Delta, Done, Failed, TextDelta
from chatbots.errors import ProviderError, TurnCancelled
from chatbots.flow.pipeline import Pipeline
from chatbots.interfaces import ChatModel, Sink, Source
from chatbots.messages import Message, Prompt
from chatbots.provider.chat import OpenAIChat
from chatbots.services.streaming import StreamingChat
from chatbots.sessions.in_memory import InMemorySessions
from chatbots.testing import FakeOpenAI, Gate, ScriptedModel


def prompt(said: str) -> Prompt:
    return Prompt(messages=(Message("user", said),), request_id=f"r-{said}", session="s")


def done(said: str) -> Done:
    return Done(state="completed", reason="stop", usage=None, request_id=f"r-{said}", session="s")


def streaming(model: ChatModel) -> StreamingChat:
    return StreamingChat(model, InMemorySessions())


class Reader:
    """A consumer that keeps what it reads, and says what it has read."""

    def __init__(self) -> None:
        self.deltas: list[Delta] = []
        self.ended = False
        self._news = anyio.Event()

    async def consume(self, source: Source) -> None:
        async for delta in source:
            # How quick it was is another one's matter.
            measured = isinstance(delta, Done)
            self.deltas.append(replace(delta, metrics=None) if measured else delta)
            self._news.set()
        self.ended = True

    async def has(self, number: int) -> None:
        """Return when *number* deltas have been read."""
        while len(self.deltas) < number:
            self._news = anyio.Event()
            await self._news.wait()


class Leaver:
    """A consumer that reads one delta, does *last* and leaves."""

    def __init__(self, last: Callable[[], object] = lambda: None) -> None:
        self._last = last

    async def consume(self, source: Source) -> None:
        await source.receive()
        self._last()


class Parrot:
    """A service that says what was said, and keeps what it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def respond(self, prompt: Prompt, out: Sink) -> None:
        said = prompt.messages[-1].content
        self.asked.append(said)
        await anyio.lowlevel.checkpoint()
        await out.send(TextDelta(said))
        await out.send(done(said))


class Faulty:
    """A service with a bug in it."""

    async def respond(self, prompt: Prompt, out: Sink) -> None:
        await out.send(TextDelta("Hel"))
        raise ZeroDivisionError


async def endless() -> AsyncIterator[Prompt]:
    yield prompt("first")
    await anyio.sleep_forever()


# One after the other


async def test_prompts_are_answered_one_after_the_other() -> None:
    reader = Reader()
    said = ["one", "two", "three"]
    await Pipeline(Parrot(), reader).run(prompt(text) for text in said)
    assert reader.deltas == [delta for text in said for delta in (TextDelta(text), done(text))]
    assert reader.ended


async def test_prompts_may_come_as_they_are_typed() -> None:
    reader = Reader()

    async def type_in() -> AsyncIterator[Prompt]:
        for number, text in enumerate(("one", "two")):
            await reader.has(2 * number)
            yield prompt(text)

    await Pipeline(Parrot(), reader).run(type_in())
    assert [d.text for d in reader.deltas if isinstance(d, TextDelta)] == ["one", "two"]


async def test_no_prompt_no_answer() -> None:
    reader = Reader()
    await Pipeline(Parrot(), reader).run([])
    assert reader.deltas == []
    assert reader.ended


async def test_it_may_run_again() -> None:
    reader = Reader()
    pipeline = Pipeline(Parrot(), reader)
    for text in ("one", "two"):
        await pipeline.run([prompt(text)])
    assert len(reader.deltas) == 4


async def test_prompts_are_not_taken_far_ahead_of_their_answers() -> None:
    taken: list[int] = []
    gate = Gate()

    def many() -> Iterator[Prompt]:
        for number in range(50):
            taken.append(number)
            yield prompt(str(number))

    async with anyio.create_task_group() as tasks:
        model = ScriptedModel([gate, "."])
        tasks.start_soon(Pipeline(streaming(model), Reader()).run, many())
        await gate.reached()
        await anyio.wait_all_tasks_blocked()
        assert len(taken) <= 3
        gate.open()


async def test_a_turn_that_fails_is_told_and_the_next_prompt_is_still_asked() -> None:
    reader = Reader()
    error = ProviderError("stream_interrupted", "The connection was lost.")
    model = ScriptedModel(["Hel", error], "Hello.")
    await Pipeline(streaming(model), reader).run([prompt("one"), prompt("two")])
    text, failed, *rest = reader.deltas
    assert text == TextDelta("Hel")
    assert isinstance(failed, Failed)
    assert (failed.error, failed.state) == (error, "interrupted")
    assert rest == [TextDelta("Hello."), done("two")]


async def test_the_window_joins_what_follows_the_first_text() -> None:
    reader = Reader()
    first, second = Gate(), Gate()
    model = ScriptedModel(["First", first, " a", second, " b"])
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Pipeline(streaming(model), reader, window=3600).run, [prompt("one")])
        await reader.has(1)
        first.open()
        await second.reached()
        await anyio.wait_all_tasks_blocked()
        assert reader.deltas == [TextDelta("First")]
        second.open()
    assert reader.deltas == [TextDelta("First"), TextDelta(" a b"), done("one")]


# Errors come out as themselves


async def test_a_bug_in_the_service_comes_out_as_itself() -> None:
    with pytest.raises(ZeroDivisionError):
        await Pipeline(Faulty(), Reader()).run(endless())


async def test_an_error_of_the_producer_comes_out_as_itself() -> None:
    async def fail() -> AsyncIterator[Prompt]:
        yield prompt("one")
        raise KeyError("input")

    with pytest.raises(KeyError, match="input"):
        await Pipeline(Parrot(), Reader()).run(fail())


async def test_an_error_of_the_consumer_comes_out_as_itself() -> None:
    def fail() -> None:
        raise BrokenPipeError

    model = ScriptedModel(["Hel", Gate()])
    with pytest.raises(BrokenPipeError):
        await Pipeline(streaming(model), Leaver(fail)).run(endless())
    assert model.cancelled == 1


# Stopping


async def test_stopping_a_turn_tells_the_consumer_and_asks_the_next_prompt() -> None:
    reader = Reader()
    gate = Gate()
    model = ScriptedModel(["Hel", gate, "lo"], "Next.")
    pipeline = Pipeline(streaming(model), reader)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(pipeline.run, [prompt("one"), prompt("two")])
        await gate.reached()
        pipeline.stop_turn()
    text, failed, *rest = reader.deltas
    assert text == TextDelta("Hel")
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, TurnCancelled)
    assert (failed.state, failed.request_id, failed.session) == ("cancelled", "r-one", "s")
    assert rest == [TextDelta("Next."), done("two")]
    assert model.cancelled == 1


async def test_stopping_a_turn_where_none_runs_does_nothing() -> None:
    reader = Reader()
    pipeline = Pipeline(Parrot(), reader)
    pipeline.stop_turn()
    await pipeline.run([prompt("one")])
    pipeline.stop_turn()
    assert reader.deltas == [TextDelta("one"), done("one")]


async def test_stopping_between_two_turns_stops_neither() -> None:
    reader = Reader()
    pipeline = Pipeline(Parrot(), reader)

    async def type_in() -> AsyncIterator[Prompt]:
        yield prompt("one")
        await reader.has(2)
        await anyio.wait_all_tasks_blocked()
        pipeline.stop_turn()
        yield prompt("two")

    await pipeline.run(type_in())
    assert reader.deltas[2:] == [TextDelta("two"), done("two")]


async def test_stop_ends_the_turn_takes_no_further_prompt_and_returns() -> None:
    reader = Reader()
    gate = Gate()
    model = ScriptedModel(["Hel", gate, "lo"])
    pipeline = Pipeline(streaming(model), reader)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(pipeline.run, [prompt(str(number)) for number in range(5)])
        await gate.reached()
        await anyio.wait_all_tasks_blocked()
        pipeline.stop()
    assert [type(delta) for delta in reader.deltas] == [TextDelta, Failed]
    assert reader.ended
    assert len(model.requests) == 1


async def test_stop_ends_a_producer_that_waits_for_a_person() -> None:
    reader = Reader()
    pipeline = Pipeline(Parrot(), reader)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(pipeline.run, endless())
        await reader.has(2)
        pipeline.stop()
    assert reader.deltas == [TextDelta("first"), done("first")]
    assert reader.ended


async def test_stopped_before_it_runs_it_asks_nothing() -> None:
    parrot, reader = Parrot(), Reader()
    pipeline = Pipeline(parrot, reader)
    pipeline.stop()
    await pipeline.run([prompt(str(number)) for number in range(5)])
    assert parrot.asked == []
    assert reader.ended


async def test_what_was_said_before_a_stop_is_in_the_session() -> None:
    store = InMemorySessions()
    gate = Gate()
    pipeline = Pipeline(StreamingChat(ScriptedModel(["Hel", gate]), store), Reader())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(pipeline.run, [prompt("one")])
        await gate.reached()
        pipeline.stop()
    (turn,) = await store.load("s")
    assert (turn.text, turn.state) == ("Hel", "cancelled")


# Leaving


async def test_a_consumer_that_leaves_ends_the_pipeline() -> None:
    model = ScriptedModel(["Hel", Gate(), "lo"])
    await Pipeline(streaming(model), Leaver()).run(endless())
    assert model.cancelled == 1
    assert len(anyio.get_running_tasks()) == 1


async def test_a_service_that_speaks_while_its_consumer_leaves_is_no_error() -> None:
    gate = Gate()
    model = ScriptedModel(["Hel", gate, "lo"])
    await Pipeline(streaming(model), Leaver(gate.open)).run(endless())
    assert model.cancelled == 1


async def test_cancelling_the_pipeline_leaves_no_task() -> None:
    gate = Gate()
    model = ScriptedModel(["Hel", gate, "lo"])
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Pipeline(streaming(model), Reader()).run, endless())
        await gate.reached()
        tasks.cancel_scope.cancel()
    assert model.cancelled == 1
    assert len(anyio.get_running_tasks()) == 1


# On the wire


async def test_stopping_a_turn_closes_the_upstream_socket() -> None:
    send, pieces = anyio.create_memory_object_stream[str](1)
    async with (
        FakeOpenAI() as fake,
        AsyncOpenAI(base_url=fake.base_url, api_key="k", max_retries=0) as client,
        send,
    ):

        async def the_client() -> AsyncOpenAI:
            return client

        fake.answer(pieces)
        await send.send("Hel")
        reader = Reader()
        pipeline = Pipeline(streaming(OpenAIChat(the_client, model="m")), reader)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(pipeline.run, [prompt("one")])
            await reader.has(1)
            pipeline.stop_turn()
            await fake.wait_for_hangup(fake.calls[0])
        assert [type(delta) for delta in reader.deltas] == [TextDelta, Failed]


@pytest.mark.checklist(185)
@pytest.mark.usefixtures("time_flies")
async def test_a_consumer_that_is_slow_slows_the_upstream_read() -> None:
    """The server has more to say than all buffers on the way hold, and is made to wait."""
    said = ["x" * 64 * 1024] * 256
    go_on = anyio.Event()
    reader = Reader()

    class Slow:
        async def consume(self, source: Source) -> None:
            await source.receive()
            await go_on.wait()
            await reader.consume(source)

    async with (
        FakeOpenAI(send_buffer=256 * 1024) as fake,
        AsyncOpenAI(base_url=fake.base_url, api_key="k", max_retries=0) as client,
        anyio.create_task_group() as tasks,
    ):

        async def the_client() -> AsyncOpenAI:
            return client

        fake.answer(said)
        pipeline = Pipeline(streaming(OpenAIChat(the_client, model="m")), Slow())
        tasks.start_soon(pipeline.run, [prompt("one")])
        call = await fake.wait_for_call()
        await fake.until(lambda: call.blocked)
        with anyio.move_on_after(0.2) as patience:
            await fake.until(lambda: call.finished is not None)
        stuck = patience.cancelled_caught and call.blocked
        assert stuck, "the server could say everything to nobody"
        assert call.sent_bytes < 8 * 1024 * 1024
        go_on.set()
        await fake.until(lambda: call.finished is not None)
    assert isinstance(reader.deltas[-1], Done)


async def test_it_wants_a_capacity_that_something_fits_in() -> None:
    with pytest.raises(ValueError, match="at least 1 character"):
        await Pipeline(Parrot(), Reader(), capacity=0).run([])


@pytest.mark.checklist(185)
async def test_a_small_capacity_makes_the_service_wait() -> None:
    said: list[str] = []
    hold = anyio.Event()

    class Talker:
        async def respond(self, prompt: Prompt, out: Sink) -> None:
            for piece in ("12345", "67890", "never"):
                await out.send(TextDelta(piece))
                said.append(piece)

    class Held:
        async def consume(self, source: Source) -> None:
            await hold.wait()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Pipeline(Talker(), Held(), capacity=10).run, [prompt("one")])
        await anyio.wait_all_tasks_blocked()
        assert said == ["12345", "67890"]
        hold.set()
