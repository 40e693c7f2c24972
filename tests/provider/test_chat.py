"""Chat completions over real sockets: whole, streamed, broken off, left."""

from __future__ import annotations

import json
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
import msgspec
import pytest
from openai import AsyncOpenAI
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from chatbots.deltas import Delta, ReasoningDelta, TextDelta
from chatbots.errors import ChatError, InvalidRequest, ProviderError
from chatbots.flow.channel import open_channel
from chatbots.images import Image
from chatbots.messages import Message, ModelAnswer, ModelRequest, TokenLogprob, Usage
from chatbots.provider import chat, streamed
from chatbots.provider.chat import OpenAIChat
from chatbots.provider.client import Access, SharedClient
from chatbots.provider.patience import Patience
from chatbots.sampling import Sampling
from chatbots.testing import CollectingSink, FakeOpenAI
from chatbots.testing.http1 import Exchange, Player
from chatbots.tool_calls import ToolCall

KEY = "sk-canary-0123456789"


@asynccontextmanager
async def model_on(fake: FakeOpenAI) -> AsyncIterator[OpenAIChat]:
    shared = SharedClient(Access(api_key=KEY, base_url=fake.base_url))

    async def client() -> AsyncOpenAI:
        return shared.get()

    try:
        yield OpenAIChat(client, model="m")
    finally:
        await shared.aclose()


@asynccontextmanager
async def model_played(
    player: Player, *, own_client: bool, patience: Patience | None = None
) -> AsyncIterator[tuple[OpenAIChat, FakeOpenAI]]:
    """Give a model that *player* answers, over an application's own client or over ours."""
    async with (
        FakeOpenAI() as fake,
        AsyncOpenAI(api_key=KEY, base_url=fake.base_url, max_retries=0) as given,
        model_on(fake) as ours,
    ):

        async def client() -> AsyncOpenAI:
            return given

        fake.play(player)
        asked = client if own_client else ours._client
        yield OpenAIChat(asked, model="m", patience=patience or Patience()), fake


def asking(*, stream: bool, said: str = "Hi") -> ModelRequest:
    return ModelRequest(messages=(Message("user", said),), stream=stream, request_id="r1")


async def told(model: OpenAIChat, request: ModelRequest) -> tuple[list[str], object]:
    """Return the pieces that were sent, and the answer or the error."""
    out, source = open_channel()
    pieces: list[str] = []
    try:
        result: object = await model.complete(request, out)
    except ChatError as error:
        result = error
    out.close()
    async for delta in source:
        assert isinstance(delta, TextDelta)
        pieces.append(delta.text)
    return pieces, result


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_is_sent_and_returned(stream: bool) -> None:
    async with FakeOpenAI() as fake, model_on(fake) as model:
        fake.answer("Hello there, Ada.")
        out, source = open_channel()
        answer = await model.complete(asking(stream=stream), out)
        assert await source.receive() == TextDelta("Hello there, Ada.")
    assert answer.text == "Hello there, Ada."
    assert (answer.state, answer.reason) == ("completed", "stop")
    assert isinstance(answer.usage, Usage)
    assert answer.usage.output_tokens > 0
    assert fake.calls[0].json.get("stream", False) is stream


async def test_a_streamed_answer_arrives_while_it_forms() -> None:
    async with FakeOpenAI() as fake, model_on(fake) as model:
        say, pieces = anyio.create_memory_object_stream[str](0)
        fake.answer(pieces)
        out, source = open_channel()
        async with anyio.create_task_group() as group, say:
            group.start_soon(model.complete, asking(stream=True), out)
            await say.send("Hel")
            assert await source.receive() == TextDelta("Hel")
            await say.send("lo")
            assert await source.receive() == TextDelta("lo")
            await say.aclose()


