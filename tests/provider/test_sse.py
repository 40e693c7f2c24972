"""The event-stream decoder: any split of the bytes gives the same events."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from chatbots.provider.sse import EventDecoder, EventTooLarge

WITHIN_A_LINE = st.characters(codec="utf-8", exclude_characters="\r\n")


def events_of(*chunks: bytes) -> list[bytes]:
    decoder = EventDecoder()
    return [event for chunk in chunks for event in decoder.feed(chunk)]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_an_event_ends_with_an_empty_line_whatever_the_line_ends(end: bytes) -> None:
    stream = b"data: one" + end + end + b"data: two" + end + end + b":"
    assert events_of(stream) == [b"one", b"two"]


def test_line_ends_may_be_mixed() -> None:
    assert events_of(b"data: a\r\n\ndata: b\r\rdata: c\n\r\n:") == [b"a", b"b", b"c"]


def test_a_crlf_split_over_two_reads_is_one_line_end() -> None:
    assert events_of(b"data: a\r", b"\ndata: b\r", b"\n\r", b"\n") == [b"a\nb"]


def test_a_byte_order_mark_is_skipped_once_and_only_at_the_start() -> None:
    assert events_of(b"\xef", b"\xbb", b"\xbfdata: a\n\n") == [b"a"]
    assert events_of(b"data: a\n\n\xef\xbb\xbfdata: b\n\n") == [b"a"]


def test_what_only_begins_like_a_byte_order_mark_is_kept() -> None:
    assert events_of(b"\xef", b"x: y\ndata: a\n\n") == [b"a"]


@pytest.mark.parametrize(
    ("read", "events"),
    [
        (b"data: a\n\n", [b"a"]),
        (b"data: \n\n", [b""]),
        (b"data: a\ndata: b\n\n", [b"a\nb"]),
        (b"data: a\r\ndata: b\n\n", [b"a\nb"]),
        (b"data: a\n\ndata: b\n\n", [b"a", b"b"]),
        (b"data: a\n: b\n\n", [b"a"]),
    ],
)
def test_a_read_that_looks_like_one_event_is_read_as_the_bytes_say(
    read: bytes, events: list[bytes]
) -> None:
    assert events_of(read) == events_of(b": hello\n\n", read) == events
    assert events_of(b": hello\n\n", read, read) == events * 2
    assert events_of(b"data: x\n", read) == [b"\n".join([b"x", events[0]]), *events[1:]]


def test_a_read_that_is_one_event_beyond_the_cap_is_refused() -> None:
    for first in (b"", b": hello\n\n"):
        decoder = EventDecoder(max_event=4)
        assert decoder.feed(first) == []
        assert decoder.feed(b"data: abc\n\n") == [b"abc"]
        with pytest.raises(EventTooLarge):
            decoder.feed(b"data: abcd\n\n")


def test_comments_and_other_fields_are_read_over() -> None:
    stream = b": keep-alive\n\nid: 7\nevent: x\nretry: 10\ndata: a\n: more\n\n"
    assert events_of(stream) == [b"a"]


def test_several_data_lines_are_one_event() -> None:
    assert events_of(b"data: a\ndata:b\ndata\ndata:  c\n\n") == [b"a\nb\n\n c"]


def test_an_event_that_is_not_finished_is_never_given_out() -> None:
    assert events_of(b"data: a\n\ndata: b\n") == [b"a"]


@pytest.mark.parametrize(
    "stream",
    [b"data: " + b"x" * 101, b"data: " + b"x" * 60 + b"\ndata: " + b"x" * 60 + b"\n", b"x" * 101],
)
def test_an_event_beyond_the_cap_is_refused(stream: bytes) -> None:
    with pytest.raises(EventTooLarge, match="more than 100 bytes"):
        EventDecoder(max_event=100).feed(stream)


def test_many_small_events_in_one_read_are_no_large_event() -> None:
    assert len(EventDecoder(max_event=100).feed(b"data: 0123456789\n\n" * 100)) == 100


@given(
    texts=st.lists(st.text(WITHIN_A_LINE, max_size=30), max_size=8),
    end=st.sampled_from([b"\n", b"\r\n", b"\r"]),
    cuts=st.lists(st.integers(0, 400), max_size=12),
)
def test_any_split_of_the_bytes_gives_the_same_events(
    texts: list[str], end: bytes, cuts: list[int]
) -> None:
    stream = b"".join(b"data: " + text.encode() + end + end for text in texts) + b":"
    places = sorted({0, *(cut for cut in cuts if cut < len(stream)), len(stream)})
    chunks = [stream[a:b] for a, b in pairwise(places)]
    assert events_of(*chunks) == [text.encode() for text in texts]
