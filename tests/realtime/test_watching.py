"""A socket whose frames are shown."""

from __future__ import annotations

import anyio
import pytest

from chatbots.errors import ChatError
from chatbots.realtime.watching import WatchedDialer
from chatbots.realtime.websockets_transport import WebSocketsDialer
from chatbots.testing.socket_peer import socket_peer

KEY = "canary-as-no-pattern-knows-it"


@pytest.mark.checklist(13)
async def test_every_frame_is_shown_with_its_direction_and_no_key() -> None:
    shown: list[str] = []
    async with socket_peer() as peer:
        dialer = WatchedDialer(WebSocketsDialer(), shown.append, secrets=[KEY])
        socket = await dialer.dial(f"{peer.url}/echo", {"Authorization": f"Bearer {KEY}"})
        await socket.ping()
        await socket.write_message(f'{{"type": "x", "said": "{KEY}"}}')
        assert KEY in str(await socket.read_message())
        await socket.write_message(b"\xff", binary=True)
        assert await socket.read_message() == b"\xff"
        await socket.close()
        with pytest.raises(anyio.ClosedResourceError):
            await socket.read_message()
    assert shown == [
        f"-- opening {peer.url}/echo",
        "-- open, status 101",
        '>> {"type": "x", "said": "[redacted]"}',
        '<< {"type": "x", "said": "[redacted]"}',
        ">> \ufffd",
        "<< \ufffd",
        "-- closed",
    ]


@pytest.mark.parametrize("field", ["audio", "delta"])
async def test_audio_is_counted_and_not_shown(field: str) -> None:
    shown: list[str] = []
    WatchedDialer(WebSocketsDialer(), shown.append).tell("<<", f'{{"{field}": "{"A" * 400}"}}')
    assert shown == [f'<< {{"{field}": "[400 characters of audio]"}}']


async def test_text_is_shown_as_it_is() -> None:
    shown: list[str] = []
    WatchedDialer(WebSocketsDialer(), shown.append).tell("<<", '{"delta":"Hello there."}')
    assert shown == ['<< {"delta":"Hello there."}']


async def test_a_socket_that_is_refused_raises_as_it_would_unwatched() -> None:
    shown: list[str] = []
    async with socket_peer() as peer:
        with pytest.raises(ChatError, match="no"):
            await WatchedDialer(WebSocketsDialer(), shown.append).dial(
                f"{peer.url}/status/503/no", {}
            )
    assert len(shown) == 1
