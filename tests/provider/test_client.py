"""The shared client: one per loop and access, made on first use, closed by the last."""

from __future__ import annotations

import sys
import threading
import traceback

import anyio
import pytest
from openai import AsyncAzureOpenAI, AsyncOpenAI

from chatbots.errors import ConfigurationError
from chatbots.provider.client import (
    OPENAI_URL,
    Access,
    SharedClient,
    _on_this_loop,
    azure_access,
    speaks_openai,
)
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


@pytest.mark.checklist(148)
async def test_without_an_address_openais_own_is_asked() -> None:
    shared = SharedClient(Access(api_key="sk-test-1"))
    assert str(shared.get().base_url) == "https://api.openai.com/v1/"
    await shared.aclose()


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


# Azure


@pytest.mark.parametrize("endpoint", ["https://r.openai.azure.com", "https://r.openai.azure.com/"])
@pytest.mark.parametrize("rest", ["", "/openai/v1", "/openai/v1/"])
def test_azures_address_may_be_the_resource_or_its_v1_api(endpoint: str, rest: str) -> None:
    url = endpoint.rstrip("/") + rest if rest else endpoint
    plain = azure_access(url, api_key="k", api_version=None)
    dated = azure_access(url, api_key="k", api_version="2024-10-21")
    assert plain.base_url == "https://r.openai.azure.com/openai/v1"
    assert dated.base_url == "https://r.openai.azure.com/openai"


def test_azure_without_a_key_is_not_configured() -> None:
    with pytest.raises(ConfigurationError, match="AZURE_OPENAI_API_KEY") as caught:
        azure_access("https://r.openai.azure.com", api_key=None, api_version=None)
    assert caught.value.code == "not_configured"


async def test_of_azures_variables_only_what_was_given_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("API_KEY", "AD_TOKEN", "ENDPOINT"):
        monkeypatch.setenv(f"AZURE_OPENAI_{name}", "http://of-the-environment.invalid")
    monkeypatch.setenv("OPENAI_API_VERSION", "of-the-environment")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-the-environment")
    async with FakeOpenAI() as fake:
        for version in (None, "given"):
            access = azure_access(
                fake.base_url.removesuffix("/v1"), api_key="given", api_version=version
            )
            shared = SharedClient(access)
            await shared.get().embeddings.create(model="m", input="text")
            await shared.aclose()
    for call in fake.calls:
        assert call.headers["api-key"] == "given"
        assert "of-the-environment" not in f"{call.target} {call.headers}"
        assert "authorization" not in call.headers


async def test_who_speaks_openais_own_dialect() -> None:
    url = "https://r.openai.azure.com"
    ours = [
        (Access(api_key="k"), True),
        (Access(api_key="k", base_url=OPENAI_URL + "/"), True),
        (KEYED, False),
        (azure_access(url, api_key="k", api_version=None), True),
        (azure_access(url, api_key="k", api_version="2024-10-21"), False),
        (azure_access(url, api_key="k", api_version="2024-12-01-preview"), True),
    ]
    for access, expected in ours:
        shared = SharedClient(access)
        assert speaks_openai(shared.get()) is expected
        await shared.aclose()
    async with (
        AsyncAzureOpenAI(azure_endpoint=url, api_version="2025-01-01", api_key="k") as azure,
        AsyncOpenAI(base_url="http://127.0.0.1:1/v1", api_key="k") as other,
    ):
        assert speaks_openai(azure)
        assert not speaks_openai(other)


# Proxies


async def test_a_socks_proxy_without_its_package_names_the_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1")
    monkeypatch.setitem(sys.modules, "socksio", None)
    with pytest.raises(ConfigurationError, match=r"pip install .*\[socks\]") as caught:
        SharedClient(KEYED).get()
    assert caught.value.code == "extra_missing"
    assert _on_this_loop() == {}


@pytest.mark.parametrize("proxy", ["gopher://u:canary@127.0.0.1:1", "http://u:canary@h:x"])
async def test_a_proxy_that_cannot_be_used_is_a_setting_and_not_repeated(
    proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(ConfigurationError, match="ALL_PROXY") as caught:
        SharedClient(KEYED).get()
    assert caught.value.code == "invalid_setting"
    assert "canary" not in "".join(traceback.format_exception(caught.value))
