"""The way to a server, by the variables that name proxies."""

from __future__ import annotations

import pytest

from chatbots.realtime.proxies import Proxies

URL = "wss://api.openai.com/v1/realtime"


@pytest.mark.checklist(156)
@pytest.mark.parametrize(
    ("variables", "url", "proxy"),
    [
        ({}, URL, None),
        ({"HTTPS_PROXY": "http://p"}, URL, "http://p"),
        ({"HTTPS_PROXY": "http://p"}, "ws://h/", None),
        ({"HTTP_PROXY": "http://p"}, "ws://h/", "http://p"),
        ({"HTTP_PROXY": "http://p"}, URL, None),
        ({"ALL_PROXY": "http://p"}, URL, "http://p"),
        ({"ALL_PROXY": "http://p", "HTTPS_PROXY": "http://q"}, URL, "http://q"),
        ({"WSS_PROXY": "http://p", "HTTPS_PROXY": "http://q"}, URL, "http://p"),
        ({"WS_PROXY": "http://p", "HTTP_PROXY": "http://q"}, "ws://h", "http://p"),
        ({"HTTPS_PROXY": "http://P", "https_proxy": "http://p"}, URL, "http://p"),
        ({"HTTPS_PROXY": ""}, URL, None),
        ({"HTTP_PROXY": "http://p", "REQUEST_METHOD": "GET"}, "ws://h", None),
        ({"HTTPS_PROXY": "socks5://127.0.0.1:1080"}, URL, "socks5h://127.0.0.1:1080"),
    ],
)
def test_a_variable_names_the_proxy_for_its_kind_of_url(
    variables: dict[str, str], url: str, proxy: str | None
) -> None:
    assert Proxies.among(variables).to(url) == proxy


@pytest.mark.checklist(156)
@pytest.mark.parametrize(
    ("no", "url", "direct"),
    [
        ("*", URL, True),
        ("openai.com", URL, True),
        (".openai.com", URL, True),
        ("*.openai.com", URL, True),
        ("one.test, API.OpenAI.com ", URL, True),
        ("ai.com", URL, False),
        ("api.openai.com:443", URL, True),
        ("api.openai.com:8443", URL, False),
        ("api.openai.com:80", "ws://api.openai.com", True),
        ("openai.com:8443", "wss://api.openai.com:8443/", True),
        ("127.0.0.1", "wss://127.0.0.1:9/", True),
        ("127.0.0.0/8", "wss://127.0.0.1:9/", True),
        ("10.0.0.0/8", "wss://127.0.0.1:9/", False),
        ("::1", "wss://[::1]:9/", True),
        ("[::1]:9", "wss://[::1]:9/", True),
        ("[::1]:8", "wss://[::1]:9/", False),
        ("", URL, False),
        (",.", URL, False),
    ],
)
def test_no_proxy_names_hosts_that_are_reached_directly(no: str, url: str, direct: bool) -> None:
    proxies = Proxies.among({"HTTPS_PROXY": "http://p", "HTTP_PROXY": "http://p", "NO_PROXY": no})
    assert (proxies.to(url) is None) == direct


def test_a_proxys_password_is_not_shown() -> None:
    assert repr(Proxies()) == "Proxies()"
    assert "canary" not in repr(Proxies(https="http://u:canary@p"))
