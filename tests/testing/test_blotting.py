from __future__ import annotations

import pytest

from chatbots.testing.blotting import blotted, blotted_response, kept, known, without_keys

HEADERS = {
    "authorization": "Bearer sk-canary-1",
    "api-key": "azure-canary",
    "cookie": "a=b; session=cookie-canary",
    "openai-organization": "org-canary",
    "x-gateway": "gateway-canary",
    "content-type": "application/json",
    "connection": "keep-alive",
    "x-stainless-lang": "python",
}


def test_only_headers_known_to_be_harmless_are_kept() -> None:
    assert set(kept(HEADERS)) == {"content-type", "connection", "x-stainless-lang"}


def test_whatever_else_the_request_carried_is_a_secret() -> None:
    said = b" ".join(known(HEADERS))
    for secret in ("sk-canary-1", "azure-canary", "cookie-canary", "org-canary", "gateway-canary"):
        assert secret.encode() in said
    assert b"keep-alive" not in said


@pytest.mark.parametrize(
    "secret",
    [
        b"sk-proj-abcdefghijklmnop",
        b"Incorrect API key: sk-abcd*********wxyz",
        b"org-abcdefghijklmnopqrstuvwx",
        b"bearer abcdefghijklmnopqrstuvwx",
    ],
)
def test_what_looks_like_a_secret_is_blotted_out_in_its_length(secret: bytes) -> None:
    clean = blotted(b'"' + secret + b'"', [])
    assert len(clean) == len(secret) + 2
    assert clean.endswith(b'xxxxx"')
    assert secret not in clean


def test_plain_words_stay() -> None:
    text = b"a task-force, user-friendly, the bearer of news, org-chart, sk-1"
    assert blotted(text, []) == text


def test_telling_headers_of_a_response_lose_their_values_and_no_byte() -> None:
    response = (
        b"HTTP/1.1 200 OK\r\nopenai-organization: acme\r\nSet-Cookie: __cf=abc; path=/\r\n"
        b"x-ratelimit-limit-tokens: 100\r\ncontent-length: 5\r\n\r\nset-cookie: in the body"
    )
    clean = blotted_response(response, [b"body"])
    assert len(clean) == len(response)
    assert clean == (
        b"HTTP/1.1 200 OK\r\nopenai-organization: xxxx\r\nSet-Cookie: " + b"x" * 16 + b"\r\n"
        b"x-ratelimit-limit-tokens: 100\r\ncontent-length: 5\r\n\r\nset-cookie: in the xxxx"
    )


def test_keys_in_a_query_are_no_more() -> None:
    assert without_keys("/v1/x?api-key=k&api-version=2&sig=s") == (
        "/v1/x?api-key=x&api-version=2&sig=x"
    )
