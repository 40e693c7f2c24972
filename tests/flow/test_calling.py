from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import anyio
import anyio.lowlevel
import pytest
from msgspec.structs import replace
from openai import AsyncOpenAI

from chatbots.deltas import Delta, Done, Failed, Notice, ReasoningDelta, TextDelta
from chatbots.errors import InvalidRequest, ProviderError
from chatbots.flow.calling import Asking, Said, Stream, ask, make_prompt, stream
from chatbots.interfaces import ChatModel, Sink
from chatbots.messages import DEFAULT_TIMEOUT, Message, Metrics, Prompt, TokenLogprob, Usage
from chatbots.provider.chat import OpenAIChat
from chatbots.sampling import Sampling
from chatbots.services.stateless import StatelessChat
from chatbots.services.streaming import StreamingChat
from chatbots.sessions.in_memory import InMemorySessions
from chatbots.testing import FakeOpenAI, Gate, ScriptedModel
from chatbots.tool_calls import ToolCall
from chatbots.tools.registry import ToolRegistry

NOTICE = Notice("n", "By the way.")
DONE = Done(state="completed", reason="stop", usage=Usage(1, 2, 3), request_id="r", session="s")
CUT = Done(state="incomplete", reason="length", usage=None, request_id="r", session="s")


def broken(code: str = "stream_interrupted") -> Failed:
    error = ProviderError(code, "The connection was lost.")
    return Failed(error=error, state="interrupted", request_id="r", session=None)


class Service:
    """A service that sends *steps*: deltas, exceptions to raise, or what is awaited."""

    def __init__(self, *steps: Delta | Exception | Callable[[], Awaitable[object]]) -> None:
        self.steps = steps
        self.asked: list[Prompt] = []
        self.cancelled = 0

    async def respond(self, prompt: Prompt, out: Sink) -> None:
        self.asked.append(prompt)
        try:
            for step in self.steps:
                if isinstance(step, Exception):
                    raise step
                await (step() if callable(step) else out.send(step))
        except anyio.get_cancelled_exc_class():
            self.cancelled += 1
            raise


def streaming(model: ChatModel) -> StreamingChat:
    return StreamingChat(model, InMemorySessions())


# What is asked


@pytest.mark.checklist(189)
@pytest.mark.parametrize(
    ("said", "messages"),
    [
        ("Hi", (Message("user", "Hi"),)),
        (Message("developer", "Be brief."), (Message("developer", "Be brief."),)),
        (
            [Message("user", "a"), Message("user", "b")],
            (Message("user", "a"), Message("user", "b")),
        ),
    ],
)
def test_a_text_a_message_or_several_can_be_said(said: Said, messages: tuple[Message, ...]) -> None:
    prompt = make_prompt(said, request_id="r")
    assert prompt == Prompt(messages=messages, request_id="r", timeout=DEFAULT_TIMEOUT)


def test_every_keyword_reaches_the_prompt() -> None:
    assert make_prompt(
        "Hi",
        session="s",
        request_id="r",
        timeout=1.5,
        model="m",
        instructions="",
        temperature=0.0,
        top_p=0.5,
        frequency_penalty=0.0,
        presence_penalty=-2,
        max_tokens=3,
        stop=["\n", "END"],
        seed=0,
        logprobs=0,
        reasoning_effort="low",
    ) == Prompt(
        messages=(Message("user", "Hi"),),
        session="s",
        request_id="r",
        timeout=1.5,
        model="m",
        instructions="",
        sampling=Sampling(
            temperature=0.0,
            top_p=0.5,
            frequency_penalty=0.0,
            presence_penalty=-2,
            max_tokens=3,
            stop=("\n", "END"),
            seed=0,
            logprobs=0,
            reasoning_effort="low",
        ),
    )


def test_every_way_to_pick_words_has_its_keyword() -> None:
    assert set(Sampling.__struct_fields__) <= set(Asking.__annotations__)


@pytest.mark.parametrize(
    ("said", "stop"), [("END", ("END",)), (["a", "b"], ("a", "b")), ((), ()), (None, None)]
)
def test_one_text_or_several_end_an_answer(
    said: str | list[str] | None, stop: tuple[str, ...] | None
) -> None:
    assert make_prompt("Hi", stop=said).sampling.stop == stop


def test_the_output_type_reaches_the_prompt() -> None:
    assert make_prompt("Hi").output is None
    shape = make_prompt("Hi", output_type=int).output
    assert shape is not None
    assert shape.value_of("3") == 3
    with pytest.raises(InvalidRequest):
        stream(Service(), "Hi", output_type={"type": "objekt"})