@pytest.mark.parametrize("stream", [False, True])
async def test_ten_turns_use_one_connection(stream: bool) -> None:
    async with FakeOpenAI() as fake, model_on(fake) as model:
        for _ in range(10):
            await told(model, asking(stream=stream))
        assert len(fake.calls) == 10
        assert fake.connections == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_a_cut_answer_is_incomplete(stream: bool) -> None:
    async with FakeOpenAI() as fake, model_on(fake) as model:
        fake.answer("Once upon a", finish_reason="length")
        answer = await model.complete(asking(stream=stream), open_channel()[0])
    assert (answer.state, answer.reason, answer.text) == ("incomplete", "length", "Once upon a")


async def test_a_stream_that_ends_without_a_finish_reason_is_interrupted() -> None:
    async with FakeOpenAI() as fake, model_on(fake) as model:
        fake.answer("Once upon a time", finish_reason=None)
        pieces, error = await told(model, asking(stream=True))
    assert "".join(pieces) == "Once upon a time"
    assert isinstance(error, ProviderError)
    assert error.code == "stream_interrupted"
    assert "finish_reason" in str(error)


async def test_a_connection_that_is_reset_mid_answer_is_interrupted_and_not_tried_again() -> None:
    async with FakeOpenAI() as fake, model_on(fake) as model:
        fake.answer(["Once", " upon", " a"], drop_after=2)
        pieces, error = await told(model, asking(stream=True))
        assert len(fake.calls) == 1
    assert "".join(pieces) == "Once upon"
    assert isinstance(error, ProviderError)
    assert error.code == "stream_interrupted"


async def test_a_connection_that_is_reset_before_anything_was_shown_is_tried_again() -> None:
    async with FakeOpenAI() as fake, model_on(fake) as model:
        fake.answer("never shown", drop_after=0)
        fake.answer("Hello")
        pieces, _ = await told(model, asking(stream=True))
        assert len(fake.calls) == 2
    assert "".join(pieces) == "Hello"


async def test_the_server_may_fail_twice_and_then_answer() -> None:
    async with FakeOpenAI() as fake, model_on(fake) as model:
        for _ in range(2):
            fake.answer(status=503, error="busy", headers={"retry-after-ms": "1"})
        fake.answer("Hello")
        pieces, _ = await told(model, asking(stream=False))
        assert len(fake.calls) == 3
    assert pieces == ["Hello"]


async def test_the_server_that_fails_a_third_time_is_believed() -> None:
    async with FakeOpenAI() as fake, model_on(fake) as model:
        for _ in range(3):
            fake.answer(status=500, error="broken", headers={"retry-after-ms": "1"})
        pieces, error = await told(model, asking(stream=True))
        assert len(fake.calls) == 3
    assert pieces == []
    assert isinstance(error, ProviderError)
    assert error.code == "upstream_error"


async def test_a_server_that_refuses_the_request_is_the_callers_matter() -> None:
    async with FakeOpenAI() as fake, model_on(fake) as model:
        fake.answer(status=400, error="messages[0] is odd")
        _, error = await told(model, asking(stream=False))
        assert len(fake.calls) == 1
    assert isinstance(error, InvalidRequest)
    assert "messages[0] is odd" in str(error)


async def test_leaving_closes_the_upstream_socket() -> None:
    async with FakeOpenAI() as fake, model_on(fake) as model:
        say, pieces = anyio.create_memory_object_stream[str](0)
        fake.answer(pieces)
        out, source = open_channel()
        async with anyio.create_task_group() as group, say:
            group.start_soon(model.complete, asking(stream=True), out)
            await say.send("Hel")
            await source.receive()
            group.cancel_scope.cancel()
        with anyio.fail_after(20):
            await fake.wait_for_hangup(fake.calls[0])


async def test_a_reader_who_left_ends_the_request_as_itself() -> None:
    async with FakeOpenAI() as fake, model_on(fake) as model:
        out, source = open_channel()
        source.close()
        with pytest.raises(anyio.BrokenResourceError):
            await model.complete(asking(stream=True), out)


