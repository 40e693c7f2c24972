"""HTTP/1.1 answers, however the network splits them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from chatbots.provider.http1 import MAX_HEAD, Incoming, NotHTTP

CHUNKED = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5\r\nHello\r\n7;x=y\r\n, Ada.\n\r\n0\r\nTrailer: t\r\n\r\n"
)
COUNTED = b"HTTP/1.1 429 Slow\r\nRetry-After: 3\r\nContent-Length: 4\r\n\r\nslow"


def fed(*parts: bytes) -> Incoming:
    incoming = Incoming()
    for part in parts:
        incoming.feed(part)
    return incoming


def body(incoming: Incoming) -> bytes:
    return b"".join(incoming.pieces)


@given(st.lists(st.integers(0, len(CHUNKED)), max_size=20))
def test_any_split_of_the_bytes_gives_the_same_answer(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(CHUNKED)]
    parts = [CHUNKED[a:b] for a, b in pairwise(places)]
    incoming = fed(*(part for part in parts if part))
    assert (incoming.status, body(incoming)) == (200, b"Hello, Ada.\n")
    assert incoming.headers["content-type"] == "text/event-stream"
    assert incoming.whole
    assert incoming.keep_alive


@given(st.integers(0, len(CHUNKED) - 1))
def test_no_beginning_of_an_answer_is_whole(length: int) -> None:
    incoming = fed(CHUNKED[:length]) if length else Incoming()
    assert not incoming.whole
    assert not incoming.ends()
    assert incoming.begun == (length > 0)


def test_a_body_of_known_length_ends_there() -> None:
    incoming = fed(COUNTED[:-1])
    assert (incoming.status, incoming.headers["retry-after"], incoming.whole) == (429, "3", False)
    incoming.feed(COUNTED[-1:])
    assert (body(incoming), incoming.whole, incoming.keep_alive) == (b"slow", True, True)


def test_a_body_without_a_length_ends_with_the_connection() -> None:
    incoming = fed(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nHello")
    assert (body(incoming), incoming.whole) == (b"Hello", False)
    assert incoming.ends()
    assert not incoming.keep_alive


def test_a_server_that_says_it_will_close_is_not_asked_again() -> None:
    incoming = fed(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nHi")
    assert (incoming.whole, incoming.keep_alive) == (True, False)


def test_an_interim_answer_is_read_over() -> None:
    incoming = fed(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n")
    assert (incoming.status, incoming.whole) == (0, False)
    incoming.feed(COUNTED)
    assert (incoming.status, "link" in incoming.headers, incoming.whole) == (429, False, True)


def test_an_interim_answer_does_not_say_that_the_connection_stays() -> None:
    incoming = fed(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\nHello")
    assert incoming.ends()
    assert not incoming.keep_alive


def test_fields_of_one_name_are_joined() -> None:
    incoming = fed(b"HTTP/1.1 204 No\r\nVia: a\r\nvia: b\r\n\r\n")
    assert incoming.headers["via"] == "a, b"
    assert incoming.whole


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfive\r\n",
        b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n\0",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * MAX_HEAD,
        COUNTED + b"HTTP/1.1 200 OK\r\n",
    ],
)
def test_what_is_not_one_answer_is_refused(data: bytes) -> None:
    with pytest.raises(NotHTTP):
        fed(data)
