"""Names of the server, and whose web pages may call it."""

from __future__ import annotations

import pytest

from chatbots.errors import ConfigurationError
from chatbots.server.origins import Names, names_of

LISTED = names_of("Chat.example.com, chat.example.org", "https://Example.com,http://a.test:3000")


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:8080", "LOCALHOST:1", "127.0.0.1:8080", "10.1.2.3", "[::1]:8080",
     "[2001:db8::1]", "chat.example.com", "CHAT.example.org:443"],
)  # fmt: skip
def test_its_names_are_localhost_addresses_and_those_listed(host: str) -> None:
    assert LISTED.is_host(host)


LOOK_ALIKES = [
    None, "", " ", "evil.test", "localhost.evil.test", "localhostevil.test", "evil-localhost",
    "localhost.", "localhost:8080:1", "localhost:", "localhost:x", "localhost@evil.test", "127.1",
    "2130706433", "0x7f.1", "127.0.0.1.nip.io", "::1", "[127.0.0.1]", "[::1", "[]",
    "chat.example.com.evil.test", "xchat.example.com", "example.com", "löcalhost", "localhost/",
    "localhost,evil.test", "localhost evil.test", "localhost\n",
]  # fmt: skip


@pytest.mark.parametrize("host", LOOK_ALIKES)
def test_what_only_looks_like_one_of_its_names_is_none(host: str | None) -> None:
    assert not LISTED.is_host(host)


@pytest.mark.parametrize(
    ("origin", "host", "page"),
    [
        (None, "localhost:8080", "none"),
        ("http://localhost:8080", "localhost:8080", "own"),
        ("http://127.0.0.1:8080", "127.0.0.1:8080", "own"),
        ("http://[::1]:8080", "[::1]:8080", "own"),
        ("HTTP://LocalHost", "localhost", "own"),
        ("http://localhost", "localhost:80", "own"),
        ("https://chat.example.com", "chat.example.com", "own"),
        ("https://chat.example.com:443", "chat.example.com", "own"),
        ("https://example.com", "chat.example.com", "listed"),
        ("https://example.com:443", "chat.example.com", "listed"),
        ("http://a.test:3000", "localhost", "listed"),
    ],
)
def test_pages_of_its_own_and_those_listed_may_call(
    origin: str | None, host: str, page: str
) -> None:
    assert LISTED.page(origin, host) == page


@pytest.mark.parametrize(
    "origin",
    ["", "null", "evil.test", "http://evil.test", "http://localhost", "http://localhost:3000",
     "http://127.0.0.1:8080", "http://localhost:8080.evil.test", "http://localhost:8080@evil.test",
     "http://localhost:8080/", "http://localhost:8080#", "file://", "file://localhost:8080",
     "chrome-extension://localhost:8080", "http:/localhost:8080", "http://", "//localhost:8080",
     "http://localhost:8080 http://evil.test", "http://evil.test, http://localhost:8080",
     "http://example.com", "https://example.com:8443", "https://example.com.evil.test",
     "https://evil-example.com", "https://sub.example.com", "https://exämple.com",
     "https://example.com.", "http://a.test", "http://a.test:30000"],
)  # fmt: skip
def test_every_other_page_is_foreign(origin: str) -> None:
    assert LISTED.page(origin, "localhost:8080") == "foreign"


@pytest.mark.parametrize("host", ["evil.test:8080", None, "", "["])
def test_a_page_of_a_server_with_another_name_is_foreign(host: str | None) -> None:
    """DNS rebinding: the page's own name now leads here."""
    assert Names().page(f"http://{host}", host) == "foreign"


@pytest.mark.parametrize(
    ("hosts", "origins", "named"),
    [
        ("https://chat.example.com", "", "SERVER_HOSTS"),
        ("chat.example.com:443", "", "SERVER_HOSTS"),
        ("*", "", "SERVER_HOSTS"),
        ("", "*", "SERVER_ORIGINS"),
        ("", "null", "SERVER_ORIGINS"),
        ("", "example.com", "SERVER_ORIGINS"),
        ("", "https://example.com/", "SERVER_ORIGINS"),
        ("", "ftp://example.com", "SERVER_ORIGINS"),
    ],
)
def test_what_is_no_name_and_no_origin_is_refused(hosts: str, origins: str, named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        names_of(hosts, origins)


def test_nothing_listed_is_nothing() -> None:
    assert names_of("", " , ") == Names()
