"""The server that the transports are tried on does what a path says."""

from __future__ import annotations

import anyio
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from chatbots.testing.socket_peer import SocketPeer, silent_listener, socket_peer


async def end(peer: SocketPeer, path: str) -> ConnectionClosed:
    async with connect(f"{peer.url}{path}", proxy=None, compression=None) as socket:
        await socket.send("go on")
        with pytest.raises(ConnectionClosed) as caught:
            await socket.recv()
    return caught.value


@pytest.mark.checklist(135)
async def test_it_echoes_tells_and_sends_as_much_as_one_asks_for() -> None:
    async with socket_peer() as peer:
        async with connect(f"{peer.url}/echo?a=b", additional_headers={"X-A": "1"}) as socket:
            await socket.send(b"\xff")
            assert await socket.recv() == b"\xff"
        async with connect(f"{peer.url}/tell/one/two%20words") as socket:
            assert [await socket.recv(), await socket.recv()] == ["one", "two words"]
        async with connect(f"{peer.url}/large/3") as socket:
            assert await socket.recv() == "xxx"
        assert (peer.seen[0].path, peer.seen[0].headers["x-a"]) == ("/echo?a=b", "1")


async def test_it_ends_as_it_is_told_to() -> None:
    async with socket_peer() as peer:
        closed, dropped = await end(peer, "/close/4000/a%20reason"), await end(peer, "/drop")
    assert closed.rcvd is not None
    assert (closed.rcvd.code, closed.rcvd.reason) == (4000, "a reason")
    assert dropped.rcvd is None


async def test_it_refuses_and_leads_elsewhere() -> None:
    async with socket_peer() as peer:
        with pytest.raises(InvalidStatus) as caught:
            await connect(f"{peer.url}/status/429/too%20much")
        answer = caught.value.response
        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")
        assert answer.body == b"too much"
        async with connect(f"{peer.url}/redirect") as socket:
            assert socket.request is not None
            assert socket.request.path == "/echo"


async def test_the_deaf_read_nothing_and_are_gone_with_the_server() -> None:
    async with socket_peer() as peer:
        socket = await connect(f"{peer.url}/deaf", ping_interval=None)
        with anyio.move_on_after(0.05) as waited:
            await (await socket.ping())
        assert waited.cancelled_caught
    await socket.wait_closed()


async def test_the_mute_say_no_farewell_and_see_the_end() -> None:
    async with socket_peer() as peer:
        socket = await connect(f"{peer.url}/mute", close_timeout=0.05)
        while not peer.open:  # noqa: ASYNC110 - the peer's own business has no event
            await anyio.sleep(0.001)
        await socket.close()
        assert socket.close_code == 1006
        while peer.open:  # noqa: ASYNC110 - as above
            await anyio.sleep(0.001)


async def test_the_silent_say_nothing_and_see_the_end() -> None:
    async with silent_listener() as (url, ended):
        with pytest.raises(TimeoutError):
            await connect(url, open_timeout=0.05)
        await ended.wait()
