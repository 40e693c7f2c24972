"""The shared client: one per loop and access, made on first use, closed by the last."""

from __future__ import annotations

import threading

import anyio
import pytest

from chatbots.provider.client import Access, SharedClient, _on_this_loop
from chatbots.testing import FakeOpenAI

KEYED = Access(api_key="sk-test-1", base_url="http://127.0.0.1:1/v1")


async def test_two_users_with_equal_access_share_one_client() -> None:
    first, second = SharedClient(KEYED), SharedClient(KEYED)
    client = first.get()
    assert second.get() is client
    assert first.get() is client
    await first.aclose()
    assert not client.is_closed()
    await second.aclose()
    assert client.is_closed()


async def test_closing_again_takes_nothing_from_the_others() -> None:
    first, second = SharedClient(KEYED), SharedClient(KEYED)
    client = first.get()
    second.get()
    await first.aclose()
    await first.aclose()
    assert not client.is_closed()
    await second.aclose()


async def test_another_key_gets_another_client() -> None:
    one = SharedClient(KEYED)
    other = SharedClient(Access(api_key="sk-test-2", base_url=KEYED.base_url))
    assert one.get() is not other.get()
    await one.aclose()
    await other.aclose()


async def test_a_user_who_never_asks_makes_no_client() -> None:
    unused = SharedClient(KEYED)
    await unused.aclose()
    assert _on_this_loop() == {}


async def test_a_user_who_comes_after_the_last_one_left_gets_a_new_client() -> None:
    first = SharedClient(KEYED)
    closed = first.get()
    await first.aclose()
    second = SharedClient(KEYED)
    assert second.get() is not closed
    await second.aclose()


async def test_two_event_loops_never_share() -> None:
    here = SharedClient(KEYED)
    mine = here.get()
    theirs: list[object] = []

    async def there() -> None:
        shared = SharedClient(KEYED)
        theirs.append(shared.get())
        await shared.aclose()

    thread = threading.Thread(target=anyio.run, args=(there,))
    thread.start()
    await anyio.to_thread.run_sync(thread.join)
    assert theirs[0] is not mine
    assert not mine.is_closed()
    await here.aclose()


async def test_the_client_neither_retries_nor_follows_redirects() -> None:
    shared = SharedClient(KEYED)
    client = shared.get()
    assert client.max_retries == 0
    assert client._client.follow_redirects is False
    await shared.aclose()


async def test_only_what_was_given_is_sent_and_the_environment_is_not_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-the-environment")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-of-the-environment")
    async with FakeOpenAI() as fake:
        access = Access(api_key="sk-test-1", base_url=fake.base_url, organization="org-given")
        shared = SharedClient(access)
        await shared.get().models.list()
        await shared.aclose()
        headers = fake.calls[0].headers
    assert headers["authorization"] == "Bearer sk-test-1"
    assert headers["openai-organization"] == "org-given"
    assert "openai-project" not in headers


async def test_without_a_key_no_authorization_is_sent() -> None:
    async with FakeOpenAI() as fake:
        shared = SharedClient(Access(api_key=None, base_url=fake.base_url))
        await shared.get().models.list()
        await shared.aclose()
        assert "authorization" not in fake.calls[0].headers


@pytest.mark.parametrize(("reuse", "connections"), [(True, 1), (False, 2)])
async def test_a_server_that_ends_connections_unannounced_gets_one_for_each_request(
    reuse: bool, connections: int
) -> None:
    async with FakeOpenAI() as fake:
        shared = SharedClient(Access(api_key="sk-test-1", base_url=fake.base_url, reuse=reuse))
        for _ in range(2):
            await shared.get().models.list()
        await shared.aclose()
        assert fake.connections == connections
