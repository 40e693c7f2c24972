"""The promises of a `WebSocketDialer`, as a suite any implementation can be put through.

    class TestMyTransport(WebSocketTransportContract):
        def make_dialer(self, limits):
            return MyDialer(limits)

The tests are coroutines: run them by pytest-asyncio in auto mode, or by anyio's plugin.
"""
# ruff: noqa: D102 (the tests' names are sentences)

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Final, TypeVar
from urllib.parse import quote

import anyio

from chatbots.errors import ChatError
from chatbots.flow.unwrap import unwrapped
from chatbots.realtime.transport import Limits, WebSocketConn, WebSocketDialer
from chatbots.testing.promises import PATIENCE, promised
from chatbots.testing.socket_peer import HOST, SocketPeer, silent_listener, socket_peer

T = TypeVar("T")

LIMITS: Final = Limits(open=PATIENCE, send=PATIENCE, close=0.3, pong=PATIENCE)
HASTY: Final = Limits(open=0.5)
IMPATIENT: Final = Limits(open=PATIENCE, send=0.3, close=0.3, pong=0.3)
"""What is short here runs out in the tests that use it; elsewhere a machine may be busy."""
KEY: Final = "sk-canary-0123456789"
HEADERS: Final = {"Authorization": f"Bearer {KEY}", "X-Said": "hello"}
CLOSING: Final = 2.0
"""Seconds that closing may take."""

QUOTA: Final = '{"error": {"code": "insufficient_quota", "message": "Nothing left."}}'
REFUSALS: Final = {
    "400": "invalid_request",
    "401": "upstream_auth",
    "403": "upstream_auth",
    "404": "model_not_available",
    "429": "rate_limited",
    f"429/{QUOTA}": "quota_exhausted",
    "500": "upstream_error",
    "503": "upstream_error",
}
ENDS: Final = {
    "1000": "stream_interrupted",
    "1001/Your session hit the maximum duration of 60 minutes.": "stream_interrupted",
    "1008/policy": "invalid_request",
    "1009/large": "invalid_request",
    "1011/oops": "upstream_error",
    "1013": "upstream_error",
    "3000/invalid_request_error.invalid_api_key": "upstream_auth",
    "4000/invalid_request_error.beta_api_shape_disabled": "invalid_setting",
}


@asynccontextmanager
async def patiently(made: AbstractAsyncContextManager[T]) -> AsyncGenerator[T]:
    """Enter what was *made*, for as long as the suite has patience."""
    with unwrapped(), anyio.fail_after(PATIENCE):
        async with made as entered:
            yield entered


class TransportMaker(ABC):
    """Where a suite gets its dialers from."""

    @abstractmethod
    def make_dialer(self, limits: Limits) -> WebSocketDialer:
        """Return a dialer whose sockets keep to *limits*."""

    @asynccontextmanager
    async def _socket(
        self, path: str, limits: Limits = LIMITS
    ) -> AsyncGenerator[tuple[WebSocketConn, SocketPeer]]:
        async with patiently(socket_peer()) as peer:
            socket = await self.make_dialer(limits).dial(peer.url + quote(path), HEADERS)
            try:
                yield socket, peer
            finally:
                await socket.close()

    async def _refusal(self, url: str, limits: Limits = LIMITS) -> ChatError:
        socket = self.make_dialer(limits).dial(url, HEADERS)
        return await failure(socket, f"opening {url} raises ChatError")


async def failure(doing: Awaitable[object], promise: str) -> ChatError:
    """Return the error that *doing* it raises."""
    try:
        await doing
    except ChatError as error:
        promised(KEY not in repr(error) + str(error), "no message repeats the key")
        return error
    raise AssertionError(promise)


async def closed_here(doing: Awaitable[object]) -> None:
    """Check that *doing* it raises `ClosedResourceError`."""
    try:
        await doing
    except anyio.ClosedResourceError:
        return
    raise AssertionError("what was closed here raises anyio.ClosedResourceError")


