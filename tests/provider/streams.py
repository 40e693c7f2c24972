"""Streamed answers as servers may spell them, cut as networks may cut them, and what they say."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import groupby, pairwise
from random import Random
from typing import Any, NamedTuple

from hypothesis import strategies as st

from chatbots.deltas import ReasoningDelta, TextDelta

Spoken = tuple[TextDelta | ReasoningDelta, ...]

DONE = "[DONE]"
LINE_ENDS = [b"\n", b"\r\n", b"\r"]
HARD = ["\r\n", "\n\ndata: x\n\n", "\u2028", "\x85", "👍🏽", "é", "[DONE]", "\0", '"\\', "\ufeff"]

texts = st.one_of(
    st.sampled_from([*"abc ", *HARD]),
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=6),
)


class Stream(NamedTuple):
    """The bytes of an answer, and what is in them.

    `whole_from`: so many of its bytes have the finish reason; fewer are no whole answer.
    `seams`: where events and their lines end. `done`: whether it ends with `[DONE]`.
    """

    data: bytes
    events: list[bytes]
    said: Spoken
    reason: str | None
    whole_from: int
    seams: list[int]
    done: bool

    @property
    def text(self) -> str:
        return text_of(self.said)

    @property
    def cut_short(self) -> bool:
        return self.reason in ("length", "content_filter")

    @property
    def says_something(self) -> bool:
        """Whether there is an answer in it: none is empty, unless it was cut."""
        return bool(self.text) or self.cut_short


def text_of(said: Iterable[object]) -> str:
    return "".join(delta.text for delta in said if isinstance(delta, TextDelta))


def joined(said: Iterable[TextDelta | ReasoningDelta]) -> Spoken:
    """Join neighbours of one kind: how much a delta carries is a matter of timing."""
    return tuple(
        kind("".join(delta.text for delta in same)) for kind, same in groupby(said, key=type)
    )


# What is said


class Part(NamedTuple):
    """One event of an answer, and what it adds."""

    body: dict[str, Any]
    adds: Spoken = ()


def chunk(delta: object, **choice: object) -> dict[str, Any]:
    return {"id": "c", "choices": [{"index": 0, "delta": delta, **choice}]}


USAGE = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
NOTHING = [
    Part(body)
    for body in list[dict[str, Any]](
        (
            chunk({"role": "assistant", "content": ""}),
            chunk({"role": "assistant", "content": None, "refusal": None}),
            chunk(None),
            chunk({}, finish_reason=None),
            {"choices": [{"index": 1, "delta": {"content": "another"}, "finish_reason": "stop"}]},
            {"choices": []},
            {"choices": None, "usage": None},
            {"id": "c", "service_tier": "default"},
        )
    )
]

parts = st.one_of(
    texts.map(lambda text: Part(chunk({"content": text}), (TextDelta(text),))),
    texts.map(lambda text: Part(chunk({"content": text}), (TextDelta(text),))),
    texts.map(lambda text: Part(chunk({"refusal": text}), (TextDelta(text),))),
    texts.map(lambda text: Part(chunk({"reasoning_content": text}), (ReasoningDelta(text),))),
    st.tuples(texts, texts).map(
        lambda both: Part(
            chunk({"reasoning": both[0], "content": both[1]}),
            (ReasoningDelta(both[0]), TextDelta(both[1])),
        )
    ),
    st.sampled_from(NOTHING),
)

# What may follow the finish reason, and adds nothing.
ACCOUNT = {"choices": [], "usage": USAGE}
AFTERWARDS = [ACCOUNT, chunk({"content": "too late"}), chunk({}, finish_reason="length"), {}]


# How it is spelled


class Pen:
    """Writes lines, and knows where they end; *chance* decides how.

    One number for all of it: hypothesis would take longer to draw each than the test itself.
    """

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self.data = bytearray()
        self.seams: list[int] = []

    def line(self, text: bytes, end: bytes = b"\n") -> None:
        if self.data.endswith(b"\r") and not text and end == b"\n":
            end = b"\r\n"  # or it would be the second half of a line end
        self.data += text + end
        self.seams.append(len(self.data))

    def event(self, body: object) -> bytes:
        """Write an event in some way of those that mean the same; return its data."""
        pick = self._chance.choice
        on_lines = body != DONE and pick([True, False])
        said = body if isinstance(body, str) else spell(body, indent=0 if on_lines else None)
        lines = said.encode().split(b"\n")
        colon = pick([b"data: ", b"data:"])
        for line in lines:
            noise = pick([b"", b"", b"", b": a comment", b":", b"id: 7", b"retry: 1", b"event: e"])
            if noise:
                self.line(noise, pick(LINE_ENDS))
            self.line(colon + line, pick(LINE_ENDS))
        self.line(b"", pick(LINE_ENDS))
        return b"\n".join(lines)

    def plain_event(self, body: object) -> bytes:
        """Write an event as most servers do: one line."""
        said = (body if isinstance(body, str) else spell(body)).encode()
        self.line(b"data: " + said)
        self.seams.pop()
        self.line(b"")
        return said


def spell(body: object, indent: int | None = None) -> str:
    return json.dumps(body, ensure_ascii=False, indent=indent)


REASONS = st.sampled_from(["stop", "stop", "length", "content_filter", "other"])


@st.composite
def streams(draw: st.DrawFn, reason: st.SearchStrategy[str] | None = REASONS) -> Stream:
    """Draw an answer, `[DONE]` or not, spelled one way or another; *reason* None: not finished."""
    told = draw(st.lists(parts, max_size=6))
    last = draw(st.sampled_from(["", "the end"]))
    why = None if reason is None else draw(reason)
    finish = Part(chunk({"content": last}, finish_reason=why), (TextDelta(last),) if last else ())
    bodies: list[object] = [part.body for part in (*told, finish)]
    bodies += draw(st.lists(st.sampled_from(AFTERWARDS if why else [ACCOUNT]), max_size=2))
    ends: list[list[object]] = [[], [DONE], [DONE, chunk({"content": "after it all"})]]
    end = draw(st.sampled_from(ends))
    bodies += end

    plain = draw(st.sampled_from(["all", "some", "none"]))
    chance = Random(draw(st.integers(0, 2**16)))  # noqa: S311 (no secret)
    pen, events, whole_from = Pen(chance), list[bytes](), 0
    if plain != "all" and chance.choice([True, False]):
        pen.data += b"\xef\xbb\xbf"
    for number, body in enumerate(bodies):
        if plain == "all" or (plain == "some" and chance.choice([True, False])):
            events.append(pen.plain_event(body))
        else:
            events.append(pen.event(body))
        if number == len(told):
            # A CR may be half of a line end: only the next byte tells.
            whole_from = len(pen.data) + pen.data.endswith(b"\r")
    if pen.data.endswith(b"\r"):
        pen.data += b":"
    said = joined(delta for part in (*told, finish) for delta in part.adds)
    if why == "stop" and any("refusal" in spell(part.body) and part.adds for part in told):
        why = "refusal"  # an answer like any other, that says what it is
    return Stream(bytes(pen.data), events, said, why, whole_from, pen.seams, bool(end))


# How it is cut


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    """Cut *data* at *places*, into reads of at least a byte."""
    inside = sorted({0, len(data), *(place for place in places if 0 < place < len(data))})
    return [data[start:stop] for start, stop in pairwise(inside)]


@st.composite
def cuts(draw: st.DrawFn, length: int, seams: Sequence[int] = ()) -> list[int]:
    """Draw places to cut at: where lines and events end, anywhere, or both."""
    places: list[int] = []
    if draw(st.booleans()) and seams:
        left_out = draw(st.sets(st.sampled_from([*seams]), max_size=3))
        places += [seam for seam in seams if seam not in left_out]
    places += draw(st.lists(st.integers(0, length), max_size=6))
    return places


@st.composite
def cut_streams(
    draw: st.DrawFn, drawn: st.SearchStrategy[Stream] | None = None
) -> tuple[Stream, list[bytes]]:
    """Draw an answer, and the reads it comes in."""
    stream = draw(streams() if drawn is None else drawn)
    return stream, cut(stream.data, draw(cuts(len(stream.data), stream.seams)))


# How HTTP carries it


class Framed(NamedTuple):
    """A response; `bounded`: it says where it ends, else it ends with its connection."""

    wire: bytes
    body: bytes
    status: int
    bounded: bool
    head: int
    keep_alive: bool


@st.composite
def responses(draw: st.DrawFn, body: bytes, kinds: Sequence[str] = ()) -> Framed:
    """Draw a way to send *body* over HTTP/1.1: `chunked`, `counted`, or to the `end`."""
    kind = draw(st.sampled_from(kinds or ["chunked", "counted", "end"]))
    interim = draw(st.sampled_from([b"", b"", b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"]))
    status = draw(st.sampled_from([200, 200, 201, 429]))
    name = draw(st.sampled_from([bytes.lower, bytes.upper, bytes.title]))
    head = [b"HTTP/1.1 %d Said" % status, name(b"content-type") + b": text/event-stream"]
    stays = draw(st.sampled_from([b"keep-alive", b"close"]))
    head.append(name(b"connection") + b": " + stays)
    if kind == "chunked":
        head.append(name(b"transfer-encoding") + b": chunked")
        sent = chunked(draw, body)
    else:
        head += [name(b"content-length") + b": %d" % len(body)] if kind == "counted" else []
        sent = body
    begun = interim + b"\r\n".join(head) + b"\r\n\r\n"
    bounded = kind != "end"
    keep_alive = bounded and stays == b"keep-alive"
    return Framed(begun + sent, body, status, bounded, len(begun), keep_alive)


def chunked(draw: st.DrawFn, body: bytes) -> bytes:
    size = draw(st.sampled_from([b"%x", b"%X", b"00%x", b"%x;name=value"]))
    trailer = draw(st.sampled_from([b"", b"", b"trailer: t\r\n"]))
    pieces = cut(body, draw(cuts(len(body)))) if body else []
    sent = b"".join(size % len(piece) + b"\r\n" + piece + b"\r\n" for piece in pieces)
    return sent + b"0\r\n" + trailer + b"\r\n"
