"""Foreign errors in our own words."""

from __future__ import annotations

import email.utils
import time
from contextlib import suppress

import anyio
import httpx2
import openai
import pytest
from anyio.abc import SocketAttribute, SocketStream

from chatbots.errors import ChatError, InvalidRequest, ProviderError
from chatbots.messages import Message, ModelRequest
from chatbots.provider.chat import OpenAIChat
from chatbots.provider.client import Access, SharedClient
from chatbots.provider.resilience import foreign_errors, of_code, retry_after
from chatbots.testing import FakeOpenAI

KEY = "canary-key-without-a-pattern"
REQUEST = httpx2.Request("POST", "http://127.0.0.1:1/v1")


@pytest.fixture(autouse=True)
def without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatbots.provider.tries._BACKOFF", 0.001)


async def ask(base_url: str, *, timeout: float = 10.0, own_client: bool = False) -> ChatError:
    """Return the error that one turn on the server at *base_url* ends with."""
    shared = SharedClient(Access(api_key=KEY, base_url=base_url))
    given = openai.AsyncOpenAI(api_key=KEY, base_url=base_url)

    async def client() -> openai.AsyncOpenAI:
        return given if own_client else shared.get()

    request = ModelRequest(messages=(Message("user", "Hi"),), stream=True, request_id="r")
    send, receive = anyio.create_memory_object_stream[object](100)
    try:
        with anyio.fail_after(timeout), send, receive, pytest.raises(ChatError) as caught:
            await OpenAIChat(client, model="m").complete(request, send)
    finally:
        await shared.aclose()
        await given.close()
    assert KEY not in f"{caught.value!s} {caught.value!r}"
    return caught.value


async def after(
    status: int, error: str | dict[str, object] = "no", headers: dict[str, str] | None = None
) -> tuple[ChatError, int]:
    """Return the error for a server that always answers so, and how often it was asked."""
    async with FakeOpenAI() as fake:
        for _ in range(5):
            fake.answer(status=status, error=error, headers=headers or {})
        return await ask(fake.base_url), len(fake.calls)


@pytest.mark.parametrize(
    ("status", "code", "asked"),
    [
        (400, "invalid_request", 1),
        (401, "upstream_auth", 1),
        (403, "upstream_auth", 1),
        (404, "model_not_available", 1),
        (408, "upstream_error", 3),
        (409, "upstream_error", 3),
        (413, "invalid_request", 1),
        (422, "invalid_request", 1),
        (429, "rate_limited", 3),
        (500, "upstream_error", 3),
        (503, "upstream_error", 3),
        (504, "upstream_error", 3),
        (529, "upstream_error", 3),
    ],
)
async def test_each_status_has_its_code_and_is_asked_again_only_if_that_may_help(
    status: int, code: str, asked: int
) -> None:
    error, calls = await after(status, "what the server said")
    assert error.code == code
    assert calls == asked
    assert "what the server said" in error.message
    assert str(status) in error.message


async def test_an_empty_account_is_not_asked_again() -> None:
    error, calls = await after(429, {"message": "No credit.", "code": "insufficient_quota"})
    assert (error.code, error.retryable, calls) == ("quota_exhausted", False, 1)


@pytest.mark.parametrize("status", [400, 413])
async def test_a_prompt_beyond_the_context_is_told_as_such(status: int) -> None:
    said: dict[str, object] = {"message": "Too long.", "code": "context_length_exceeded"}
    error, calls = await after(status, said)
    assert (error.code, calls) == ("context_too_long", 1)
    assert isinstance(error, ProviderError)


async def test_a_key_that_the_server_repeats_is_not_shown() -> None:
    error, _ = await after(401, f"The key {KEY} is wrong.")
    assert "[redacted] is wrong" in error.message


async def test_a_server_that_forbids_another_try_is_obeyed() -> None:
    error, calls = await after(503, headers={"x-should-retry": "false"})
    assert (error.retryable, calls) == (False, 1)


@pytest.mark.parametrize("status", [400, 401, 404])
async def test_what_cannot_succeed_is_not_asked_again_even_where_the_server_wishes_it(
    status: int,
) -> None:
    _, calls = await after(status, headers={"x-should-retry": "true"})
    assert calls == 1


@pytest.mark.parametrize("way", ["ours", "the SDK's"])
@pytest.mark.parametrize(
    ("fault", "code", "asked"),
    [
        ("close-empty", "upstream_unreachable", 3),
        ("bad-status-line", "upstream_unreachable", 3),
        ("huge-header", "upstream_bad_response", 2),
    ],
)
async def test_a_head_that_makes_no_sense_is_no_lost_connection(
    fault: str, code: str, asked: int, way: str
) -> None:
    async with FakeOpenAI() as fake:
        fake.fault(",".join([fault] * 4))
        error = await ask(fake.base_url, own_client=way != "ours")
        assert (error.code, len(fake.calls)) == (code, asked)


