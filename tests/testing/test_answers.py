from __future__ import annotations

import time
from collections.abc import AsyncGenerator

import anyio
import openai
import pytest
from openai import AsyncOpenAI, AsyncStream
from openai.types.chat import ChatCompletion, ChatCompletionChunk, ChatCompletionMessageParam

from chatbots.testing.answers import Answer, echo, failing
from chatbots.testing.fake_openai import FakeOpenAI
from chatbots.testing.requests import ChatRequest, Said

SAID: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Say it."}]


def sdk(fake: FakeOpenAI) -> AsyncOpenAI:
    """Make a client that is foreign to the fake: the judge of what it says."""
    return AsyncOpenAI(base_url=fake.base_url, api_key="sk-any", max_retries=0, timeout=10)


async def whole(client: AsyncOpenAI) -> ChatCompletion:
    return await client.chat.completions.create(model="m", messages=SAID)


async def streamed(client: AsyncOpenAI) -> AsyncStream[ChatCompletionChunk]:
    return await client.chat.completions.create(model="m", messages=SAID, stream=True)


async def test_a_whole_answer_is_what_was_scripted() -> None:
    async with FakeOpenAI() as fake, sdk(fake) as client:
        fake.answer(["Hel", "lo."], finish_reason="length", usage={"completion_tokens": 9})
        reply = await whole(client)
        assert reply.choices[0].message.content == "Hello."
        assert reply.choices[0].finish_reason == "length"
        assert reply.usage is not None
        assert reply.usage.completion_tokens == 9
        assert reply.usage.prompt_tokens == 2
        assert (fake.calls[0].sent_chunks, fake.calls[0].finished) == (1, 1)