async def test_an_error_in_the_stream_keeps_its_words_and_the_text_before_it() -> None:
    async def player(exchange: Exchange) -> None:
        await exchange.start(200, {"content-type": "text/event-stream"})
        await exchange.send(b'data: {"choices":[{"delta":{"content":"Hi"}}]}\n\n')
        await exchange.send(b'data: {"error":{"message":"It broke","code":"server_error"}}\n\n')
        await exchange.finish()

    async with FakeOpenAI() as fake, model_on(fake) as model:
        fake.play(player)
        pieces, error = await told(model, asking(stream=True))
    assert pieces == ["Hi"]
    assert isinstance(error, ProviderError)
    assert error.code == "upstream_error"
    assert "It broke" in str(error)


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (b"data: {nope\n\n", "stream_interrupted"),
        (b"data: [1]\n\n", "stream_interrupted"),
        (b"data: " + b"x" * 1_100_000 + b"\n\n", "upstream_bad_response"),
    ],
)
async def test_an_event_that_makes_no_sense_keeps_the_text_before_it(
    event: bytes, code: str
) -> None:
    async def player(exchange: Exchange) -> None:
        await exchange.start(200, {"content-type": "text/event-stream"})
        await exchange.finish(b'data: {"choices":[{"delta":{"content":"Hi"}}]}\n\n' + event)

    async with FakeOpenAI() as fake, model_on(fake) as model:
        fake.play(player)
        pieces, error = await told(model, asking(stream=True))
    assert pieces == ["Hi"]
    assert isinstance(error, ProviderError)
    assert error.code == code


