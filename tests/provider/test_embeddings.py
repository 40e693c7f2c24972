"""Embeddings over real sockets: both ways, in batches, in order, and what can go wrong."""

from __future__ import annotations

import base64
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
import msgspec
import pytest
from openai import AsyncOpenAI
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from chatbots.embedded import Inputs
from chatbots.errors import ChatError, ProviderError
from chatbots.messages import Usage
from chatbots.provider import embeddings, tries
from chatbots.provider.client import Access, SharedClient
from chatbots.provider.embeddings import OpenAIEmbedder
from chatbots.testing import FakeOpenAI
from chatbots.testing.embeddings import embed
from chatbots.testing.http1 import Exchange, Player

KEY = "sk-canary-0123456789"


@asynccontextmanager
async def embedder_on(url: str, *, timeout: float = 20) -> AsyncIterator[OpenAIEmbedder]:
    shared = SharedClient(Access(api_key=KEY, base_url=url))

    async def client() -> AsyncOpenAI:
        return shared.get()

    try:
        yield OpenAIEmbedder(client, model="m", timeout=timeout)
    finally:
        await shared.aclose()


def says(make: Callable[[list[str]], object]) -> Player:
    """Answer each request with what *make* makes of its inputs."""

    async def player(exchange: Exchange) -> None:
        body = make(exchange.call.json["input"])
        data = body if isinstance(body, bytes) else msgspec.json.encode(body)
        await exchange.respond(200, data, {"content-type": "application/json"})

    return player


def items(*vectors: object) -> dict[str, object]:
    return {"data": [{"index": place, "embedding": vector} for place, vector in enumerate(vectors)]}


def encoded(*numbers: float) -> str:
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


async def code_of(embedding: Awaitable[object]) -> str:
    with pytest.raises(ChatError) as caught:
        await embedding
    assert KEY not in str(caught.value)
    return caught.value.code


@pytest.mark.parametrize(
    ("inputs", "sent"),
    [
        ("Grüße, \U0001f600", ["Grüße, \U0001f600"]),
        (["one two", "three"], ["one two", "three"]),
        ([1, 2, 3], [[1, 2, 3]]),
        (((1, 2), (3,)), [[1, 2], [3]]),
    ],
)
async def test_texts_and_tokens_get_a_vector_each(
    inputs: Inputs, sent: list[str | list[int]]
) -> None:
    async with FakeOpenAI() as fake, embedder_on(fake.base_url) as embedder:
        made = await embedder.embed(inputs)
    assert [list(vector) for vector in made.vectors] == [
        pytest.approx(embed(entry, 1536), abs=1e-6) for entry in sent
    ]
    assert made.model == "m"
    assert made.usage is not None
    assert made.usage.input_tokens == made.usage.total_tokens > 0
    assert fake.calls[0].json == {"model": "m", "encoding_format": "base64", "input": sent}
    assert fake.calls[0].path == "/v1/embeddings"


async def test_model_and_dimensions_are_the_calls() -> None:
    async with FakeOpenAI(models=["large"]) as fake, embedder_on(fake.base_url) as embedder:
        made = await embedder.embed("text", model="large", dimensions=8)
    assert len(made.vectors[0]) == 8
    assert made.model == "large"


async def test_an_applications_own_client_is_asked_as_well() -> None:
    async with FakeOpenAI() as fake, AsyncOpenAI(api_key=KEY, base_url=fake.base_url) as own:

        async def client() -> AsyncOpenAI:
            return own

        made = await OpenAIEmbedder(client, model="m").embed(["a", "b"], dimensions=4)
        theirs = await own.embeddings.create(model="m", input=["a", "b"], dimensions=4)
    assert [list(v) for v in made.vectors] == [row.embedding for row in theirs.data]
    ours, sdks = fake.calls
    assert ours.target == sdks.target
    assert ours.json == sdks.json


async def test_a_server_that_ignores_base64_is_understood() -> None:
    player = says(lambda inputs: items(*([1, 0.5, -2.5e-3] for _ in inputs)))
    async with FakeOpenAI(player=player) as fake, embedder_on(fake.base_url) as embedder:
        made = await embedder.embed(["a", "b"])
    assert [list(vector) for vector in made.vectors] == [pytest.approx([1, 0.5, -2.5e-3])] * 2
    assert (made.model, made.usage) == ("m", None)