async def test_a_stream_carries_the_pieces_then_the_reason_then_usage() -> None:
    async with FakeOpenAI() as fake, sdk(fake) as client:
        fake.answer("Hello  there,\nyou. ")
        stream = await client.chat.completions.create(
            model="m", messages=SAID, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
        first, *pieces, closing, counted = chunks
        assert first.choices[0].delta.role == "assistant"
        assert [c.choices[0].delta.content for c in pieces] == ["Hello", "  there,", "\nyou. "]
        assert closing.choices[0].finish_reason == "stop"
        assert counted.choices == []
        assert counted.usage is not None
        assert counted.usage.completion_tokens == 3
        assert len({chunk.id for chunk in chunks}) == 1
        assert chunks[0].created == pytest.approx(time.time(), abs=60)
        assert fake.calls[0].sent_chunks == 3


async def test_a_stream_without_include_usage_has_none() -> None:
    async with FakeOpenAI() as fake, sdk(fake) as client:
        fake.answer("Hello")
        stream = await streamed(client)
        assert [chunk.usage async for chunk in stream] == [None, None, None]


async def test_a_stream_ends_with_done_on_the_wire() -> None:
    async with FakeOpenAI() as fake, sdk(fake) as client:
        response = await client.chat.completions.with_raw_response.create(
            model="m", messages=SAID, stream=True
        )
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert response.headers["x-request-id"].startswith("req_")
        body = await response.http_response.aread()
        assert body.endswith(b"\n\ndata: [DONE]\n\n")


async def test_a_refusal_is_said_as_one() -> None:
    async with FakeOpenAI() as fake, sdk(fake) as client:
        fake.answer("I can't.", refusal=True)
        fake.answer("I can't.", refusal=True)
        reply = await whole(client)
        assert reply.choices[0].message.refusal == "I can't."
        stream = await streamed(client)
        assert "".join([c.choices[0].delta.refusal or "" async for c in stream]) == "I can't."


@pytest.mark.parametrize(
    ("status", "error", "raised", "message", "code"),
    [
        (401, None, openai.AuthenticationError, "says 401", "invalid_api_key"),
        (404, None, openai.NotFoundError, "says 404", "model_not_found"),
        (429, "Slow down.", openai.RateLimitError, "Slow down.", "rate_limit_exceeded"),
        (
            429,
            {"message": "No credit.", "code": "insufficient_quota"},
            openai.RateLimitError,
            "No credit.",
            "insufficient_quota",
        ),
        (500, None, openai.InternalServerError, "says 500", None),
        (400, {"param": "x"}, openai.BadRequestError, "says 400", None),
    ],
)
async def test_an_error_is_what_the_sdk_takes_for_one(
    status: int,
    error: str | dict[str, object] | None,
    raised: type[openai.APIStatusError],
    message: str,
    code: str | None,
) -> None:
    async with FakeOpenAI() as fake, sdk(fake) as client:
        fake.answer(status=status, error=error, headers={"Retry-After": "2"})
        with pytest.raises(raised, match=message) as caught:
            await streamed(client)
        assert caught.value.code == code
        assert caught.value.response.headers["retry-after"] == "2"


async def test_headers_replace_the_fakes_own() -> None:
    async with FakeOpenAI() as fake, sdk(fake) as client:
        fake.answer("Hello", headers={"X-Request-ID": "req_mine"})
        response = await client.chat.completions.with_raw_response.create(model="m", messages=SAID)
        assert response.headers.get_list("x-request-id") == ["req_mine"]


async def test_pieces_a_test_hands_out_hold_the_stream() -> None:
    send, pieces = anyio.create_memory_object_stream[str]()
    async with FakeOpenAI() as fake, sdk(fake) as client, send:
        fake.answer(pieces)
        with anyio.fail_after(10):
            stream = await streamed(client)
            texts = (chunk.choices[0].delta.content async for chunk in stream)
            assert await anext(texts) == ""
            for piece in ("Hel", "lo"):
                await send.send(piece)
                assert await anext(texts) == piece
            assert fake.calls[0].finished is None
            send.close()
            assert await anext(texts) is None
            assert [text async for text in texts] == []


async def test_whoever_hands_out_pieces_learns_that_the_client_left() -> None:
    send, pieces = anyio.create_memory_object_stream[str]()
    async with FakeOpenAI() as fake, send:
        fake.answer(pieces)
        async with sdk(fake) as client:
            stream = await streamed(client)
            await stream.close()
        with anyio.fail_after(20):
            await fake.wait_for_hangup(fake.calls[0])
            with pytest.raises(anyio.BrokenResourceError):
                await send.send("Hel")


async def test_a_generator_hands_out_pieces_and_is_closed() -> None:
    closed: list[bool] = []

    async def pieces() -> AsyncGenerator[str]:
        try:
            yield "Hel"
            yield "lo"
        finally:
            closed.append(True)

    async with FakeOpenAI() as fake, sdk(fake) as client:
        fake.answer(pieces(), drop_after=1)
        with pytest.raises(openai.APIConnectionError):
            async for _ in await streamed(client):
                pass
        assert closed == [True]
        fake.answer(pieces())
        reply = await whole(client)
        assert reply.choices[0].message.content == "Hello"


async def test_pieces_that_cannot_be_closed_are_left_alone() -> None:
    class Pieces:
        def __init__(self) -> None:
            self._left = ["Hel", "lo"]

        def __aiter__(self) -> Pieces:
            return self

        async def __anext__(self) -> str:
            if not self._left:
                raise StopAsyncIteration
            return self._left.pop(0)

    async with FakeOpenAI() as fake, sdk(fake) as client:
        fake.answer(Pieces())
        reply = await whole(client)
        assert reply.choices[0].message.content == "Hello"


async def test_a_held_answer_sends_nothing_before_it_is_let_go() -> None:
    async with FakeOpenAI() as fake, sdk(fake) as client, anyio.create_task_group() as tasks:
        hold = anyio.Event()
        fake.answer("First.", hold=hold)
        fake.answer("Second.")
        said: list[str | None] = []

        async def ask() -> None:
            reply = await whole(client)
            said.append(reply.choices[0].message.content)

        with anyio.fail_after(10):
            tasks.start_soon(ask)
            held = await fake.wait_for_call()
            await ask()
            assert held.sent_bytes == 0
            assert said == ["Second."]
            hold.set()
            await fake.until(lambda: held.finished is not None)
        assert [call.finished for call in fake.calls] == [2, 1]
    assert said == ["Second.", "First."]


@pytest.mark.parametrize("stream", [True, False])
async def test_a_delay_is_waited_for(stream: bool) -> None:
    async with FakeOpenAI() as fake, sdk(fake) as client:
        fake.answer("a b c", delay=0.02)
        started = time.monotonic()
        if stream:
            assert len([chunk async for chunk in await streamed(client)]) == 5
        else:
            await whole(client)
        assert time.monotonic() - started >= (0.06 if stream else 0.02)


CALLS = [("multiply", {"a": 6, "b": 7}), ("odd", "{not json")]
ARGUMENTS = ['{"a":6,"b":7}', "{not json"]


async def test_tools_are_called_after_the_text() -> None:
    async with FakeOpenAI() as fake, sdk(fake) as client:
        fake.answer("Let me see. ", tool_calls=CALLS)
        choice = (await whole(client)).choices[0]
        assert (choice.message.content, choice.finish_reason) == ("Let me see. ", "tool_calls")
        called = choice.message.tool_calls or []
        functions = [call.function for call in called if call.type == "function"]
        assert [function.arguments for function in functions] == ARGUMENTS
        assert len({call.id for call in called}) == 2


async def test_tools_are_called_in_a_stream() -> None:
    async with FakeOpenAI() as fake, sdk(fake) as client:
        fake.answer("Let me see.", tool_calls=CALLS, finish_reason="length")
        choices = [chunk.choices[0] async for chunk in await streamed(client)]
        assert "".join(choice.delta.content or "" for choice in choices) == "Let me see."
        said = {0: "", 1: ""}
        for call in (call for choice in choices for call in choice.delta.tool_calls or []):
            said[call.index] += (call.function and call.function.arguments) or ""
        assert list(said.values()) == ARGUMENTS
        assert choices[-1].finish_reason == "length"


@pytest.mark.parametrize("pieces", [0, 2, 9])
async def test_a_dropped_stream_breaks_after_so_many_pieces(pieces: int) -> None:
    async with FakeOpenAI() as fake, sdk(fake) as client:
        fake.answer("a b c", drop_after=pieces)
        seen: list[str | None] = []
        stream = await streamed(client)

        async def read() -> None:
            async for chunk in stream:
                seen.append(chunk.choices[0].delta.content)  # noqa: PERF401 (kept where it breaks)

        with pytest.raises(openai.APIConnectionError):
            await read()
        assert seen == ["", "a", " b", " c"][: pieces + 1]
        assert not fake.calls[0].hung_up


async def test_a_dropped_whole_answer_breaks_in_its_body() -> None:
    async with FakeOpenAI() as fake, sdk(fake) as client:
        fake.answer("Hello.", drop_after=0)
        with pytest.raises(openai.APIConnectionError):
            await whole(client)


async def test_a_stream_without_a_finish_reason_ends_as_if_nothing_were_wrong() -> None:
    async with FakeOpenAI() as fake, sdk(fake) as client:
        fake.answer("Hel", finish_reason=None)
        stream = await streamed(client)
        chunks = [chunk async for chunk in stream]
        assert [chunk.choices[0].finish_reason for chunk in chunks] == [None, None]


def test_an_error_needs_a_status_and_an_error_status_no_text() -> None:
    with pytest.raises(ValueError, match="needs a status"):
        Answer(error="No.")
    with pytest.raises(ValueError, match="no text"):
        Answer(text="Hello.", status=500)


def test_echo_answers_with_what_was_said_last() -> None:
    request = ChatRequest(model="m", messages=[Said(role="user", content="Hi")])
    assert echo(request) == Answer(text="Hi")


def test_a_fault_must_exist_and_stands_in_no_answer_that_fails_already() -> None:
    with pytest.raises(ValueError, match="did you mean midstream-reset"):
        Answer(text="Hello.", fault="midstream-rest")
    for more in ({"status": 500}, {"drop_after": 1}):
        with pytest.raises(ValueError, match="not both"):
            Answer(fault="reset", **more)  # type: ignore[arg-type]  # one of two, both numbers


def test_a_failing_answer_fails_in_one_way() -> None:
    assert failing(Answer(status=500), "hang") == Answer(fault="hang")


async def test_pieces_a_test_hands_out_are_collected_before_a_fault() -> None:
    async def pieces() -> AsyncGenerator[str]:
        yield "Hel"
        yield "lo"

    async with FakeOpenAI() as fake, sdk(fake) as client:
        fake.answer(pieces(), fault="no-done")
        chunks = [chunk async for chunk in await streamed(client)]
        assert [c.choices[0].delta.content for c in chunks] == ["", "Hel", "lo", None]
        assert (fake.calls[0].fault, fake.calls[0].sent_chunks) == ("no-done", 2)


async def test_a_delay_is_waited_for_in_a_fault_too() -> None:
    async with FakeOpenAI() as fake, sdk(fake) as client:
        fake.answer("a b", fault="one-packet", delay=0.05)
        started = time.monotonic()
        assert len([chunk async for chunk in await streamed(client)]) == 4
        assert time.monotonic() - started >= 0.05


async def test_no_fault_is_none() -> None:
    async with FakeOpenAI() as fake, sdk(fake) as client:
        fake.answer("Hello.", fault="ok")
        assert (await whole(client)).choices[0].message.content == "Hello."
        assert fake.calls[0].fault == ""