async def test_the_value_asked_for_comes_with_the_reply() -> None:
    for output_type, value in ((int, 3), ({"type": "integer"}, 3), (None, None)):
        reply = await ask(Service(TextDelta("3"), DONE), "Hi", output_type=output_type)
        assert reply.output == value
        async with stream(Service(TextDelta("3"), DONE), "Hi", output_type=output_type) as s:
            assert await read_text(s) == ["3"]
        assert s.reply.output == value


@pytest.mark.parametrize("way", ["deltas", "text"])
async def test_reading_does_not_end_normally_on_what_is_no_value(way: str) -> None:
    async with stream(Service(TextDelta("three"), DONE), "Hi", output_type=int) as s:
        with pytest.raises(ProviderError, match="does not fit") as caught:
            [part async for part in (s if way == "deltas" else s.text)]
    assert (caught.value.code, caught.value.partial) == ("output_invalid", "three")


def test_a_turn_without_a_name_gets_a_fresh_one() -> None:
    assert make_prompt("Hi").request_id != make_prompt("Hi", request_id=None).request_id


def test_an_impossible_number_is_refused_at_once() -> None:
    with pytest.raises(InvalidRequest):
        make_prompt("Hi", temperature=3)
    with pytest.raises(InvalidRequest):
        stream(Service(), "Hi", max_tokens=0)


# ask


async def test_ask_returns_the_whole_answer() -> None:
    reply = await ask(Service(TextDelta("Hel"), NOTICE, TextDelta("lo"), DONE), "Hi")
    assert reply.text == "Hello"
    assert (reply.state, reply.reason, reply.usage) == ("completed", "stop", Usage(1, 2, 3))
    assert (reply.request_id, reply.session) == ("r", "s")


async def test_ask_returns_what_is_known_about_the_answer_and_no_reasoning_in_it() -> None:
    logprobs, metrics = (TokenLogprob("Hel", -0.5),), Metrics(seconds=1.5, first_token=0.5)
    end = replace(DONE, logprobs=logprobs, metrics=metrics)
    reply = await ask(Service(ReasoningDelta("Hm"), TextDelta("Hel"), end), "Hi")
    assert (reply.text, reply.logprobs, reply.metrics) == ("Hel", logprobs, metrics)


async def test_ask_returns_an_answer_that_was_cut_and_says_so() -> None:
    reply = await ask(Service(TextDelta("Hel"), CUT), "Hi")
    assert (reply.text, reply.state, reply.reason) == ("Hel", "incomplete", "length")


async def test_ask_raises_the_error_of_a_broken_turn_with_what_had_arrived() -> None:
    end = broken()
    with pytest.raises(ProviderError) as raised:
        await ask(Service(TextDelta("Hel"), TextDelta("lo"), end), "Hi")
    assert raised.value is end.error
    assert raised.value.partial == "Hello"


async def test_ask_raises_a_bug_as_itself() -> None:
    with pytest.raises(ZeroDivisionError):
        await ask(Service(TextDelta("Hel"), ZeroDivisionError()), "Hi")


async def test_ask_does_not_take_a_reply_without_an_end_for_a_whole_one() -> None:
    with pytest.raises(RuntimeError, match="no terminal delta"):
        await ask(Service(TextDelta("Hel")), "Hi")


# stream


async def test_a_stream_gives_the_deltas_and_then_the_reply() -> None:
    service = Service(TextDelta("Hel"), NOTICE, TextDelta("l"), TextDelta("o"), DONE)
    async with stream(service, "Hi", request_id="r9") as s:
        assert s.request_id == "r9"
        deltas = [delta async for delta in s]
    assert deltas == [TextDelta("Hel"), NOTICE, TextDelta("lo"), DONE]
    assert s.partial == s.reply.text == "Hello"
    assert s.reply.usage == Usage(1, 2, 3)


async def test_a_stream_gives_the_text_alone() -> None:
    service = Service(TextDelta("Hel"), NOTICE, TextDelta("lo"), DONE)
    async with stream(service, "Hi") as s:
        assert [text async for text in s.text] == ["Hel", "lo"]
        assert [text async for text in s.text] == []
        assert [delta async for delta in s] == []
    assert s.reply.text == "Hello"


async def test_text_is_there_as_soon_as_it_is_said() -> None:
    gate = Gate()
    with anyio.fail_after(10):
        async with stream(streaming(ScriptedModel(["Hel", gate, "lo"])), "Hi") as s:
            pieces = aiter(s.text)
            assert await anext(pieces) == s.partial == "Hel"
            with pytest.raises(RuntimeError, match="has not ended"):
                assert s.reply
            gate.open()
            assert await anext(pieces) == "lo"
            with pytest.raises(StopAsyncIteration):
                await anext(pieces)


