"""The address of a socket, from what people set."""

from __future__ import annotations

import pytest

from chatbots.errors import ConfigurationError
from chatbots.realtime.address import Address

AZURE = "https://res.openai.azure.com"


@pytest.mark.checklist(147)
@pytest.mark.parametrize(
    ("base", "socket"),
    [
        ("https://api.openai.com/v1", "wss://api.openai.com/v1/realtime"),
        ("https://api.openai.com/v1/", "wss://api.openai.com/v1/realtime"),
        ("http://HOST/v1", "ws://HOST/v1/realtime"),
        ("http://[::1]:8080", "ws://[::1]:8080/realtime"),
        ("wss://api.openai.com/v1/realtime", "wss://api.openai.com/v1/realtime"),
        (" ws://HOST/v1/realtime/ ", "ws://HOST/v1/realtime"),
        ("https://HOST/a%20b/v1#top", "wss://HOST/a%20b/v1/realtime"),
        ("https://HOST/v1?tenant=t", "wss://HOST/v1/realtime?tenant=t"),
    ],
)
def test_the_socket_is_beside_the_rest_of_the_api(base: str, socket: str) -> None:
    assert Address(base_url=base).url() == socket


@pytest.mark.checklist(36, 69, 149)
@pytest.mark.parametrize(
    "base",
    [AZURE, f"{AZURE}/", f"{AZURE}/openai/v1/", "wss://res.openai.azure.com/openai/realtime"],
)
def test_azure_has_two_apis_however_its_resource_is_written(base: str) -> None:
    v1 = Address(base_url=base, azure=True)
    dated = Address(base_url=base, azure=True, api_version="2024-10-01-preview")
    assert v1.url(model="my deployment") == (
        "wss://res.openai.azure.com/openai/v1/realtime?model=my%20deployment"
    )
    assert dated.url(model="gpt") == (
        "wss://res.openai.azure.com/openai/realtime?api-version=2024-10-01-preview&deployment=gpt"
    )


def test_a_url_of_the_sockets_own_is_taken_as_it_is_and_what_it_asks_is_asked_once() -> None:
    address = Address(base_url="http://other/v1", realtime_url="https://HOST/live?model=mine")
    assert address.url(model="theirs", intent="transcription") == (
        "wss://HOST/live?model=mine&intent=transcription"
    )


@pytest.mark.checklist(49, 147)
def test_a_session_or_a_call_is_named_in_the_query() -> None:
    assert Address().url(model="m", session_id="sess_1") == (
        "wss://api.openai.com/v1/realtime?model=m&session_id=sess_1"
    )
    assert Address().url(call_id="rtc_1") == "wss://api.openai.com/v1/realtime?call_id=rtc_1"


@pytest.mark.parametrize(
    "url", ["", "localhost:1/v1", "ftp://HOST", "http://", "http://h:x", "http://h:0", "http://u:secret@h"]
)  # fmt: skip
def test_an_address_that_is_none_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Address(base_url=url).url()
    assert caught.value.code == "invalid_setting"
    assert "secret" not in str(caught.value)


async def test_openai_is_told_who_asks_and_nothing_else() -> None:
    assert await Address(key="k").headers() == {"Authorization": "Bearer k"}
    assert await Address().headers() == {}
    assert await Address(key="k", organization="o", project="p", dialect="beta").headers() == {
        "Authorization": "Bearer k",
        "OpenAI-Organization": "o",
        "OpenAI-Project": "p",
        "OpenAI-Beta": "realtime=v1",
    }


@pytest.mark.checklist(41, 69, 149)
async def test_azure_takes_a_key_in_its_own_header_and_a_token_as_others_do() -> None:
    async def entra() -> str:
        return "later"

    assert await Address(key="k", azure=True).headers() == {"api-key": "k"}
    assert await Address(azure=True).headers() == {}
    for token, value in ((entra, "later"), (lambda: "now", "now")):
        headers = await Address(key=token, azure=True).headers()
        assert headers == {"Authorization": f"Bearer {value}"}


@pytest.mark.checklist(41, 49)
async def test_a_token_is_asked_for_each_time() -> None:
    tokens = iter(["first", "second"])
    address = Address(key=lambda: next(tokens))
    assert [(await address.headers())["Authorization"] for _ in "12"] == [
        "Bearer first",
        "Bearer second",
    ]


@pytest.mark.parametrize("key", ["k\r\nX: y", "clé"])
async def test_a_key_that_no_header_may_have_is_refused_and_not_repeated(key: str) -> None:
    with pytest.raises(ConfigurationError, match="Authorization") as caught:
        await Address(key=key).headers()
    assert key not in str(caught.value)


def test_an_address_shows_no_key() -> None:
    assert repr(Address(key="canary")) == "Address('https://api.openai.com/v1')"