async def test_5000_texts_come_back_in_order_whichever_batch_is_answered_first() -> None:
    texts = [f"text {number}" for number in range(5000)]

    async def backwards(exchange: Exchange) -> None:
        asked: list[str] = exchange.call.json["input"]
        rows = [
            {"index": place, "embedding": encoded(float(text.split()[1]))}
            for place, text in enumerate(asked)
        ]
        body = {"data": rows[::-1], "model": "big", "usage": {"prompt_tokens": len(asked)}}
        if asked[0] == texts[0]:
            await fake.until(lambda: sum(call.finished is not None for call in fake.calls) == 2)
        await exchange.respond(200, msgspec.json.encode(body), {"content-type": "application/json"})

    async with FakeOpenAI(player=backwards) as fake, embedder_on(fake.base_url) as embedder:
        made = await embedder.embed(texts)
    assert [vector[0] for vector in made.vectors] == list(range(5000))
    assert sorted(len(call.json["input"]) for call in fake.calls) == [904, 2048, 2048]
    assert (made.model, made.usage) == ("big", Usage(5000, 0, 5000))


async def test_a_few_requests_run_at_once_and_no_more() -> None:
    running: set[int] = set()
    most: list[int] = []

    async def together(exchange: Exchange) -> None:
        running.add(exchange.call.number)
        most.append(len(running))
        await fake.until(lambda: len(fake.calls) >= embeddings.AT_ONCE)
        running.remove(exchange.call.number)
        body = items(*[[1.0]] * len(exchange.call.json["input"]))
        await exchange.respond(200, msgspec.json.encode(body), {"content-type": "application/json"})

    async with FakeOpenAI(player=together) as fake, embedder_on(fake.base_url) as embedder:
        await embedder.embed(["x"] * (9 * embeddings.MAX_INPUTS))
    assert len(fake.calls) == 9
    assert max(most) == embeddings.AT_ONCE == fake.connections


async def test_a_request_has_no_more_tokens_than_it_may_have() -> None:
    player = says(lambda inputs: items(*[[1.0]] * len(inputs)))
    async with FakeOpenAI(player=player) as fake, embedder_on(fake.base_url) as embedder:
        await embedder.embed(["ü" * 50_000] * 3 + ["y", "z" * 400_000])
        texts = sorted(len("".join(call.json["input"]).encode()) for call in fake.calls)
        await embedder.embed([[1] * 8_000] * 38)
        tokens = sorted(sum(map(len, call.json["input"])) for call in fake.calls[3:])
    assert texts == [1, 300_000, 400_000]
    assert tokens == [8_000, 296_000]


async def test_nothing_is_sent_of_what_cannot_be_embedded() -> None:
    async with FakeOpenAI() as fake, embedder_on(fake.base_url) as embedder:
        for wrong in ("", [], ["a", ""], ["\udc80"]):
            assert await code_of(embedder.embed(wrong)) == "invalid_request"
        assert fake.calls == []


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (items("AACAPw=="), "1 vectors are not one for each of 2 texts"),
        ({"data": [{"index": 1, "embedding": [1.0]}] * 2}, "not one for each"),
        ({"data": [{"index": i, "embedding": [1.0]} for i in (0, 2)]}, "not one for each"),
        (items([1.0], [1.0, 2.0]), r"have \[1, 2\] numbers"),
        (items([], []), r"have \[0\] numbers"),
        (items([1.0], [None]), "Expected `float`, got `null`"),
        (items("AACAPw==", "AACAPw"), "padding"),
        (items("AACAPw==", "AACAPwA="), "multiple of"),
        (items("AACAPw==", "AACA!!Pw=="), "base64"),
        ({"object": "list"}, "missing required field `data`"),
        (b"<html>", "malformed"),
        (b"[" * 100_000, "makes no sense"),
    ],
)
async def test_an_answer_that_makes_no_sense_is_none(
    body: object, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tries, "_BACKOFF", 0.001)
    player = says(lambda _: body)
    async with FakeOpenAI(player=player) as fake, embedder_on(fake.base_url) as embedder:
        with pytest.raises(ProviderError, match=why) as caught:
            await embedder.embed(["a", "b"])
    assert caught.value.code == "upstream_bad_response"


async def test_another_length_than_was_asked_for_is_an_error() -> None:
    player = says(lambda _: items([1.0, 2.0]))
    async with FakeOpenAI(player=player) as fake, embedder_on(fake.base_url) as embedder:
        with pytest.raises(ProviderError, match="2] numbers where 3 were asked for"):
            await embedder.embed("a", dimensions=3)


async def test_an_answer_that_never_ends_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tries, "_BACKOFF", 0.001)
    monkeypatch.setattr(embeddings, "MAX_BODY", 1000)
    async with FakeOpenAI() as fake, embedder_on(fake.base_url) as embedder:
        with pytest.raises(ProviderError, match="more than 1,000 bytes"):
            await embedder.embed("a")