async def test_a_stream_that_was_cut_ends_and_says_so() -> None:
    async with stream(Service(TextDelta("Hel"), CUT), "Hi") as s:
        assert [text async for text in s.text] == ["Hel"]
    assert (s.reply.state, s.reply.reason) == ("incomplete", "length")


async def read_deltas(s: Stream) -> list[str]:
    return [delta.text async for delta in s if isinstance(delta, TextDelta)]


async def read_text(s: Stream) -> list[str]:
    return [text async for text in s.text]


either_way = pytest.mark.parametrize("read", [read_deltas, read_text])
Read = Callable[[Stream], Awaitable[list[str]]]


@either_way
async def test_a_broken_stream_raises_with_what_had_arrived(read: Read) -> None:
    end = broken()
    service = Service(TextDelta("Hel"), TextDelta("lo"), end)
    with pytest.raises(ProviderError) as raised:
        async with stream(service, "Hi") as s:
            await read(s)
    assert raised.value is end.error
    assert raised.value.partial == s.partial == "Hello"
    with pytest.raises(ProviderError):
        assert s.reply


@either_way
async def test_a_broken_stream_never_ends_normally_however_often_it_is_read(read: Read) -> None:
    async with stream(Service(TextDelta("Hel"), broken()), "Hi") as s:
        for _number in range(3):
            with pytest.raises(ProviderError):
                await read(s)


@either_way
async def test_a_stream_without_an_end_raises_too(read: Read) -> None:
    async with stream(Service(TextDelta("Hel")), "Hi") as s:
        for _number in range(2):
            with pytest.raises(RuntimeError, match="no terminal delta"):
                await read(s)


@either_way
async def test_a_bug_in_the_service_comes_out_as_itself(read: Read) -> None:
    bug = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError) as raised:
        async with stream(Service(TextDelta("Hel"), anyio.lowlevel.checkpoint, bug), "Hi") as s:
            await read(s)
    assert raised.value is bug


async def test_a_bug_that_nobody_waits_for_comes_out_too() -> None:
    with pytest.raises(ZeroDivisionError):
        async with stream(Service(ZeroDivisionError()), "Hi"):
            await anyio.wait_all_tasks_blocked()


async def test_the_readers_own_error_comes_out_as_itself() -> None:
    service = Service(TextDelta("Hel"), anyio.sleep_forever)

    async def read() -> None:
        async with stream(service, "Hi") as s:
            async for _delta in s:
                raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await read()
    assert service.cancelled == 1


# Leaving


@pytest.mark.parametrize("attribute", ["deltas", "text"])
async def test_leaving_early_stops_the_turn_and_leaves_nothing(attribute: str) -> None:
    model = ScriptedModel(["Hel", Gate(), "lo"])
    with anyio.fail_after(10):
        async with stream(streaming(model), "Hi") as s:
            async for _piece in s if attribute == "deltas" else s.text:
                break
        assert model.cancelled == 1
    assert s.partial == "Hel"
    assert len(anyio.get_running_tasks()) == 1


async def test_a_service_that_speaks_while_its_reader_leaves_is_cancelled() -> None:
    go_on = anyio.Event()
    service = Service(TextDelta("Hel"), go_on.wait, TextDelta("lo"))
    with anyio.fail_after(10):
        async with stream(service, "Hi") as s:
            async for _delta in s:
                go_on.set()
                break
    assert service.cancelled == 1


async def test_a_stream_may_be_left_before_it_began() -> None:
    async with stream(Service(TextDelta("Hel"), anyio.sleep_forever), "Hi"):
        pass
    async with stream(Service(anyio.sleep_forever), "Hi"):
        await anyio.wait_all_tasks_blocked()


@pytest.mark.usefixtures("time_flies")
async def test_cancelling_the_reader_stops_the_turn() -> None:
    model = ScriptedModel(["Hel", Gate(), "lo"])
    with anyio.move_on_after(0.05) as scope:
        async with stream(streaming(model), "Hi") as s:
            await read_text(s)
    assert scope.cancelled_caught
    assert model.cancelled == 1


async def leave(s: Stream) -> None:
    async for _text in s.text:
        break


async def run_out_of_time(s: Stream) -> None:
    with pytest.raises(ProviderError) as raised:
        await read_text(s)
    assert (raised.value.code, raised.value.partial) == ("upstream_timeout", "Hel")


async def be_cancelled(s: Stream) -> None:
    with anyio.CancelScope() as scope:
        async for _text in s.text:
            scope.cancel()