async def bad_body(content_type: str, body: bytes, *, stream: bool) -> ProviderError:
    async def player(exchange: Exchange) -> None:
        await exchange.respond(200, body, {"content-type": content_type})

    async with FakeOpenAI() as fake, model_on(fake) as model:
        for _ in range(3):
            fake.play(player)
        pieces, error = await told(model, asking(stream=stream))
    assert pieces == []
    assert isinstance(error, ProviderError)
    return error


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/html; charset=utf-8", b"<html>Welcome</html>"),
        ("application/json", b""),
        ("application/json", b"{}"),
        ("application/json", b'{"choices":[{"message":{"content":"Hi"}}]}'),
        ("application/json", b'{"choices":[{"message":{"content":""},"finish_reason":"stop"}]}'),
        ("text/event-stream", b""),
        ("text/event-stream", b"data: [DONE]\n\n"),
        (
            "text/event-stream",
            b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n',
        ),
    ],
)
async def test_a_success_that_is_no_answer_is_never_an_empty_answer(
    content_type: str, body: bytes, stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatbots.provider.tries._BACKOFF", 0.001)
    error = await bad_body(content_type, body, stream=stream)
    assert error.code == "upstream_bad_response"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("reason", ["length", "content_filter"])
async def test_an_answer_that_was_cut_may_say_nothing(reason: str, stream: bool) -> None:
    async with FakeOpenAI() as fake, model_on(fake) as model:
        fake.answer("", finish_reason=reason)
        _, answer = await told(model, asking(stream=stream))
    assert isinstance(answer, ModelAnswer)
    assert (answer.state, answer.text) == ("incomplete", "")


async def test_those_whose_answers_are_empty_do_not_keep_others_from_the_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chatbots.provider.tries._BACKOFF", 0.001)
    async with FakeOpenAI() as fake, model_on(fake) as model:
        for _ in range(20):
            fake.answer("")
        for _ in range(6):
            _, error = await told(model, asking(stream=False))
            assert isinstance(error, ProviderError)
            assert "empty" in error.message


async def test_a_server_that_streams_to_nobody_may_answer_whole() -> None:
    async def player(exchange: Exchange) -> None:
        await exchange.respond(
            200,
            b'{"choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}]}',
            {"content-type": "application/json"},
        )

    async with FakeOpenAI() as fake, model_on(fake) as model:
        fake.play(player)
        pieces, _ = await told(model, asking(stream=True))
    assert pieces == ["Hi"]


async def test_a_whole_answer_beyond_the_cap_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatbots.provider.chat.MAX_BODY", 100)
    monkeypatch.setattr("chatbots.provider.tries._BACKOFF", 0.001)
    error = await bad_body("application/json", b"x" * 101, stream=False)
    assert "more than 100 bytes" in str(error)


async def test_a_server_that_keeps_talking_after_the_end_does_not_hold_the_turn() -> None:
    async def player(exchange: Exchange) -> None:
        await exchange.start(200, {"content-type": "text/event-stream"})
        await exchange.send(
            b'data: {"choices":[{"delta":{"content":"Hi"},"finish_reason":"stop"}]}\n\n'
            b"data: [DONE]\n\n"
        )
        await anyio.sleep_forever()

    async with FakeOpenAI() as fake, model_on(fake) as model:
        fake.play(player)
        with anyio.fail_after(20):
            pieces, _ = await told(model, asking(stream=True))
    assert pieces == ["Hi"]


async def test_no_error_shows_the_key() -> None:
    async with FakeOpenAI() as fake, model_on(fake) as model:
        fake.answer(status=401, error=f"Incorrect API key provided: {KEY}.")
        _, error = await told(model, asking(stream=True))
    assert isinstance(error, ProviderError)
    assert error.code == "upstream_auth"
    assert KEY not in str(error)
    assert KEY not in repr(error)


async def test_an_error_in_the_answer_does_not_show_the_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chatbots.provider.tries._BACKOFF", 0.001)
    body = b'data: {"error":{"message":"%sNo such key: %s"}}\n\n' % (b"x" * 275, KEY.encode())
    error = await bad_body("text/event-stream", body, stream=True)
    assert "No such key: [" in str(error)
    assert KEY[:8] not in str(error)


async def test_a_request_is_a_span_with_the_field_names_of_the_genai_conventions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    monkeypatch.setattr("opentelemetry.trace.get_tracer", provider.get_tracer)
    async with FakeOpenAI() as fake, model_on(fake) as model:
        fake.answer("Hello", finish_reason="length")
        fake.answer(status=400, error="no")
        await told(model, asking(stream=True))
        await told(model, asking(stream=True))
    answered, failed = spans.get_finished_spans()
    assert answered.name == "chat m"
    assert answered.attributes is not None
    assert answered.attributes["gen_ai.operation.name"] == "chat"
    assert answered.attributes["gen_ai.request.model"] == "m"
    assert answered.attributes["gen_ai.response.finish_reasons"] == ("length",)
    assert answered.attributes["gen_ai.usage.output_tokens"] == 1
    assert not failed.status.is_ok
    assert "Hi" not in str([span.to_json() for span in spans.get_finished_spans()])


async def test_a_try_asks_for_the_client_anew_for_the_server_may_be_another_by_then() -> None:
    async with FakeOpenAI() as gone:
        pass
    async with FakeOpenAI() as here:
        here.answer("Hello")
        urls = (gone.base_url, here.base_url)
        clients = [SharedClient(Access(api_key=KEY, base_url=url)) for url in urls]
        left = iter(clients)

        async def client() -> AsyncOpenAI:
            return next(left).get()

        pieces, _ = await told(OpenAIChat(client, model="m"), asking(stream=True))
        for one in clients:
            await one.aclose()
    assert "".join(pieces) == "Hello"


@pytest.mark.parametrize("own_client", [False, True])
async def test_a_key_the_server_repeats_is_in_no_traceback(own_client: bool) -> None:
    async with FakeOpenAI() as fake:
        fake.answer(status=401, error=f"Incorrect API key provided: {KEY}.")
        shared = SharedClient(Access(api_key=KEY, base_url=fake.base_url))
        given = AsyncOpenAI(api_key=KEY, base_url=fake.base_url, max_retries=0)

        async def client() -> AsyncOpenAI:
            return given if own_client else shared.get()

        _, error = await told(OpenAIChat(client, model="m"), asking(stream=True))
        await shared.aclose()
        await given.close()
    assert isinstance(error, ProviderError)
    assert KEY not in "".join(traceback.format_exception(error))


async def test_a_key_in_what_is_no_http_is_in_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatbots.provider.tries._BACKOFF", 0.001)
    key = "canary0123456789"

    async def player(exchange: Exchange) -> None:
        await exchange.raw(f"No such key: {key}\r\n\r\n".encode())

    async with FakeOpenAI() as fake, AsyncOpenAI(api_key=key, base_url=fake.base_url) as given:
        for _ in range(3):
            fake.play(player)

        async def client() -> AsyncOpenAI:
            return given

        _, error = await told(OpenAIChat(client, model="m"), asking(stream=True))
    assert isinstance(error, ProviderError)
    shown = "".join(traceback.format_exception(error))
    assert "No such key: [redacted]" in shown
    assert key not in shown


async def test_a_key_that_no_header_can_carry_is_not_shown_in_part() -> None:
    key = "a\nSECRET12345"
    async with FakeOpenAI() as fake, AsyncOpenAI(api_key=key, base_url=fake.base_url) as given:

        async def client() -> AsyncOpenAI:
            return given

        _, error = await told(OpenAIChat(client, model="m"), asking(stream=True))
    assert isinstance(error, ProviderError)
    assert "SECRET12345" not in str(error)


@pytest.mark.parametrize(("named", "asked"), [(None, "m"), ("n", "n")])
async def test_a_fallback_answers_for_the_model_that_was_named_as_well(
    named: str | None, asked: str
) -> None:
    async with FakeOpenAI() as fake, AsyncOpenAI(api_key=KEY, base_url=fake.base_url) as given:

        async def client() -> AsyncOpenAI:
            return given

        fake.answer(status=404, error="There is no such model.")
        model = OpenAIChat(client, model="m", fallbacks=("other",))
        request = msgspec.structs.replace(asking(stream=True), model=named)
        answer = await model.complete(request, CollectingSink())
        assert [call.json["model"] for call in fake.calls] == [asked, "other"]
    assert answer.text == "Hi"


# What is said and answered beside text

CALL = ToolCall("c1", "look", '{"at": "Zürich"}')
CONVERSATION = (
    Message("developer", "Be brief."),
    Message("user", "What is this?", images=(Image("data:image/png;base64,AAAA", "low"),)),
    Message("assistant", "", tool_calls=(CALL,)),
    Message("tool", "A town.", tool_call_id="c1"),
)
PICKING = Sampling(
    temperature=0,
    top_p=0.5,
    frequency_penalty=0.25,
    presence_penalty=-0.25,
    max_tokens=7,
    stop=("\n",),
    seed=1,
    logprobs=2,
    reasoning_effort="low",
)


async def narrated(fake: FakeOpenAI, *, stream: bool) -> tuple[list[Delta], ModelAnswer]:
    sink = CollectingSink()
    async with model_on(fake) as model:
        answer = await model.complete(asking(stream=stream), sink)
    return sink.deltas, answer


@pytest.mark.parametrize("stream", [False, True])
async def test_our_way_and_the_sdks_carry_the_same_conversation(stream: bool) -> None:
    request = ModelRequest(messages=CONVERSATION, stream=stream, request_id="r1", sampling=PICKING)
    async with FakeOpenAI() as fake, model_on(fake) as model:
        given = AsyncOpenAI(api_key=KEY, base_url=fake.base_url, max_retries=0)

        async def client() -> AsyncOpenAI:
            return given

        for one in (model, OpenAIChat(client, model="m")):
            await one.complete(request, CollectingSink())
        await given.close()
        ours, theirs = fake.calls
    assert ours.json == theirs.json
    assert ours.json["messages"] == [
        {"role": "developer", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is this?"},
                {
                    "type": "image_url",
                    "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"},
                },
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "c1",
                    "type": "function",
                    "function": {"name": "look", "arguments": '{"at": "Zürich"}'},
                }
            ],
        },
        {"role": "tool", "content": "A town.", "tool_call_id": "c1"},
    ]
    fields = ("logprobs", "top_logprobs", "stop", "seed", "reasoning_effort", "max_tokens")
    assert [ours.json[name] for name in fields] == [True, 2, ["\n"], 1, "low", 7]
    picking = ("temperature", "top_p", "frequency_penalty", "presence_penalty")
    assert [ours.json[name] for name in picking] == [0, 0.5, 0.25, -0.25]


