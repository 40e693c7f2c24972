"""The suite passes a transport that keeps its promises, and sees each that is broken."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import anyio
import anyio.lowlevel
import pytest
from websockets.asyncio.client import connect

from chatbots.errors import ChatError, ProviderError
from chatbots.realtime.failures import Peer
from chatbots.realtime.transport import HandshakeResponse, Limits, WebSocketDialer
from chatbots.testing.transport_contract import WebSocketTransportContract
from examples.own_transport import TinyConn, TinyDialer


class TestTiny(WebSocketTransportContract):
    def make_dialer(self, limits: Limits) -> WebSocketDialer:
        return TinyDialer(limits)


class Breaking(TinyConn):
    """Wraps what a dialer opened; each subclass breaks one promise."""


class TextAsBytes(Breaking):
    async def read_message(self) -> str | bytes:
        said = await super().read_message()
        return said.encode() if isinstance(said, str) else said


class BytesAsBinary(Breaking):
    async def write_message(self, data: str | bytes, *, binary: bool = False) -> None:
        await super().write_message(data, binary=isinstance(data, bytes))


class Swapping(Breaking):
    """Reads two and gives the second first."""

    kept: list[str | bytes]

    async def read_message(self) -> str | bytes:
        if not hasattr(self, "kept"):
            first, second = await super().read_message(), await super().read_message()
            self.kept = [first, second]
        return self.kept.pop() if self.kept else await super().read_message()


class Greedy(Breaking):
    """A read that is cancelled takes with it what comes next."""

    owed = 0

    async def read_message(self) -> str | bytes:
        try:
            said = await super().read_message()
        except anyio.get_cancelled_exc_class():
            self.owed += 1
            raise
        if self.owed:
            raise ProviderError("upstream_error", "It was taken.")
        return said


class Patient(Breaking):
    async def write_message(self, data: str | bytes, *, binary: bool = False) -> None:
        try:
            await super().write_message(data, binary=binary)
        except ProviderError:
            await anyio.sleep_forever()

    async def ping(self) -> None:
        await (await self.socket.ping())


class Deafened(Breaking):
    async def ping(self) -> None:
        raise self.peer.failed(1011)


class Vague(Breaking):
    """All ends are one."""

    async def read_message(self) -> str | bytes:
        try:
            return await super().read_message()
        except (ProviderError, anyio.ClosedResourceError):
            raise ProviderError("upstream_error", "Something is wrong.") from None


class Lazy(Breaking):
    async def close(self) -> None:
        self.closed = True


class Slow(Breaking):
    async def close(self) -> None:
        await super().close()
        with anyio.CancelScope(shield=True):
            await anyio.sleep(0.6)


class Interrupted(Breaking):
    async def close(self) -> None:
        await anyio.lowlevel.checkpoint()
        await super().close()


class Shouting(Breaking):
    def response(self) -> HandshakeResponse:
        answer = super().response()
        return HandshakeResponse(101, {n.title(): v for n, v in answer.headers.items()})


Dial = Callable[[Limits], WebSocketDialer]


def opening(kind: type[TinyConn]) -> Dial:
    class Dialer(TinyDialer):
        async def dial(self, url: str, headers: Mapping[str, str]) -> TinyConn:
            tiny = await super().dial(url, headers)
            return kind(tiny.socket, tiny.peer, tiny.limits)

    Dialer.__name__ = kind.__name__
    return Dialer


class Keyless(TinyDialer):
    async def dial(self, url: str, headers: Mapping[str, str]) -> TinyConn:
        return await super().dial(url, {"X-Said": "hello", "Authorization": ""})


class Following(TinyDialer):
    async def dial(self, url: str, headers: Mapping[str, str]) -> TinyConn:
        socket = await connect(url, additional_headers=headers)
        return TinyConn(socket, Peer.at(url, headers), self.limits)


class Indiscreet(TinyDialer):
    async def dial(self, url: str, headers: Mapping[str, str]) -> TinyConn:
        try:
            return await super().dial(url, headers)
        except ChatError as error:
            told = f"{error} {json.dumps(dict(headers))}"
        raise ProviderError("upstream_auth", told)


class Hanging(TinyDialer):
    def __init__(self, limits: Limits) -> None:
        super().__init__(Limits(open=60))


class Endless(TinyDialer):
    def __init__(self, limits: Limits) -> None:
        super().__init__(Limits(send=limits.send, close=limits.close))


class Leaking(TinyDialer):
    """Cancelled, it leaves the connection open for a while."""

    async def dial(self, url: str, headers: Mapping[str, str]) -> TinyConn:
        opened: list[TinyConn] = []
        with anyio.CancelScope(shield=True):
            opened.append(await TinyDialer(Limits(open=60)).dial(url, headers))
        return opened[0]


SUITE = WebSocketTransportContract
BROKEN: list[tuple[Dial, str]] = [
    (Keyless, "test_the_handshake_carries_query_and_headers_and_its_answer_can_be_read"),
    (opening(Shouting), "test_the_handshake_carries_query_and_headers_and_its_answer_can_be_read"),
    (Indiscreet, "test_a_refusal_means_the_same_as_to_every_transport"),
    (Following, "test_a_redirect_is_not_followed"),
    (Hanging, "test_who_does_not_answer_the_handshake_is_left_in_time"),
    (Leaking, "test_opening_can_be_cancelled_and_nothing_stays_open"),
    (opening(TextAsBytes), "test_text_is_str_and_binary_is_bytes_both_ways"),
    (opening(BytesAsBinary), "test_text_is_str_and_binary_is_bytes_both_ways"),
    (opening(Swapping), "test_messages_keep_their_order"),
    (opening(Greedy), "test_a_read_that_is_cancelled_loses_nothing"),
    (Endless, "test_a_message_over_the_limit_ends_the_session"),
    (opening(Deafened), "test_a_ping_is_answered"),
    (opening(Patient), "test_who_reads_nothing_is_waited_for_but_not_for_ever"),
    (opening(Patient), "test_no_sign_of_life_is_an_error"),
    (opening(Vague), "test_how_the_peer_ended_it_is_told_as_often_as_one_asks"),
    (opening(Vague), "test_a_connection_dropped_without_a_word_is_interrupted"),
    (opening(Vague), "test_closing_ends_the_wait_of_a_reader_and_the_connection"),
    (opening(Lazy), "test_closing_ends_the_wait_of_a_reader_and_the_connection"),
    (opening(Slow), "test_closing_is_in_time_though_the_peer_does_nothing"),
    (opening(Interrupted), "test_closing_goes_on_when_it_is_cancelled"),
]


@pytest.mark.parametrize(
    ("make", "test"), BROKEN, ids=lambda value: getattr(value, "__name__", None)
)
async def test_a_broken_promise_is_seen(
    make: Dial, test: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Suite(SUITE):
        def make_dialer(self, limits: Limits) -> WebSocketDialer:
            return make(limits)

    monkeypatch.setattr("chatbots.testing.transport_contract.PATIENCE", 0.7)
    monkeypatch.setattr("chatbots.testing.transport_contract.CLOSING", 0.5)
    with pytest.raises((AssertionError, TimeoutError, ProviderError)):
        await getattr(Suite(), test)()
