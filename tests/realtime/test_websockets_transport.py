"""The transport of `websockets` keeps the promises of all, and has some of its own."""

from __future__ import annotations

import logging
from pathlib import Path

import anyio
import pytest
from anyio.lowlevel import checkpoint
from websockets.asyncio.server import ServerConnection, serve

from chatbots.errors import ConfigurationError, ProviderError
from chatbots.realtime import websockets_transport
from chatbots.realtime.proxies import Proxies
from chatbots.realtime.transport import Limits, WebSocketDialer
from chatbots.realtime.websockets_transport import WebSocketsDialer
from chatbots.testing.socket_peer import silent_listener, socket_peer
from chatbots.testing.transport_contract import WebSocketTransportContract
from tests.provider.socks import socks_proxy
from tests.provider.tls import server_with_its_own_certificate
from tests.realtime.ways import (
    HEADERS,
    KEY,
    answering,
    echoed,
    http_proxy,
    refusal,
    secure_echo,
)


@pytest.mark.checklist(62, 70, 72, 75, 130, 131, 146)
class TestWebSockets(WebSocketTransportContract):
    def make_dialer(self, limits: Limits) -> WebSocketDialer:
        return WebSocketsDialer(limits)


async def test_a_name_that_nobody_has_is_told_from_a_server_that_is_down() -> None:
    error = await refusal(WebSocketsDialer(), "ws://nowhere.invalid/v1/realtime")
    assert (error.code, "name" in error.message) == ("upstream_unreachable", True)


async def test_a_certificate_counts_if_its_authority_is_known(tmp_path: Path) -> None:
    async with secure_echo(tmp_path) as (url, trusting):
        assert await echoed(WebSocketsDialer(tls=trusting), url) == "hello"
    async with server_with_its_own_certificate() as port:
        error = await refusal(WebSocketsDialer(), f"wss://127.0.0.1:{port}/")
        assert (error.code, "self-signed" in error.message) == ("upstream_tls", True)
    async with answering(b"HTTP/1.1 400 What?\r\n\r\n") as plain:
        error = await refusal(WebSocketsDialer(), f"wss://127.0.0.1:{plain}/")
        assert (error.code, "http://" in str(error)) == ("upstream_tls", True)


@pytest.mark.checklist(156)
async def test_the_way_through_a_proxy_is_a_tunnel(tmp_path: Path) -> None:
    async with secure_echo(tmp_path) as (url, trusting), http_proxy() as (proxy, asked):
        proxies = Proxies(https=proxy)
        assert await echoed(WebSocketsDialer(proxies=proxies, tls=trusting), url) == "hello"
        assert await echoed(WebSocketsDialer(proxies=Proxies(), tls=trusting), url) == "hello"
    assert len(asked) == 1
    assert asked[0].startswith(f"CONNECT {url.removeprefix('wss://').strip('/')} ")
    assert "Proxy-Authorization: Basic dXNlcjpwYXNz" in asked[0]
    assert KEY not in asked[0]


async def test_a_proxy_that_leads_nowhere_is_named_without_its_password() -> None:
    async with http_proxy(status=407) as (proxy, _):
        error = await refusal(WebSocketsDialer(proxies=Proxies(all=proxy)), "ws://far.invalid/")
        assert (error.code, "proxy 127.0.0.1" in error.message) == ("upstream_unreachable", True)
        assert "pass" not in str(error).replace("password", "")
    error = await refusal(WebSocketsDialer(proxies=Proxies(all=proxy)), "ws://far.invalid/")
    assert "proxy 127.0.0.1" in error.message  # nobody listens there any more
    error = await refusal(WebSocketsDialer(proxies=Proxies(all="gopher://x:pw@y")), "ws://h/")
    assert (error.code, "pw" in str(error)) == ("invalid_setting", False)


@pytest.mark.checklist(156)
async def test_a_socks_proxy_is_asked_for_the_name() -> None:
    async with socket_peer() as peer:
        port = int(peer.url.rpartition(":")[2])
        async with socks_proxy(port) as (proxy, asked):
            dialer = WebSocketsDialer(proxies=Proxies(all=proxy))
            assert await echoed(dialer, "ws://far.invalid/echo") == "hello"
    assert asked == ["far.invalid:80"]


