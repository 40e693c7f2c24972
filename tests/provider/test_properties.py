"""Whatever an answer says, however it is spelled, cut and read: it is told whole, or not as whole.

The answers are drawn by hypothesis (`streams.py`), 200 of them, or 5,000 by `make test-all`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterator
from itertools import cycle
from typing import Any, NamedTuple
from unittest.mock import patch

import anyio
import httpx2
from anyio.abc import ObjectSendStream
from anyio.lowlevel import checkpoint
from hypothesis import given, strategies as st
from openai import AsyncOpenAI

from chatbots.deltas import Delta, Done, ReasoningDelta, TextDelta
from chatbots.errors import ChatError, ProviderError
from chatbots.flow.bot import Bot
from chatbots.flow.channel import ReceiveChannel, open_channel
from chatbots.messages import ModelAnswer
from chatbots.provider import connection as connections
from chatbots.provider.chat import _Exchange
from chatbots.provider.connection import Connection, Take
from chatbots.provider.http1 import Incoming
from chatbots.provider.patience import Patience
from chatbots.provider.sse import EventDecoder
from chatbots.provider.streamed import StreamedAnswer, interrupted
from chatbots.provider.transport import Response
from chatbots.testing.http1 import Exchange
from tests.provider.bots import few, talk
from tests.provider.streams import (
    Framed,
    Spoken,
    Stream,
    cut,
    cut_streams,
    cuts,
    joined,
    responses,
    streams,
    text_of,
)


class Kept(ObjectSendStream[Delta]):
    """Takes everything, at once."""

    def __init__(self) -> None:
        self.deltas: list[TextDelta | ReasoningDelta] = []

    @property
    def said(self) -> Spoken:
        return joined(self.deltas)

    def send_nowait(self, item: Delta) -> None:
        assert isinstance(item, TextDelta | ReasoningDelta)
        assert item.text
        self.deltas.append(item)

    async def send(self, item: Delta) -> None:
        self.send_nowait(item)

    async def aclose(self) -> None:
        pass


class Reads:
    """A response whose body comes in *reads* and then ends, properly."""

    def __init__(self, reads: list[bytes]) -> None:
        self.headers: dict[str, str] = {}
        self._left = iter(reads)

    async def pour(self, take: Take) -> bool:
        return any(take(read) for read in self._left)

    async def aclose(self) -> None:
        pass


async def outcome(response: Response, answer: StreamedAnswer) -> ModelAnswer | ChatError:
    """Read *response* as the provider does; return what it makes of it."""

    async def none() -> AsyncOpenAI:
        raise AssertionError("Only what has come is read here: no client is asked for.")

    exchange = _Exchange(none, lambda _: {}, Kept(), Patience())
    try:
        return await exchange._streamed(response, answer)
    except ChatError as error:
        return error
    except httpx2.TransportError:
        return interrupted()


# Any split gives the same text


@given(cut_streams())
def test_any_split_of_any_stream_gives_the_same_events(drawn: tuple[Stream, list[bytes]]) -> None:
    stream, reads = drawn
    decoder = EventDecoder()
    assert [event for read in reads for event in decoder.feed(read)] == stream.events


@given(cut_streams())
async def test_any_split_of_any_stream_gives_the_same_text_and_the_same_end(
    drawn: tuple[Stream, list[bytes]],
) -> None:
    stream, reads = drawn
    out = Kept()
    answer = StreamedAnswer(out)
    whole = await outcome(Reads(reads), answer)
    assert out.said == stream.said
    assert answer.ended == stream.done
    assert isinstance(whole, ModelAnswer) == stream.says_something, whole
    if isinstance(whole, ModelAnswer):
        assert (whole.text, whole.reason) == (stream.text, stream.reason)
        assert whole.state == ("incomplete" if stream.cut_short else "completed")


# No beginning is whole


@given(st.data())
async def test_no_beginning_of_a_stream_is_reported_whole(data: st.DataObject) -> None:
    stream, _ = data.draw(cut_streams())
    length = data.draw(st.integers(0, len(stream.data)))
    reads = cut(stream.data[:length], data.draw(cuts(length, stream.seams))) if length else []
    out = Kept()
    answer = await outcome(Reads(reads), StreamedAnswer(out))
    whole = length >= stream.whole_from
    assert begins(stream, out.said)
    assert isinstance(answer, ModelAnswer) == (whole and stream.says_something)
    if isinstance(answer, ModelAnswer):
        assert (answer.text, out.said) == (stream.text, stream.said)
    else:
        assert isinstance(answer, ProviderError)
        broken = bool(out.said) and not whole
        assert answer.code == ("stream_interrupted" if broken else "upstream_bad_response")


@given(cut_streams(streams(reason=None)))
async def test_a_stream_without_a_finish_reason_is_not_whole_whatever_its_end(
    drawn: tuple[Stream, list[bytes]],
) -> None:
    stream, reads = drawn
    out = Kept()
    answer = await outcome(Reads(reads), StreamedAnswer(out))
    assert isinstance(answer, ProviderError)
    assert answer.code == ("stream_interrupted" if stream.said else "upstream_bad_response")
    assert out.said == stream.said


def begins(stream: Stream, said: Spoken) -> bool:
    """Tell whether *said* is how the answer begins."""
    return text_of(stream.said).startswith(text_of(said))


# HTTP


@given(st.data())
def test_any_split_of_a_response_gives_the_same_body(data: st.DataObject) -> None:
    sent = data.draw(st.binary(max_size=40).flatmap(responses))
    incoming = fed(cut(sent.wire, data.draw(cuts(len(sent.wire)))))
    assert (incoming.status, b"".join(incoming.pieces)) == (sent.status, sent.body)
    assert incoming.headers["content-type"] == "text/event-stream"
    assert "link" not in incoming.headers
    assert incoming.whole == sent.bounded
    assert incoming.ends()
    assert incoming.keep_alive == sent.keep_alive


@given(st.data())
def test_no_beginning_of_a_response_is_whole_if_that_can_be_known(data: st.DataObject) -> None:
    sent = data.draw(st.binary(max_size=40).flatmap(responses))
    last = len(sent.wire) - 1
    length = data.draw(st.integers(0, last) | st.integers(min(sent.head, last), last))
    incoming = fed(cut(sent.wire[:length], data.draw(cuts(length)))) if length else Incoming()
    assert not incoming.whole
    assert incoming.ends() == (not sent.bounded and length >= sent.head)
    assert sent.body.startswith(b"".join(incoming.pieces))


def fed(reads: list[bytes]) -> Incoming:
    incoming = Incoming()
    for read in reads:
        incoming.feed(read)
    return incoming


# The way from the socket to the reader, whoever is quick or slow on it


class Wire:
    """What a connection takes for its transport."""

    def __init__(self) -> None:
        self.paused = False
        self.closed = False

    def write(self, data: bytes) -> None:
        pass

    def pause_reading(self) -> None:
        assert not self.paused
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def is_closing(self) -> bool:
        return self.closed

    def abort(self) -> None:
        self.closed = True


class Haste(NamedTuple):
    """How many rounds of the loop each waits before its next step, and what room there is:

    in the channel, and for bytes of the body that wait before the socket does.
    """

    network: list[int]
    reader: list[int]
    capacity: int
    held: int


pauses = st.lists(st.integers(0, 3), min_size=1, max_size=6)
hastes = st.builds(
    Haste, pauses, pauses, st.sampled_from([1, 2, 5, 1000]), st.sampled_from([1, 30, 10_000])
)


async def waited(rounds: Iterator[int]) -> None:
    for _ in range(next(rounds)):
        await checkpoint()


class Way:
    """From a connection without a socket, through an answer and a channel, to a reader."""

    def __init__(self, haste: Haste) -> None:
        self.headers: dict[str, str] = {}
        self.received: list[TextDelta | ReasoningDelta] = []
        self.connection = Connection()
        self.pour = self.connection.pour
        self._wire = Wire()
        self.connection.connection_made(self._wire)  # type: ignore[arg-type]  # all it needs of it
        self._haste = haste
        self._high_water = 0
        self._over = False

    async def aclose(self) -> None:
        pass

    async def carry(
        self, sent: Framed, reads: list[bytes], *, lost: bool
    ) -> ModelAnswer | ChatError:
        """Let *reads* come from the network, and then its end; return what came of the answer."""
        # The head always has room: it is less than the real mark.
        self._high_water = sent.head + self._haste.held
        out, source = open_channel(capacity=self._haste.capacity)
        with patch.object(connections, "HIGH_WATER", self._high_water), anyio.fail_after(10):
            async with anyio.create_task_group() as group:
                group.start_soon(self._feed, reads, lost)
                group.start_soon(self._receive, source)
                async with out:
                    result = await self._read(StreamedAnswer(out))
                self._over = True
        return result

    async def _read(self, answer: StreamedAnswer) -> ModelAnswer | ChatError:
        try:
            await self.connection.ask(b"")
        except httpx2.TransportError:
            return interrupted()
        return await outcome(self, answer)

    async def _feed(self, reads: list[bytes], lost: bool) -> None:
        rounds = cycle(self._haste.network)
        for read in reads:
            await waited(rounds)
            while self._wire.paused and not self._over:
                await checkpoint()
            if self._over:
                return
            self.connection.data_received(read)
            assert self.connection._held <= self._high_water + len(read)
        await waited(rounds)
        if lost:
            self._wire.abort()
            self.connection.connection_lost(None)

    async def _receive(self, source: ReceiveChannel) -> None:
        rounds = cycle(self._haste.reader)
        while True:
            await waited(rounds)
            try:
                delta = await source.receive()
            except anyio.EndOfStream:
                return
            assert isinstance(delta, TextDelta | ReasoningDelta)
            self.received.append(delta)


@st.composite
def carried(draw: st.DrawFn) -> tuple[Stream, Framed]:
    stream = draw(streams())
    return stream, draw(responses(stream.data))


@given(carried(), hastes, st.data())
async def test_text_arrives_whole_and_in_order_whoever_is_slow(
    drawn: tuple[Stream, Framed], haste: Haste, data: st.DataObject
) -> None:
    stream, sent = drawn
    way = Way(haste)
    reads = cut(sent.wire, data.draw(cuts(len(sent.wire))))
    whole = await way.carry(sent, reads, lost=not sent.bounded)
    assert joined(way.received) == stream.said
    assert isinstance(whole, ModelAnswer) == stream.says_something, whole
    if isinstance(whole, ModelAnswer):
        assert whole.text == stream.text
    assert way.connection.usable == sent.keep_alive


@given(carried(), hastes, st.data())
async def test_what_had_come_when_the_connection_broke_arrives_and_is_not_whole(
    drawn: tuple[Stream, Framed], haste: Haste, data: st.DataObject
) -> None:
    stream, sent = drawn
    last = len(sent.wire) - 1
    length = data.draw(st.integers(0, last) | st.integers(min(sent.head, last), last))
    reads = cut(sent.wire[:length], data.draw(cuts(length))) if length else []
    way = Way(haste)
    answer = await way.carry(sent, reads, lost=True)
    came = b"".join(fed(reads).pieces)
    told = Kept()
    StreamedAnswer(told).take(came)
    assert joined(way.received) == told.said
    if isinstance(answer, ModelAnswer):
        assert len(came) >= stream.whole_from
        assert (answer.text, told.said) == (stream.text, stream.said)


# The same over real sockets, through a bot


def says(data: bytes) -> Any:
    """Answer with *data*, and close the connection."""

    async def player(exchange: Exchange) -> None:
        await exchange.raw(data)

    return player


async def asked(bot: Bot) -> tuple[str, str]:
    reply = await bot.ask("Hi")
    return reply.text, reply.text


async def iterated(bot: Bot) -> tuple[str, str]:
    async with bot.stream("Hi") as s:
        deltas = [delta async for delta in s]
    assert isinstance(deltas[-1], Done)
    return text_of(deltas), s.reply.text


async def read_as_text(bot: Bot) -> tuple[str, str]:
    async with bot.stream("Hi") as s:
        pieces = [text async for text in s.text]
    return "".join(pieces), s.reply.text


async def told(answer: Awaitable[tuple[str, str]]) -> tuple[str, str, bool]:
    """Return the pieces and the text, and whether they are of an answer that failed."""
    try:
        return *await answer, False
    except ChatError as error:
        return error.partial, error.partial, True


ways = st.sampled_from([asked, iterated, read_as_text])


@few
@given(carried(), ways, st.data())
async def test_no_beginning_of_a_response_is_an_answer_to_who_asks_a_bot(
    drawn: tuple[Stream, Framed], way: Any, data: st.DataObject
) -> None:
    stream, sent = drawn
    sent = sent._replace(wire=sent.wire.replace(b" 429 ", b" 200 "))
    places = data.draw(st.lists(st.integers(0, len(sent.wire)), min_size=1, max_size=5))
    async with talk() as on:
        for length in places:
            for _ in range(3):
                on.fake.play(says(sent.wire[:length]))
            came = b"".join(fed([sent.wire[:length]]).pieces) if length else b""
            pieces, text, failed = await told(way(on.bot()))
            assert begins(stream, (TextDelta(pieces),))
            if failed:
                # A whole answer that says nothing is none.
                assert length < len(sent.wire) or not stream.text
            else:
                assert len(came) >= stream.whole_from
                assert pieces == text == stream.text
            on.fake._desk.queue.clear()