@pytest.mark.parametrize("stream", [False, True])
async def test_reasoning_comes_before_the_text_and_is_no_part_of_it(stream: bool) -> None:
    async with FakeOpenAI() as fake:
        fake.answer("Hello there.", fault="reasoning")
        deltas, answer = await narrated(fake, stream=stream)
    kinds = [type(delta) for delta in deltas]
    assert kinds == sorted(kinds, key=[ReasoningDelta, TextDelta].index)
    thoughts = [delta.text for delta in deltas if isinstance(delta, ReasoningDelta)]
    assert thoughts
    assert all(thoughts)
    assert answer.text == "Hello there."
    assert answer.text == "".join(d.text for d in deltas if isinstance(d, TextDelta))


async def test_text_and_reasoning_in_one_read_keep_their_order() -> None:
    def said(**delta: str) -> bytes:
        return b"data: %s\n\n" % msgspec.json.encode({"choices": [{"delta": delta}]})

    events = (
        said(content="A"),
        said(content="B"),
        said(reasoning_content="1"),
        said(reasoning_content="2", content="C"),
        b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n',
    )

    async def player(exchange: Exchange) -> None:
        await exchange.start(200, {"content-type": "text/event-stream"})
        await exchange.finish(b"".join(events))

    async with FakeOpenAI() as fake:
        fake.play(player)
        deltas, answer = await narrated(fake, stream=True)
    assert answer.text == "ABC"
    assert "".join(d.text for d in deltas if isinstance(d, ReasoningDelta | TextDelta)) == "AB12C"


