"""It is open to this machine alone, unless strangers are kept out and spending has an end."""

from __future__ import annotations

import pytest

from chatbots.errors import ConfigurationError
from chatbots.server.exposure import check_exposure, is_loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1", "[::1]", "localhost"])
def test_on_this_machine_it_starts_as_it_is(host: str) -> None:
    assert is_loopback(host)
    check_exposure(host, has_tokens=False, quota=None)


WIDE = ["0.0.0.0", "::", "[::]", "", "10.0.0.1", "chat.example.com", "localhost.evil.test"]


@pytest.mark.checklist(226)
@pytest.mark.parametrize("host", WIDE)
@pytest.mark.parametrize(("has_tokens", "quota"), [(False, None), (True, None), (False, 1000)])
def test_beyond_it_needs_tokens_and_a_quota(host: str, has_tokens: bool, quota: int | None) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_exposure(host, has_tokens=has_tokens, quota=quota)
    assert caught.value.code == "unsafe_start"
    said = str(caught.value)
    assert ("chatbots tokens add" in said) is not has_tokens
    assert ("SERVER_QUOTA" in said) is (quota is None)
    assert "--insecure" in said
    assert "127.0.0.1" in said


@pytest.mark.parametrize("host", WIDE)
def test_with_both_or_with_insecure_it_starts(host: str) -> None:
    check_exposure(host, has_tokens=True, quota=1)
    check_exposure(host, has_tokens=False, quota=None, insecure=True)


def test_a_name_for_a_proxy_opens_it_to_others_too() -> None:
    with pytest.raises(ConfigurationError, match=r"as chat\.example\.com"):
        check_exposure("127.0.0.1", has_tokens=True, quota=None, names="chat.example.com")