async def test_an_answer_that_could_be_read_in_two_ways_is_a_bad_one() -> None:
    async with FakeOpenAI() as fake:
        fake.fault("smuggle,smuggle,ok")
        error = await ask(fake.base_url)
        assert (error.code, len(fake.calls)) == ("upstream_bad_response", 2)


async def test_what_does_not_speak_http_is_unreachable() -> None:
    async def greet(stream: SocketStream) -> None:
        async with stream:
            await stream.send(b"SSH-2.0-OpenSSH_9.2\r\n")
            with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
                await stream.receive()

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        port: int = listener.extra(SocketAttribute.local_port)  # noqa: S610 - anyio's typed attributes
        async with anyio.create_task_group() as group:
            group.start_soon(listener.serve, greet)
            error = await ask(f"http://127.0.0.1:{port}/v1")
            group.cancel_scope.cancel()
    assert error.code == "upstream_unreachable"


async def test_a_long_pause_is_told_to_the_caller_instead_of_waited_for() -> None:
    error, calls = await after(429, headers={"retry-after": "3600"})
    assert (error.code, error.retry_after, calls) == ("rate_limited", 3600.0, 1)
    assert str(error).endswith("Ask again in 3600 seconds.")


async def test_who_is_refused_for_good_is_not_told_to_ask_again() -> None:
    error, calls = await after(503, headers={"retry-after": "7", "x-should-retry": "false"})
    assert (error.retryable, calls) == (False, 1)
    assert "7 seconds" not in str(error)


async def test_a_redirect_is_not_followed() -> None:
    async with FakeOpenAI() as elsewhere:
        error, calls = await after(307, headers={"location": f"{elsewhere.base_url}/x"})
        assert elsewhere.calls == []
    assert (error.code, error.retryable, calls) == ("upstream_bad_response", False, 1)


async def test_a_port_where_nobody_listens_is_unreachable_and_named() -> None:
    async with FakeOpenAI() as fake:
        url = fake.base_url
    error = await ask(url)
    assert error.code == "upstream_unreachable"
    assert url.removeprefix("http://").removesuffix("/v1") in error.message
    assert error.hint is not None


async def test_a_host_that_does_not_exist_is_unreachable() -> None:
    error = await ask("http://no-such-host.invalid/v1", timeout=30)
    assert error.code == "upstream_unreachable"
    assert "no-such-host.invalid" in error.message


async def test_a_certificate_nobody_vouches_for_is_refused_once() -> None:
    from tests.provider.tls import server_with_its_own_certificate

    async with server_with_its_own_certificate() as port:
        error = await ask(f"https://127.0.0.1:{port}/v1")
    assert (error.code, error.retryable) == ("upstream_tls", False)
    assert f"127.0.0.1:{port}" in error.message


@pytest.mark.parametrize(
    ("raised", "in_stream", "code"),
    [
        (httpx2.ReadTimeout("slow"), True, "stream_stalled"),
        (httpx2.ReadError("gone"), True, "stream_interrupted"),
        (httpx2.ReadError("gone"), False, "upstream_unreachable"),
        (httpx2.DecodingError("not gzip"), True, "upstream_bad_response"),
        (openai.APITimeoutError(REQUEST), False, "upstream_timeout"),
        (openai.APIError("odd", REQUEST, body=None), False, "upstream_error"),
        (openai.OpenAIError("no credentials"), False, "upstream_auth"),
    ],
)
def test_no_foreign_error_leaves_the_room(raised: Exception, in_stream: bool, code: str) -> None:
    client = openai.AsyncOpenAI(api_key=KEY, base_url="http://127.0.0.1:1")
    with pytest.raises(ProviderError) as caught, foreign_errors(client, in_stream=in_stream):
        raise raised
    assert caught.value.code == code
    assert caught.value.__cause__ is raised


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("content_filter", "content_filtered"),
        ("model_not_found", "model_not_available"),
        ("exceed_context_size_error", "context_too_long"),
        (None, "upstream_error"),
    ],
)
def test_an_error_code_says_more_than_a_status(code: str | None, kind: str) -> None:
    assert of_code(code, "said").code == kind


def test_what_a_server_says_is_quoted_in_one_line_and_shortly() -> None:
    message = of_code(None, "a\nb" + "x" * 500).message
    assert "a b" in message
    assert len(message) < 350
    assert of_code(None, " ").message == "The model's server failed."
    assert isinstance(of_code(None, "x", status=400), InvalidRequest)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "9"}, 9.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "inf"}, None),
        ({}, None),
    ],
)
def test_the_pause_a_server_asks_for(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(httpx2.Headers(headers)) == seconds


def test_the_pause_may_be_a_date() -> None:
    date = email.utils.formatdate(time.time() + 30, usegmt=True)
    pause = retry_after(httpx2.Headers({"retry-after": date}))
    assert pause == pytest.approx(30, abs=2)
    past = email.utils.formatdate(time.time() - 30, usegmt=True)
    assert retry_after(httpx2.Headers({"retry-after": past})) == 0