@pytest.mark.checklist(184)
@pytest.mark.parametrize(
    ("read", "timeout"), [(leave, 60), (be_cancelled, 60), (run_out_of_time, 0.2)]
)
@pytest.mark.usefixtures("time_flies")
async def test_leaving_a_deadline_or_a_cancel_closes_the_upstream_socket(
    read: Callable[[Stream], Awaitable[None]], timeout: float
) -> None:
    send, pieces = anyio.create_memory_object_stream[str](1)
    with anyio.fail_after(10):
        async with (
            FakeOpenAI() as fake,
            AsyncOpenAI(base_url=fake.base_url, api_key="k", max_retries=0) as client,
            send,
        ):

            async def the_client() -> AsyncOpenAI:
                return client

            fake.answer(pieces)
            await send.send("Hel")
            service = streaming(OpenAIChat(the_client, model="m"))
            async with stream(service, "Hi", timeout=timeout) as s:
                await read(s)
            await fake.wait_for_hangup(fake.calls[0])
            assert len(fake.calls) == 1
            await fake.until(lambda: fake.open_connections == 0)


@pytest.mark.usefixtures("time_flies")
async def test_a_reader_that_is_slow_slows_the_upstream_read() -> None:
    """The server has more to say than all buffers on the way hold, and is made to wait."""
    said = ["x" * 64 * 1024] * 256
    with anyio.fail_after(30):
        async with (
            FakeOpenAI(send_buffer=256 * 1024) as fake,
            AsyncOpenAI(base_url=fake.base_url, api_key="k", max_retries=0) as client,
        ):

            async def the_client() -> AsyncOpenAI:
                return client

            fake.answer(said)
            async with stream(streaming(OpenAIChat(the_client, model="m")), "Hi") as s:
                call = await fake.wait_for_call()
                await fake.until(lambda: call.blocked)
                with anyio.move_on_after(0.2) as patience:
                    await fake.until(lambda: call.finished is not None)
                stuck = patience.cancelled_caught and call.blocked
                assert stuck, "the server could say everything to nobody"
                assert call.sent_bytes < 8 * 1024 * 1024
                await read_text(s)
            assert s.reply.text == "".join(said)


async def test_the_stateless_bot_streams_too() -> None:
    async with stream(StatelessChat(ScriptedModel("Hello.")), "Hi") as s:
        assert await read_text(s) == ["Hello."]


async def test_a_stream_that_was_not_entered_says_how_it_is_read() -> None:
    with pytest.raises(RuntimeError, match="async with"):
        await anext(stream(Service(), "Hi"))


async def test_a_keyword_that_does_not_exist_is_no_keyword() -> None:
    with pytest.raises(TypeError, match="'temprature'"):
        await ask(Service(DONE), "Hi", temprature=1)  # type: ignore[call-overload]  # the mistake


def test_no_timeout_means_the_default_one() -> None:
    assert make_prompt("Hi", timeout=None).timeout == DEFAULT_TIMEOUT


@pytest.mark.parametrize("uvloop", [False, True])
def test_a_reader_whose_turn_was_cancelled_with_it_is_cancelled_not_surprised(
    uvloop: bool,
) -> None:
    class Cancelling:
        def __init__(self, scope: anyio.CancelScope) -> None:
            self._scope = scope

        async def respond(self, prompt: Prompt, out: Sink) -> None:
            await anyio.wait_all_tasks_blocked()
            await out.send(TextDelta("Hi"))
            self._scope.cancel()

    async def main() -> None:
        with anyio.CancelScope() as scope:
            async with stream(Cancelling(scope), "Hi") as s:
                async for _ in s.text:
                    pass
        assert scope.cancelled_caught

    anyio.run(main, backend_options={"use_uvloop": uvloop})


# Tools


def now() -> str:
    return "noon"


def test_a_prompt_carries_what_a_turn_with_tools_needs() -> None:
    def confirm(call: ToolCall, arguments: Mapping[str, object], digest: str) -> bool:
        return True

    asked = make_prompt(
        "Hi", tools=[now], tool_choice={"name": "now"}, on_confirm=confirm, user="ada"
    )
    assert asked.tools is not None
    assert [spec.name for spec in asked.tools.specs()] == ["now"]
    assert (asked.tool_choice, asked.confirm, asked.user) == ("now", confirm, "ada")


def test_a_prompt_needs_no_tools() -> None:
    for asked in (make_prompt("Hi"), make_prompt("Hi", tools=None), make_prompt("Hi", tools=[])):
        assert (asked.tools, asked.tool_choice, asked.confirm, asked.user) == (None,) * 4
    registry = ToolRegistry([now])
    assert make_prompt("Hi", tools=registry).tools is registry


def test_impossible_tools_are_refused_before_anybody_is_asked() -> None:
    with pytest.raises(InvalidRequest, match="That is no tool"):
        make_prompt("Hi", tools=[3])
    with pytest.raises(InvalidRequest):
        make_prompt("Hi", tool_choice={"type": "allowed_tools"})