async def test_what_was_thought_was_shown_and_is_not_asked_for_again() -> None:
    async def player(exchange: Exchange) -> None:
        await exchange.start(200, {"content-type": "text/event-stream"})
        await exchange.send(b'data: {"choices":[{"delta":{"reasoning":"Hm."}}]}\n\n')
        exchange.reset()

    async with FakeOpenAI() as fake, model_on(fake) as model:
        fake.play(player)
        sink = CollectingSink()
        with pytest.raises(ProviderError) as caught:
            await model.complete(asking(stream=True), sink)
        assert len(fake.calls) == 1
    assert caught.value.code == "stream_interrupted"
    assert sink.deltas == [ReasoningDelta("Hm.")]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("fault", "calls"),
    [("tool-split:100", 1), ("tool-interleaved:3", 3), ("tool-no-id", 1), ("tool-bomb:20", 20)],
)
async def test_calls_of_tools_are_put_together(fault: str, calls: int, stream: bool) -> None:
    async with FakeOpenAI() as fake:
        fake.answer(fault=fault)
        deltas, answer = await narrated(fake, stream=stream)
    assert deltas == []
    assert (answer.state, answer.reason, answer.text) == ("completed", "tool_calls", "")
    assert len({call.id for call in answer.tool_calls}) == calls
    for call in answer.tool_calls:
        assert call.id
        assert call.name == "get_weather"
        assert json.loads(call.arguments) == {"city": "Zürich"}


@pytest.mark.parametrize("stream", [False, True])
async def test_text_after_a_call_of_a_tool_is_told(stream: bool) -> None:
    async with FakeOpenAI() as fake:
        fake.answer("Wait.", fault="tool-then-text")
        deltas, answer = await narrated(fake, stream=stream)
    assert deltas == [TextDelta("Wait.")]
    assert (answer.text, len(answer.tool_calls)) == ("Wait.", 1)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_call_that_was_cut_is_not_handed_on(stream: bool) -> None:
    async with FakeOpenAI() as fake:
        fake.answer(fault="tool-truncated")
        _, answer = await narrated(fake, stream=stream)
    assert (answer.state, answer.reason, answer.tool_calls) == ("incomplete", "length", ())