def failing(times: int, status: int, error: dict[str, object]) -> tuple[Player, list[int]]:
    calls: list[int] = []

    async def player(exchange: Exchange) -> None:
        calls.append(exchange.call.number)
        failed = len(calls) <= times
        body: object = {"error": error} if failed else items(encoded(1.0))
        await exchange.respond(
            status if failed else 200,
            msgspec.json.encode(body),
            {"content-type": "application/json"},
        )

    return player, calls


@pytest.mark.parametrize(
    ("status", "error", "code", "asked"),
    [
        (401, {"message": f"Incorrect API key provided: {KEY}."}, "upstream_auth", 1),
        (404, {"message": "No such model", "code": "model_not_found"}, "model_not_available", 1),
        (429, {"message": "Quota", "code": "insufficient_quota"}, "quota_exhausted", 1),
        (400, {"message": "maximum context length is 8192 tokens"}, "invalid_request", 1),
        (503, {"message": "busy"}, "upstream_error", 3),
        # llama.cpp's own words.
        (
            501,
            {
                "code": 501,
                "message": "This server does not support embeddings. Start it with `--embeddings`",
                "type": "not_supported_error",
            },
            "invalid_request",
            1,
        ),
    ],
)
async def test_a_failure_is_typed_and_tried_again_only_where_it_may_pass(
    status: int,
    error: dict[str, object],
    code: str,
    asked: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tries, "_BACKOFF", 0.001)
    player, calls = failing(9, status, error)
    async with FakeOpenAI(player=player) as fake, embedder_on(fake.base_url) as embedder:
        assert await code_of(embedder.embed("a")) == code
    assert len(calls) == asked


async def test_what_failed_once_may_succeed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tries, "_BACKOFF", 0.001)
    player, calls = failing(1, 500, {"message": "oops"})
    async with FakeOpenAI(player=player) as fake, embedder_on(fake.base_url) as embedder:
        assert list((await embedder.embed("a")).vectors[0]) == [1.0]
    assert len(calls) == 2


async def test_one_failed_batch_ends_the_others_and_closes_their_connections() -> None:
    async def first_fails(exchange: Exchange) -> None:
        if exchange.call.json["input"][0] == "0":
            await fake.until(lambda: len(fake.calls) == 2)
            await exchange.respond(401, b"{}", {"content-type": "application/json"})
        else:
            await anyio.sleep_forever()

    async with FakeOpenAI(player=first_fails) as fake, embedder_on(fake.base_url) as embedder:
        texts = [str(number) for number in range(4096)]
        assert await code_of(embedder.embed(texts)) == "upstream_auth"
        await fake.wait_for_hangup(next(c for c in fake.calls if c.json["input"][0] != "0"))


async def test_a_connection_lost_in_the_answer_is_an_interrupted_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tries, "_BACKOFF", 0.001)

    async def breaks_off(exchange: Exchange) -> None:
        await exchange.start(200, {"content-type": "application/json"})
        await exchange.send(b'{"data": [')
        exchange.reset()

    async with FakeOpenAI(player=breaks_off) as fake, embedder_on(fake.base_url) as embedder:
        assert await code_of(embedder.embed("a")) == "stream_interrupted"
    assert len(fake.calls) == 3


async def test_a_call_ends_at_its_deadline() -> None:
    async def never(exchange: Exchange) -> None:
        await anyio.sleep_forever()

    async with FakeOpenAI(player=never) as fake:
        async with embedder_on(fake.base_url, timeout=0.2) as embedder:
            assert await code_of(embedder.embed("a")) == "upstream_timeout"
        await fake.until(lambda: fake.open_connections == 0)


async def test_a_cancelled_call_hangs_up() -> None:
    async def never(exchange: Exchange) -> None:
        await anyio.sleep_forever()

    async with FakeOpenAI(player=never) as fake, embedder_on(fake.base_url) as embedder:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(embedder.embed, "a")
            call = await fake.wait_for_call()
            tasks.cancel_scope.cancel()
        await fake.wait_for_hangup(call)


async def test_no_server_is_an_error_of_the_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tries, "_BACKOFF", 0.001)
    async with embedder_on("http://127.0.0.1:1/v1") as embedder:
        assert await code_of(embedder.embed("a")) == "upstream_unreachable"


async def test_a_call_is_a_span_with_the_field_names_of_the_genai_conventions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    monkeypatch.setattr("opentelemetry.trace.get_tracer", provider.get_tracer)
    async with FakeOpenAI() as fake, embedder_on(fake.base_url) as embedder:
        await embedder.embed("secret text")
    (span,) = spans.get_finished_spans()
    assert span.name == "embeddings m"
    assert span.attributes is not None
    assert span.attributes["gen_ai.operation.name"] == "embeddings"
    assert "secret text" not in span.to_json()
