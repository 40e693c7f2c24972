"""Secrets for realtime sessions over real sockets: today's way and the beta's, and failures."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager

import anyio
import msgspec
import pytest
from openai import AsyncOpenAI

from chatbots.errors import ChatError
from chatbots.provider.client import Access, SharedClient
from chatbots.provider.client_secrets import MAX_BODY, create_client_secret, create_session
from chatbots.testing import Exchange, FakeOpenAI

KEY = "sk-canary-0123456789"
SECRET = "ek_canary_0123456789"


@asynccontextmanager
async def answering(
    said: object, status: int = 200, version: str | None = None
) -> AsyncIterator[tuple[AsyncOpenAI, FakeOpenAI]]:
    """Yield a client of a server that answers every request the same."""

    async def player(exchange: Exchange) -> None:
        data = said if isinstance(said, bytes) else msgspec.json.encode(said)
        await exchange.respond(status, data, {"content-type": "application/json"})

    async with FakeOpenAI(player=player) as fake:
        access = Access(
            api_key=KEY, base_url=fake.base_url, azure=bool(version), api_version=version
        )
        shared = SharedClient(access)
        try:
            yield shared.get(), fake
        finally:
            await shared.aclose()


async def failure(doing: Awaitable[object]) -> ChatError:
    with pytest.raises(ChatError) as caught:
        await doing
    assert KEY not in str(caught.value)
    assert SECRET not in str(caught.value)
    return caught.value


@pytest.mark.checklist(48, 54, 56, 63, 116, 163)
async def test_a_secret_is_made_for_a_session_of_today() -> None:
    session = {
        "type": "realtime",
        "model": "m",
        "tools": [{"type": "function", "name": "now"}],
        "audio": {"input": {"turn_detection": {"type": "server_vad", "create_response": False}}},
    }
    said = {"value": SECRET, "expires_at": 7, "session": {"id": "sess_1", **session}}
    async with answering(said) as (client, fake):
        made = await create_client_secret(client, session, lifetime=60)
        await create_client_secret(client, session)
    assert (made.value, made.expires_at, made.session_id) == (SECRET, 7, "sess_1")
    assert made.session["model"] == "m"
    assert SECRET not in repr(made)
    first, second = fake.calls
    assert first.path == "/v1/realtime/client_secrets"
    assert first.headers["authorization"] == f"Bearer {KEY}"
    assert first.json == {
        "session": session,
        "expires_after": {"anchor": "created_at", "seconds": 60},
    }
    assert second.json == {"session": session}


@pytest.mark.checklist(48, 116)
async def test_a_session_of_the_beta_comes_with_its_secret() -> None:
    said = {"id": "sess_1", "model": "m", "client_secret": {"value": SECRET, "expires_at": 7}}
    async with answering(said) as (client, fake):
        made = await create_session(client, {"model": "m", "modalities": ["text"]})
    assert (made.value, made.expires_at, made.session_id) == (SECRET, 7, "sess_1")
    assert dict(made.session) == {"id": "sess_1", "model": "m"}
    assert fake.calls[0].path == "/v1/realtime/sessions"
    assert fake.calls[0].json == {"model": "m", "modalities": ["text"]}


@pytest.mark.checklist(151)
async def test_an_applications_own_client_is_asked_as_well() -> None:
    said = {"value": SECRET, "expires_at": 7, "session": {"type": "realtime"}}
    async with (
        answering(said) as (_, fake),
        AsyncOpenAI(api_key=KEY, base_url=fake.base_url) as own,
    ):
        made = await create_client_secret(own, {"type": "realtime"})
        theirs = await own.realtime.client_secrets.create(session={"type": "realtime"})
    assert (made.value, made.session_id) == (theirs.value, None)
    assert fake.calls[0].json == fake.calls[1].json


@pytest.mark.checklist(48, 116)
@pytest.mark.parametrize(
    ("said", "status", "code"),
    [
        ({"error": {"message": f"No {KEY}."}}, 401, "upstream_auth"),
        ({"error": {"code": "insufficient_quota"}}, 429, "quota_exhausted"),
        ({}, 404, "model_not_available"),
        ({}, 200, "upstream_bad_response"),
        (b"<html>", 200, "upstream_bad_response"),
        ({"client_secret": {"value": 1}}, 200, "upstream_bad_response"),
        (b" " * (MAX_BODY + 1), 200, "upstream_bad_response"),
    ],
)
async def test_what_fails_has_its_code(said: object, status: int, code: str) -> None:
    async with answering(said, status) as (client, _):
        for make in (create_client_secret, create_session):
            assert (await failure(make(client, {}))).code == code


async def test_a_server_that_does_not_answer_is_left_in_time() -> None:
    async with FakeOpenAI(player=silence) as fake:
        shared = SharedClient(Access(api_key=KEY, base_url=fake.base_url))
        with anyio.fail_after(20):
            error = await failure(create_session(shared.get(), {}, timeout=0.1))
        await shared.aclose()
    assert error.code == "upstream_timeout"


async def silence(exchange: Exchange) -> None:
    await exchange.start(200, {"content-type": "application/json"})
    await anyio.sleep_forever()


async def test_azures_dated_api_is_known_to_give_none() -> None:
    async with answering({}, version="2024-10-01-preview") as (client, fake):
        error = await failure(create_client_secret(client, {}))
    assert (error.code, fake.calls) == ("invalid_setting", [])