@pytest.mark.parametrize("stream", [False, True])
async def test_a_call_with_more_arguments_than_any_is_no_answer(
    stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatbots.provider.tries._BACKOFF", 0.001)
    async with FakeOpenAI() as fake:
        for _ in range(3):
            fake.answer(fault="tool-huge-args:9")
        with pytest.raises(ProviderError) as caught:
            await narrated(fake, stream=stream)
    assert caught.value.code == "upstream_bad_response"
    assert f"more than {1_048_576 if stream else 8_388_608:,}" in str(caught.value)


@pytest.mark.parametrize("stream", [False, True])
async def test_what_the_server_knows_about_its_answer_is_kept(stream: bool) -> None:
    def choice(said: str) -> dict[str, object]:
        likely = {"token": "Hi", "logprob": -0.25, "bytes": None, "top_logprobs": []}
        return {said: {"content": "Hi"}, "logprobs": {"content": [likely]}, "finish_reason": "stop"}

    usage = {
        "prompt_tokens": 9,
        "completion_tokens": 7,
        "total_tokens": 16,
        "prompt_tokens_details": {"cached_tokens": 8},
        "completion_tokens_details": {"reasoning_tokens": 6},
    }
    body = {"model": "m-2026", "choices": [choice("delta" if stream else "message")]}
    whole = msgspec.json.encode({**body, "usage": usage})
    kind = "text/event-stream" if stream else "application/json"

    async def player(exchange: Exchange) -> None:
        sent = b"data: %s\n\ndata: [DONE]\n\n" % whole if stream else whole
        await exchange.respond(200, sent, {"content-type": kind})

    async with FakeOpenAI() as fake:
        fake.play(player)
        _, answer = await narrated(fake, stream=stream)
    assert answer.logprobs == (TokenLogprob("Hi", -0.25),)
    assert answer.usage == Usage(9, 7, 16, cached_tokens=8, reasoning_tokens=6)
    assert answer.model == "m-2026"


# How long it waits


@pytest.mark.parametrize("own_client", [False, True])
@pytest.mark.parametrize(
    ("fault", "code", "shown", "calls"),
    [
        ("hang", "upstream_timeout", False, 2),
        ("headers-only", "upstream_timeout", False, 2),
        ("slow-headers", "upstream_timeout", False, 2),
        ("midstream-stall", "stream_stalled", True, 1),
        ("keepalive-forever", "stream_stalled", True, 1),
    ],
)
async def test_a_stream_without_content_is_given_up_in_time(
    own_client: bool,
    fault: str,
    code: str,
    shown: bool,
    calls: int,
    monkeypatch: pytest.MonkeyPatch,
    time_flies: Callable[[], float],
) -> None:
    monkeypatch.setattr("chatbots.provider.tries._BACKOFF", 0.001)
    for module in ("patience", "streamed"):
        monkeypatch.setattr(f"chatbots.provider.{module}.monotonic", time_flies)
    async with (
        FakeOpenAI() as fake,
        AsyncOpenAI(api_key=KEY, base_url=fake.base_url, max_retries=0) as given,
        model_on(fake) as ours,
    ):

        async def client() -> AsyncOpenAI:
            return given

        patience = Patience(first_token=60, gap=0.2) if shown else Patience(first_token=0.2)
        model = OpenAIChat(client if own_client else ours._client, model="m", patience=patience)
        for _ in range(3):
            fake.answer("Once upon a time", fault=fault)
        with anyio.fail_after(20):
            pieces, error = await told(model, asking(stream=True))
        assert isinstance(error, ProviderError)
        assert error.code == code
        assert bool(pieces) is shown
        assert len(fake.calls) == calls


@pytest.mark.parametrize("own_client", [False, True])
async def test_a_first_token_may_take_longer_than_the_gap_to_the_next(
    own_client: bool, monkeypatch: pytest.MonkeyPatch, time_flies: Callable[[], float]
) -> None:
    for module in ("patience", "streamed"):
        monkeypatch.setattr(f"chatbots.provider.{module}.monotonic", time_flies)

    async def player(exchange: Exchange) -> None:
        await exchange.start(200, {"content-type": "text/event-stream"})
        await exchange.send(b": soon\n\n")
        await anyio.sleep(9)
        await exchange.finish(SAID + b"data: [DONE]\n\n")

    async with model_played(
        player, own_client=own_client, patience=Patience(first_token=20, gap=2)
    ) as (model, fake):
        pieces, _ = await told(model, asking(stream=True))
        assert (pieces, len(fake.calls)) == (["Hi"], 1)


async def test_a_whole_answer_may_take_as_long_as_its_turn() -> None:
    async with FakeOpenAI() as fake, model_on(fake) as ours:
        model = OpenAIChat(ours._client, model="m", patience=Patience(first_token=0.1, gap=0.1))
        fake.answer("Hello", fault="slow-first-byte:0.5")
        with anyio.fail_after(20):
            pieces, _ = await told(model, asking(stream=False))
        assert pieces == ["Hello"]


# What follows the end


SAID = (
    b'data: {"choices":[{"delta":{"content":"Hi"}}]}\n\n'
    b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
)


@pytest.mark.parametrize("own_client", [False, True])
@pytest.mark.parametrize(
    "after",
    [
        b"",
        b"data: [DONE]\n\n",
        b"data: {oops\n\n",
        b'data: {"error":{"message":"late","code":"server_error"}}\n\n',
        b'data: {"choices":[{"delta":{"content":"more"}}]}\n\n',
    ],
    ids=["nothing", "done", "broken", "error", "text"],
)
@pytest.mark.parametrize("end", ["reset", "silence"])
async def test_what_goes_wrong_after_a_finish_reason_changes_nothing(
    own_client: bool, after: bytes, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat, "USAGE_TIMEOUT", 0.2)

    async def player(exchange: Exchange) -> None:
        await exchange.start(200, {"content-type": "text/event-stream"})
        await exchange.send(SAID + after)
        if end == "silence":
            await anyio.sleep_forever()
        exchange.reset()

    async with model_played(player, own_client=own_client) as (model, _):
        with anyio.fail_after(20):
            pieces, answer = await told(model, asking(stream=True))
        assert pieces == ["Hi"]
        assert isinstance(answer, ModelAnswer)
        assert (answer.text, answer.reason) == ("Hi", "stop")


@pytest.mark.usefixtures("time_flies")
async def test_the_usage_that_follows_a_finish_reason_is_waited_for() -> None:
    async def player(exchange: Exchange) -> None:
        await exchange.start(200, {"content-type": "text/event-stream"})
        await exchange.send(SAID)
        await anyio.sleep(0.1)
        await exchange.finish(
            b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1}}\n\n'
            b"data: [DONE]\n\n"
        )

    async with FakeOpenAI() as fake, model_on(fake) as model:
        fake.play(player)
        _, answer = await told(model, asking(stream=True))
        assert isinstance(answer, ModelAnswer)
        assert answer.usage == Usage(3, 1, 4)


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_whose_server_says_that_it_failed_is_not_whole(stream: bool) -> None:
    async with FakeOpenAI() as fake, model_on(fake) as model:
        fake.answer("Once", finish_reason="error")
        _, error = await told(model, asking(stream=stream))
        assert isinstance(error, ProviderError)
        assert error.code == "stream_interrupted"


async def test_a_stream_beyond_the_cap_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamed, "MAX_BODY", 100_000)

    async def player(exchange: Exchange) -> None:
        await exchange.start(200, {"content-type": "text/event-stream"})
        while True:
            await exchange.send(SAID.split(b"\n\n")[0].replace(b"Hi", b"x" * 10_000) + b"\n\n")

    async with FakeOpenAI() as fake, model_on(fake) as model:
        fake.play(player)
        out = CollectingSink()
        with anyio.fail_after(20), pytest.raises(ProviderError) as failed:
            await model.complete(asking(stream=True), out)
        assert failed.value.code == "upstream_bad_response"
        assert 50_000 < len(out.text) < 1_000_000