class OpensSockets(TransportMaker):
    """What happens before the first message."""

    async def test_the_handshake_carries_query_and_headers_and_its_answer_can_be_read(self) -> None:
        async with patiently(socket_peer()) as peer:
            socket = await self.make_dialer(LIMITS).dial(f"{peer.url}/echo?model=a%20b", HEADERS)
            await socket.close()
            answer = socket.response()
            promised(peer.seen[0].path == "/echo?model=a%20b", "the URL is asked for as it is")
            sent = peer.seen[0].headers
            promised(sent["authorization"] == HEADERS["Authorization"], "the key is sent")
            promised(sent["x-said"] == "hello", "each header is sent")
            promised(answer.status == 101, "the status of the answer is told")
            promised(answer.headers.get("upgrade") == "websocket", "names are in lower case")

    async def test_a_refusal_means_the_same_as_to_every_transport(self) -> None:
        async with patiently(socket_peer()) as peer:
            for status, code in REFUSALS.items():
                error = await self._refusal(f"{peer.url}/status/{quote(status)}")
                promised(error.code == code, f"{status} means {code}, not {error!r}")
                promised(error.retry_after == 7, "Retry-After is told")
            error = await self._refusal(f"{peer.url}/status/401/No%20{KEY}%20here")
            promised("No " in str(error), f"what the server says is quoted: {error}")

    async def test_a_redirect_is_not_followed(self) -> None:
        async with patiently(socket_peer()) as peer:
            error = await self._refusal(f"{peer.url}/redirect")
            promised(error.code == "upstream_bad_response", "a redirect is a bad response")
            promised(not error.retryable, "asking again leads nowhere else")
            promised(len(peer.seen) == 1, "nobody else gets the key")

    async def test_what_speaks_http_only_opens_no_socket(self) -> None:
        async with patiently(socket_peer()) as peer:
            error = await self._refusal(f"{peer.url}/status/200/hello")
            promised(error.code == "upstream_bad_response", "200 opens no socket")

    async def test_where_nobody_listens_nothing_is_reached(self) -> None:
        async with await anyio.create_tcp_listener(local_host=HOST) as listener:
            port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 - typed attributes
        error = await self._refusal(f"ws://{HOST}:{port}/")
        promised(error.code == "upstream_unreachable", f"a refused connection, not {error!r}")

    async def test_who_does_not_answer_the_handshake_is_left_in_time(self) -> None:
        async with patiently(silent_listener()) as (url, ended):
            error = await self._refusal(url, HASTY)
            promised(error.code == "upstream_timeout", f"no answer is a timeout, not {error!r}")
            await ended.wait()

    async def test_opening_can_be_cancelled_and_nothing_stays_open(self) -> None:
        async with patiently(silent_listener()) as (url, ended):
            with anyio.move_on_after(0.1):
                await self.make_dialer(Limits()).dial(url, HEADERS)
            await ended.wait()


class CarriesMessages(TransportMaker):
    """What is said comes as it was said."""

    async def test_text_is_str_and_binary_is_bytes_both_ways(self) -> None:
        async with self._socket("/echo") as (socket, _):
            for said in ("", "plain", "żółw \N{TURTLE}", "x" * 100_000, "y" * 2_000_000):
                await socket.write_message(said)
                promised(await socket.read_message() == said, "text comes back whole")
            await socket.write_message(b'{"as": "bytes"}')
            promised(await socket.read_message() == '{"as": "bytes"}', "bytes are sent as text")
            await socket.write_message(b"\xff\x00", binary=True)
            promised(await socket.read_message() == b"\xff\x00", "binary comes as bytes")

    async def test_messages_keep_their_order(self) -> None:
        async with self._socket("/echo") as (socket, _):
            said = [str(n) for n in range(200)]

            async def write() -> None:
                for word in said:
                    await socket.write_message(word)

            async with anyio.create_task_group() as group:
                group.start_soon(write)
                for word in said:
                    promised(await socket.read_message() == word, "what is sent first comes first")

    async def test_a_read_that_is_cancelled_loses_nothing(self) -> None:
        async with self._socket("/echo") as (socket, _):
            for n in range(20):
                with anyio.move_on_after(0.001 * (n % 3)):
                    await socket.read_message()
                    raise AssertionError("nothing was said")
            await socket.write_message("still here")
            promised(await socket.read_message() == "still here", "the next read has it")

    async def test_a_message_over_the_limit_ends_the_session(self) -> None:
        async with self._socket("/large/1001", Limits(message=1000)) as (socket, _):
            error = await failure(socket.read_message(), "a message too large is not read")
            promised(error.code == "upstream_bad_response", f"it is a bad response, not {error!r}")

    async def test_a_ping_is_answered(self) -> None:
        async with self._socket("/echo") as (socket, _), anyio.create_task_group() as group:
            group.start_soon(socket.read_message)
            await socket.ping()
            await socket.ping()
            group.cancel_scope.cancel()

    async def test_who_reads_nothing_is_waited_for_but_not_for_ever(self) -> None:
        async with self._socket("/deaf", IMPATIENT) as (socket, _):
            with anyio.fail_after(PATIENCE):
                error = await failure(_fill(socket), "a write has a deadline")
            promised(error.code == "stream_stalled", f"a peer that stalls, not {error!r}")
            error = await failure(socket.read_message(), "then the connection is gone")

    async def test_no_sign_of_life_is_an_error(self) -> None:
        async with (
            self._socket("/deaf", IMPATIENT) as (socket, _),
            anyio.create_task_group() as group,
        ):
            group.start_soon(_swallowed, socket.read_message)
            error = await failure(socket.ping(), "a ping has a deadline")
            promised(error.code == "stream_stalled", f"a peer that is silent, not {error!r}")
            group.cancel_scope.cancel()


