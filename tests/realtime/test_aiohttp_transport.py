"""The transport of `aiohttp` keeps the promises of all, and has some of its own."""

from __future__ import annotations

import sys
from pathlib import Path

import anyio
import pytest

from chatbots.errors import ConfigurationError, ProviderError
from chatbots.realtime.aiohttp_transport import AiohttpDialer
from chatbots.realtime.proxies import Proxies
from chatbots.realtime.transport import Limits, WebSocketDialer
from chatbots.testing.socket_peer import socket_peer
from chatbots.testing.transport_contract import WebSocketTransportContract
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


@pytest.mark.checklist(62, 70, 121, 130, 131, 146)
class TestAiohttp(WebSocketTransportContract):
    def make_dialer(self, limits: Limits) -> WebSocketDialer:
        return AiohttpDialer(limits)


@pytest.mark.checklist(121)
def test_missing_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    with pytest.raises(ConfigurationError, match=r"pip install .*\[aiohttp\]") as caught:
        AiohttpDialer()
    assert caught.value.code == "extra_missing"


async def test_a_name_that_nobody_has_is_told_from_a_server_that_is_down() -> None:
    error = await refusal(AiohttpDialer(), "ws://nowhere.invalid/v1/realtime")
    assert (error.code, "name" in error.message) == ("upstream_unreachable", True)


async def test_a_certificate_counts_if_its_authority_is_known(tmp_path: Path) -> None:
    async with secure_echo(tmp_path) as (url, trusting):
        assert await echoed(AiohttpDialer(tls=trusting), url) == "hello"
    async with server_with_its_own_certificate() as port:
        error = await refusal(AiohttpDialer(), f"wss://127.0.0.1:{port}/")
        assert (error.code, "self-signed" in error.message) == ("upstream_tls", True)
    async with answering(b"HTTP/1.1 400 What?\r\n\r\n") as plain:
        error = await refusal(AiohttpDialer(), f"wss://127.0.0.1:{plain}/")
        assert (error.code, "http://" in str(error)) == ("upstream_tls", True)


async def test_the_way_through_a_proxy_is_a_tunnel(tmp_path: Path) -> None:
    async with secure_echo(tmp_path) as (url, trusting), http_proxy() as (proxy, asked):
        proxies = Proxies(https=proxy)
        assert await echoed(AiohttpDialer(proxies=proxies, tls=trusting), url) == "hello"
    assert asked[0].startswith("CONNECT 127.0.0.1:")
    assert "Proxy-Authorization: Basic dXNlcjpwYXNz" in asked[0]
    assert KEY not in asked[0]


async def test_a_proxy_that_leads_nowhere_is_named_without_its_password() -> None:
    async with http_proxy(status=407) as (proxy, _):
        error = await refusal(AiohttpDialer(proxies=Proxies(all=proxy)), "wss://far.invalid/")
        assert (error.code, "proxy 127.0.0.1" in error.message) == ("upstream_unreachable", True)
    error = await refusal(AiohttpDialer(proxies=Proxies(all=proxy)), "wss://far.invalid/")
    assert "proxy 127.0.0.1" in error.message  # nobody listens there any more
    assert ":pass" not in str(error)


async def test_a_socks_proxy_is_a_matter_of_configuration() -> None:
    error = await refusal(AiohttpDialer(proxies=Proxies(all="socks5://x:1")), "ws://h/")
    assert (error.code, "SOCKS" in error.message) == ("invalid_setting", True)


async def test_what_speaks_no_http_is_no_websocket_server() -> None:
    for said in (b"220 mail\r\n\r\n", BAD_ACCEPT):
        async with answering(said) as port:
            error = await refusal(AiohttpDialer(), f"ws://127.0.0.1:{port}/")
        assert error.code == "upstream_bad_response"
        assert "no WebSocket server" in error.message


BAD_ACCEPT = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: no\r\n\r\n"
)


async def test_nothing_is_compressed() -> None:
    async with socket_peer() as peer:
        await echoed(AiohttpDialer(), f"{peer.url}/echo")
    assert "sec-websocket-extensions" not in peer.seen[0].headers


async def test_a_peer_that_answers_no_ping_is_dropped_while_one_reads() -> None:
    quick = Limits(ping_every=0.1, close=0.1)
    async with socket_peer() as peer:
        socket = await AiohttpDialer(quick).dial(f"{peer.url}/deaf", HEADERS)
        with pytest.raises(ProviderError, match="no sign of life"):
            await socket.read_message()
        await socket.close()


async def test_a_write_that_is_cancelled_while_nobody_reads_ends_the_connection() -> None:
    async with socket_peer() as peer:
        socket = await AiohttpDialer(Limits(close=0.1)).dial(f"{peer.url}/deaf", HEADERS)
        with anyio.move_on_after(0.1):
            while True:
                await socket.write_message("x" * 1_000_000)
        with pytest.raises(ProviderError, match="dropped"):
            await socket.write_message("more")
        await socket.close()


async def test_the_peers_ping_is_answered() -> None:
    async with socket_peer() as peer:
        socket = await AiohttpDialer().dial(f"{peer.url}/echo", HEADERS)
        async with anyio.create_task_group() as group:
            group.start_soon(socket.read_message)
            await socket.ping()  # the peer has taken note of its socket
            (other,) = peer.open
            with anyio.fail_after(20):
                await (await other.ping())
            group.cancel_scope.cancel()
        await socket.close()
