"""Which way a request goes, and that both ways say the same."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
import httpx2
import msgspec
import openai
import pytest

from chatbots.errors import ChatError
from chatbots.provider.client import Access, SharedClient, azure_access, shared_by
from chatbots.provider.pool import Lent
from chatbots.provider.resilience import foreign_errors
from chatbots.provider.transport import post, read
from chatbots.provider.wire import Body
from chatbots.testing import FakeOpenAI
from chatbots.testing.http1 import Exchange
from tests.provider.socks import socks_proxy
from tests.provider.tls import certificate, tls_in_front_of

KEY = "sk-test-0123456789"
PATH = "/chat/completions"
BODY: Body = {
    "model": "m",
    "messages": [{"role": "user", "content": 'Grüße, "Ada"\n\u2028 \U0001f600 </script> \x7f'}],
    "temperature": 0.1,
    "max_tokens": 10,
    "stream": True,
    "stream_options": {"include_usage": True},
}
OF_THE_CONNECTION = {"accept-encoding", "connection", "content-length", "host"}


@asynccontextmanager
async def client_of(access: Access) -> AsyncIterator[openai.AsyncOpenAI]:
    shared = SharedClient(access)
    try:
        with anyio.fail_after(20):
            yield shared.get()
    finally:
        await shared.aclose()


def url_of(fake: FakeOpenAI) -> str:
    return fake.base_url.removesuffix("/v1")


def port_of(fake: FakeOpenAI) -> int:
    return int(url_of(fake).rpartition(":")[2])


async def said(client: openai.AsyncOpenAI, body: Body = BODY) -> tuple[bool, bytes]:
    """Post, and return whether it went over a connection of ours, and what came back."""
    response = await post(client, PATH, body)
    try:
        return isinstance(response, Lent), await read(response, 1_000_000)
    finally:
        await response.aclose()


@pytest.mark.parametrize(
    "access",
    [
        Access(api_key=KEY),
        Access(api_key=None),
        Access(api_key=KEY, organization="org-1", project="proj-1"),
    ],
)
@pytest.mark.parametrize("path", ["", "/", "/deep/er%20x"])
async def test_both_ways_send_the_same_request(access: Access, path: str) -> None:
    """The SDK says what is right: an upgrade that sends something else fails here."""
    async with FakeOpenAI() as fake:
        there = msgspec.structs.replace(access, base_url=fake.base_url + path)
        async with client_of(there) as client:
            shared = shared_by(client)
            assert shared is not None
            assert shared.pool is not None
            for pool in (shared.pool, None):
                shared.pool = pool
                with suppress(ChatError):  # there is nothing at the third path
                    await said(client)
        ours, theirs = fake.calls
    assert (ours.method, ours.target) == (theirs.method, theirs.target)
    assert ours.target.startswith("/v1")
    assert ours.json == theirs.json == BODY
    assert ours.headers["host"] == theirs.headers["host"]
    assert {n: v for n, v in ours.headers.items() if n not in OF_THE_CONNECTION} == {
        n: v for n, v in theirs.headers.items() if n not in OF_THE_CONNECTION
    }
    assert ("authorization" in ours.headers) == (access.api_key is not None)


@pytest.mark.parametrize("path", [PATH, "/embeddings"])
@pytest.mark.parametrize(
    ("version", "target"),
    [
        (None, "/openai/v1{path}"),
        ("2024-10-21", "/openai/deployments/m{path}?api-version=2024-10-21"),
        ("a b", "/openai/deployments/m{path}?api-version=a+b"),
    ],
)
async def test_azure_is_asked_both_ways_at_its_own_address_with_its_own_header(
    version: str | None, target: str, path: str
) -> None:
    async with FakeOpenAI() as fake:
        access = azure_access(url_of(fake), api_key=KEY, api_version=version)
        async with client_of(access) as client:
            shared = shared_by(client)
            assert shared is not None
            assert shared.pool is not None
            for pool in (shared.pool, None):
                shared.pool = pool
                response = await post(client, path, {**BODY, "input": "text"})
                await response.aclose()
        ours, theirs = fake.calls
    assert ours.target == theirs.target == target.format(path=path)
    assert ours.json == theirs.json
    for call in (ours, theirs):
        assert call.headers["api-key"] == KEY
        assert "authorization" not in call.headers
    assert {n: v for n, v in ours.headers.items() if n not in OF_THE_CONNECTION} == {
        n: v for n, v in theirs.headers.items() if n not in OF_THE_CONNECTION
    }


@pytest.mark.parametrize("model", ["gpt-4o", "a/b?c#d", "1+1=2 \u00fc", "~x.y_z-1@2:3"])
async def test_a_deployment_of_any_name_is_placed_as_the_sdk_places_it(model: str) -> None:
    async with FakeOpenAI() as fake:
        access = azure_access(url_of(fake), api_key=KEY, api_version="1")
        async with client_of(access) as client:
            shared = shared_by(client)
            assert shared is not None
            for pool in (shared.pool, None):
                shared.pool = pool
                await (await post(client, PATH, {**BODY, "model": model})).aclose()
        ours, theirs = fake.calls
    assert ours.target == theirs.target


async def test_a_client_of_ours_uses_our_connections() -> None:
    async with FakeOpenAI() as fake, client_of(Access(api_key=KEY, base_url=fake.base_url)) as mine:
        over_ours, answer = await said(mine)
        assert over_ours
        assert b"[DONE]" in answer


async def test_an_applications_own_client_uses_its_own() -> None:
    async with FakeOpenAI() as fake:
        async with openai.AsyncOpenAI(api_key=KEY, base_url=fake.base_url) as own:
            over_ours, answer = await said(own)
        assert not over_ours
        assert b"[DONE]" in answer


async def test_a_failure_of_an_applications_own_client_is_not_tried_again_by_it() -> None:
    async with FakeOpenAI() as fake:
        fake.answer(status=503, error="busy")
        async with openai.AsyncOpenAI(api_key=KEY, base_url=fake.base_url) as own:
            with pytest.raises(ChatError, match="busy"):
                await post(own, PATH, BODY)
        assert len(fake.calls) == 1


async def test_an_applications_own_client_does_not_follow_a_redirect() -> None:
    async with FakeOpenAI() as fake:
        fake.fault("redirect")
        async with openai.AsyncOpenAI(api_key=KEY, base_url=fake.base_url) as own:
            with pytest.raises(ChatError, match="redirects elsewhere"):
                await post(own, PATH, BODY)
        assert len(fake.calls) == 1


async def test_an_applications_own_client_takes_no_answer_for_two() -> None:
    async with FakeOpenAI() as fake:
        fake.fault("smuggle")
        async with openai.AsyncOpenAI(api_key=KEY, base_url=fake.base_url) as own:
            with pytest.raises(httpx2.RemoteProtocolError, match="Transfer-Encoding"):
                await post(own, PATH, BODY)
            with anyio.fail_after(20):
                await fake.until(lambda: fake.open_connections == 0)
            _, answer = await said(own)
        assert b"smuggled" not in answer
        assert fake.connections == 2


@pytest.mark.checklist(156)
@pytest.mark.parametrize("name", ["HTTP_PROXY", "ALL_PROXY", "http_proxy"])
async def test_a_proxy_is_used_as_the_sdk_would(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with FakeOpenAI() as proxy:
        monkeypatch.setenv(name, proxy.base_url.removesuffix("/v1"))
        async with client_of(Access(api_key=KEY, base_url="http://model.invalid/v1")) as client:
            over_ours, answer = await said(client)
    assert not over_ours
    assert b"[DONE]" in answer
    assert proxy.calls[0].target == "http://model.invalid/v1/chat/completions"


@pytest.mark.checklist(156)
@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
async def test_a_socks_proxy_is_used_as_the_sdk_would(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with FakeOpenAI() as fake, socks_proxy(port_of(fake)) as (proxy, asked):
        monkeypatch.setenv("ALL_PROXY", proxy.replace("socks5", scheme))
        async with client_of(Access(api_key=KEY, base_url="http://model.invalid/v1")) as client:
            over_ours, answer = await said(client)
    assert not over_ours
    assert b"[DONE]" in answer
    assert asked == ["model.invalid:80"]
    assert fake.calls[0].target == "/v1/chat/completions"


async def test_an_answer_that_breaks_off_behind_a_socks_proxy_is_an_interrupted_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with FakeOpenAI() as fake, socks_proxy(port_of(fake)) as (proxy, _):
        monkeypatch.setenv("ALL_PROXY", proxy)
        fake.answer(["Once", " upon"], drop_after=1)
        async with client_of(Access(api_key=KEY, base_url="http://model.invalid/v1")) as client:
            with pytest.raises(httpx2.RemoteProtocolError):
                await said(client)


async def test_a_socks_proxy_that_is_not_there_is_a_failed_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1")
    async with client_of(Access(api_key=KEY, base_url="http://model.invalid/v1")) as client:
        with pytest.raises(ChatError) as caught, foreign_errors(client):
            await said(client)
    assert caught.value.code == "upstream_unreachable"


@pytest.mark.checklist(156)
async def test_a_host_that_no_proxy_applies_to_is_asked_directly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    async with FakeOpenAI() as fake, client_of(Access(api_key=KEY, base_url=fake.base_url)) as mine:
        over_ours, _ = await said(mine)
    assert over_ours


async def test_a_certificate_of_a_named_authority_is_trusted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    own = certificate(tmp_path / "own.pem")
    async with FakeOpenAI() as fake, tls_in_front_of(fake, own) as url:
        access = Access(api_key=KEY, base_url=url)
        async with client_of(access) as client:
            with pytest.raises(httpx2.ConnectError) as caught:
                await said(client)
            assert isinstance(caught.value.__cause__, ssl.SSLCertVerificationError)
        monkeypatch.setenv("SSL_CERT_FILE", str(own))
        async with client_of(access) as client:
            over_ours, answer = await said(client)
    assert over_ours
    assert b"[DONE]" in answer


async def test_a_key_that_no_header_may_have_is_not_sent() -> None:
    async with FakeOpenAI() as fake:
        for key in ("sk-a\r\nx-evil: 1", "sk-\u00fc"):
            async with client_of(Access(api_key=key, base_url=fake.base_url)) as client:
                with pytest.raises(httpx2.LocalProtocolError):
                    await said(client)
        assert fake.calls == []


async def test_an_answer_compressed_unasked_is_refused() -> None:
    async def player(exchange: Exchange) -> None:
        await exchange.respond(200, b"\x1f\x8b", {"content-encoding": "gzip"})

    async with FakeOpenAI() as fake, client_of(Access(api_key=KEY, base_url=fake.base_url)) as mine:
        fake.play(player)
        with pytest.raises(httpx2.DecodingError, match="compressed"):
            await said(mine)


async def test_a_failure_that_breaks_off_or_never_ends_keeps_its_status() -> None:
    async def breaks_off(exchange: Exchange) -> None:
        await exchange.start(401, {"content-type": "text/plain"})
        await exchange.send(b"no")
        exchange.reset()

    async def never_ends(exchange: Exchange) -> None:
        await exchange.start(401, {"content-type": "text/plain"})
        for _ in range(100):
            await exchange.send(b"x" * 64 * 1024)

    async with FakeOpenAI() as fake, client_of(Access(api_key=KEY, base_url=fake.base_url)) as mine:
        for player in (breaks_off, never_ends):
            fake.play(player)
            with pytest.raises(ChatError) as caught:
                await said(mine)
            assert caught.value.code == "upstream_auth"
        await fake.wait_for_hangup(fake.calls[1])


async def test_closing_the_client_closes_our_connections() -> None:
    async with FakeOpenAI() as fake:
        async with client_of(Access(api_key=KEY, base_url=fake.base_url)) as client:
            await said(client)
            assert fake.open_connections == 1
        with anyio.fail_after(20):
            await fake.until(lambda: fake.open_connections == 0)