class EndsSockets(TransportMaker):
    """How it ends, and who is told."""

    async def test_how_the_peer_ended_it_is_told_as_often_as_one_asks(self) -> None:
        for end, code in ENDS.items():
            async with self._socket(f"/close/{end}") as (socket, _):
                await socket.write_message("go on")
                for error in await _interrupted(socket):
                    promised(error.code == code, f"{end} means {code}, not {error!r}")

    async def test_a_connection_dropped_without_a_word_is_interrupted(self) -> None:
        async with self._socket("/drop") as (socket, _):
            await socket.write_message("go on")
            for error in await _interrupted(socket):
                promised(error.code == "stream_interrupted", f"it broke off, not {error!r}")
                promised(error.retryable, "another may hold")

    async def test_closing_ends_the_wait_of_a_reader_and_the_connection(self) -> None:
        async with self._socket("/echo") as (socket, peer):
            async with anyio.create_task_group() as group:
                group.start_soon(closed_here, socket.read_message())
                await anyio.wait_all_tasks_blocked()
                await socket.close()
            await socket.close()
            await closed_here(socket.read_message())
            await closed_here(socket.write_message("too late"))
            while peer.open:  # noqa: ASYNC110 - the peer's own business has no event
                await anyio.sleep(0.001)

    async def test_closing_is_in_time_though_the_peer_does_nothing(self) -> None:
        limits = Limits(close=0.3)
        async with self._socket("/deaf", limits) as (socket, _), anyio.create_task_group() as group:
            group.start_soon(_swallowed, _fill, socket)
            await anyio.sleep(0.05)
            start = anyio.current_time()
            await socket.close()
            took = anyio.current_time() - start
            promised(took < CLOSING, f"closing takes {CLOSING} seconds at most, not {took:.1f}")

    async def test_closing_goes_on_when_it_is_cancelled(self) -> None:
        async with self._socket("/mute") as (socket, peer):
            with anyio.CancelScope() as scope:
                scope.cancel()
                await socket.close()
            while peer.open:  # noqa: ASYNC110 - the peer's own business has no event
                await anyio.sleep(0.001)


class WebSocketTransportContract(OpensSockets, CarriesMessages, EndsSockets):
    """Everything a `WebSocketDialer` and its sockets promise; a subclass gives `make_dialer`."""


async def _interrupted(socket: WebSocketConn) -> list[ChatError]:
    """Return how two reads and a write are told that the session is over."""
    return [
        await failure(socket.read_message(), "a read tells that the session is over"),
        await failure(socket.read_message(), "so does the next"),
        await failure(socket.write_message("?"), "and a write"),
    ]


async def _fill(socket: WebSocketConn) -> None:
    for _ in range(100):
        await socket.write_message("x" * 1_000_000)


async def _swallowed(doing: Callable[..., Awaitable[object]], *args: object) -> None:
    """Do it, and let it fail as what is closed or dropped does."""
    with suppress(ChatError, anyio.ClosedResourceError):
        await doing(*args)