async def test_without_its_extra_a_socks_proxy_is_a_matter_of_configuration(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def missing(*_: object, **__: object) -> None:
        raise ImportError

    monkeypatch.setattr("websockets.asyncio.client.connect_socks_proxy", missing)
    dialer = WebSocketsDialer(proxies=Proxies(all="socks5://127.0.0.1:1"))
    with pytest.raises(ConfigurationError, match=r"pip install .*\[socks\]"):
        await dialer.dial("ws://h/", {})


async def test_what_speaks_no_http_is_no_websocket_server() -> None:
    async with answering(b"220 mail\r\n\r\n") as port:
        error = await refusal(WebSocketsDialer(), f"ws://127.0.0.1:{port}/")
    assert (error.code, "no WebSocket server" in error.message) == ("upstream_bad_response", True)


async def test_nothing_is_compressed_and_the_library_logs_no_key(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    async with socket_peer() as peer:
        socket = await WebSocketsDialer().dial(f"{peer.url}/echo", HEADERS)
        await socket.close()
        peer.open.clear()
    assert "sec-websocket-extensions" not in peer.seen[0].headers
    clients = [record for record in caplog.records if "client" in record.name]
    assert clients == []


async def test_a_peer_that_answers_no_ping_is_dropped_while_one_reads() -> None:
    quick = Limits(ping_every=0.05, pong=0.05, close=0.1)
    async with socket_peer() as peer:
        socket = await WebSocketsDialer(quick).dial(f"{peer.url}/deaf", HEADERS)
        with pytest.raises(ProviderError, match="no sign of life") as caught:
            await socket.read_message()
        await socket.close()
    assert caught.value.code == "stream_stalled"


async def test_a_ping_over_a_connection_that_is_gone_says_so() -> None:
    async with socket_peer() as peer:
        socket = await WebSocketsDialer().dial(f"{peer.url}/drop", HEADERS)
        await socket.write_message("go on")
        with pytest.raises(ProviderError, match="dropped"):
            await socket.read_message()
        with pytest.raises(ProviderError, match="dropped"):
            await socket.ping()
        await socket.close()


async def test_the_environment_is_not_read_behind_ones_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    async with silent_listener() as (url, _):
        error = await refusal(WebSocketsDialer(Limits(open=0.1)), url)
    assert error.code == "upstream_timeout"


def descriptors() -> int:
    return len(list(Path("/dev/fd").iterdir()))


@pytest.mark.checklist(132, 169)
@pytest.mark.slow
async def test_a_thousand_connections_leave_nothing() -> None:
    async with socket_peer() as peer:
        assert await echoed(WebSocketsDialer(), f"{peer.url}/echo") == "hello"
        before = descriptors()
        tasks = len(anyio.get_running_tasks())
        for _ in range(1000):
            await echoed(WebSocketsDialer(), f"{peer.url}/echo")
        while peer.open:  # noqa: ASYNC110 - the peer's own business has no event
            await anyio.sleep(0.001)
        assert descriptors() <= before
        assert len(anyio.get_running_tasks()) <= tasks


async def test_all_kinds_of_messages_keep_their_order() -> None:
    said: list[str | bytes | list[str]] = [
        "a",
        "b",
        b"c",
        "d",
        ["e", "f"],
        "g",
        *map(str, range(99)),
    ]

    async def say(socket: ServerConnection) -> None:
        for message in said:
            await socket.send(message)
        await socket.wait_closed()

    async with serve(say, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        socket = await WebSocketsDialer().dial(f"ws://127.0.0.1:{port}", {})
        got = [await socket.read_message() for _ in said]
        assert got == ["ef" if isinstance(one, list) else one for one in said]
        await socket.close()


async def test_many_messages_are_read_bit_by_bit() -> None:
    async def say(socket: ServerConnection) -> None:
        for number in range(20_000):
            await socket.send(f"{number:200}")
        await socket.wait_closed()

    async with serve(say, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        socket = await WebSocketsDialer().dial(f"ws://127.0.0.1:{port}", {})
        for number in range(20_000):
            assert await socket.read_message() == f"{number:200}"
            if not number % 1000:
                await checkpoint()
        await socket.close()


async def test_what_is_no_utf_8_ends_the_session_after_what_came_before() -> None:
    async def say(socket: ServerConnection) -> None:
        await socket.send("before")
        await socket.send(b"\xff", text=True)
        await socket.send("after")
        await socket.wait_closed()

    async with serve(say, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        socket = await WebSocketsDialer().dial(f"ws://127.0.0.1:{port}", {})
        assert await socket.read_message() == "before"
        with pytest.raises(ProviderError, match="makes no sense"):
            await socket.read_message()
        await socket.close()


SIZES = (0, 5, 125, 126, 65_535, 65_536, 200_000)


@pytest.mark.parametrize("at_once", [1, 2, 3, 7, 126, 4096, 1_000_000])
async def test_messages_are_whole_however_their_bytes_come(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The handshake, text of every form of its length, and control frames between."""

    class Dripping(websockets_transport._Connection):
        def data_received(self, data: bytes) -> None:
            for at in range(0, len(data), at_once):
                super().data_received(data[at : at + at_once])

    sizes = SIZES[:4] if at_once < 126 else SIZES
    said = [chr(0x61 + number) * size for number, size in enumerate(sizes)]

    async def say(socket: ServerConnection) -> None:
        for message in said:
            await socket.send(message)
            await (await socket.ping())
        await socket.recv()
        await socket.close(3000, "enough")

    monkeypatch.setattr(websockets_transport, "_Connection", Dripping)
    async with serve(say, "127.0.0.1", 0, compression=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        socket = await WebSocketsDialer().dial(f"ws://127.0.0.1:{port}", {})
        assert [await socket.read_message() for _ in said] == said
        await socket.write_message("All was read.")
        with pytest.raises(ProviderError):
            await socket.read_message()
        await socket.close()


@pytest.mark.parametrize(
    ("spoilt", "words"),
    [
        (b"\xc1\x02no", "makes no sense"),  # a bit nobody agreed on
        (b"\x81\x82\0\0\0\0no", "makes no sense"),  # masked
        (b"\x89\x7f" + (2**40).to_bytes(8), "bytes"),  # a ping too long
        (b"\x81\x7f" + (2**40).to_bytes(8), "bytes"),  # a message too long
        (b"\x81\x05half", "dropped"),
    ],
)
async def test_what_is_no_frame_is_the_library_s_to_refuse(spoilt: bytes, words: str) -> None:
    async def say(socket: ServerConnection) -> None:
        await socket.send("before")
        socket.transport.write(spoilt)
        if b"half" in spoilt:
            socket.transport.close()
        await socket.wait_closed()

    async with serve(say, "127.0.0.1", 0, compression=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        socket = await WebSocketsDialer().dial(f"ws://127.0.0.1:{port}", {})
        assert await socket.read_message() == "before"
        with pytest.raises(ProviderError, match=words):
            await socket.read_message()
        await socket.close()


async def test_a_refusal_may_be_short() -> None:
    said = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 1\r\n\r\nx"
    async with answering(said) as port:
        error = await refusal(WebSocketsDialer(), f"ws://127.0.0.1:{port}/")
    assert error.code == "upstream_auth"


async def test_no_more_is_taken_from_the_socket_than_somebody_reads() -> None:
    async def say(socket: ServerConnection) -> None:
        for number in range(100):
            await socket.send(str(number))
        await socket.wait_closed()

    async with serve(say, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        socket = await WebSocketsDialer().dial(f"ws://127.0.0.1:{port}", {})
        transport = socket._socket.transport
        with anyio.fail_after(10):
            while transport.is_reading():  # noqa: ASYNC110 - it tells nobody
                await anyio.sleep(0.005)
        assert [await socket.read_message() for _ in range(100)] == list(map(str, range(100)))
        assert transport.is_reading()
        await socket.close()


@pytest.mark.parametrize("after", [b"", b"\x82\x03bin", b"\x01\x03beg"])
async def test_what_is_no_utf_8_comes_in_its_turn_whatever_follows(after: bytes) -> None:
    async def say(socket: ServerConnection) -> None:
        socket.transport.write(b"\x81\x06before\x81\x01\xff" + after)
        socket.transport.close()

    async with serve(say, "127.0.0.1", 0, compression=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        socket = await WebSocketsDialer().dial(f"ws://127.0.0.1:{port}", {})
        with pytest.raises(ProviderError):  # the connection may be gone before it is looked at
            await socket.ping()
        assert await socket.read_message() == "before"
        with pytest.raises(ProviderError):
            await socket.read_message()
        await socket.close()


async def test_who_reads_text_takes_no_more_of_what_is_not_text() -> None:
    async def say(socket: ServerConnection) -> None:
        socket.transport.write(b"\x81\x01t" * 20 + b"\x82\x01b" * 40)
        await socket.send("after")
        await socket.wait_closed()

    async with serve(say, "127.0.0.1", 0, compression=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        socket = await WebSocketsDialer().dial(f"ws://127.0.0.1:{port}", {})
        assert [await socket.read_message() for _ in range(20)] == ["t"] * 20
        assert not socket._socket.transport.is_reading()
        assert [await socket.read_message() for _ in range(41)] == [b"b"] * 40 + ["after"]
        await socket.close()
