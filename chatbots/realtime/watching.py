"""Sockets that show what goes over them: every frame with its direction, no audio and no keys."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from chatbots import telemetry
from chatbots.realtime.transport import HandshakeResponse, WebSocketConn, WebSocketDialer

_AUDIO: Final = re.compile(r'("(?:audio|delta)"\s*:\s*")([A-Za-z0-9+/]{64,}={0,2})"')


class WatchedDialer:
    """Opens sockets with *dialer*; *show* is called with a line for each frame, and each opening.

    The *secrets* are not shown, nor what looks like one.
    """

    def __init__(
        self,
        dialer: WebSocketDialer,
        show: Callable[[str], None],
        *,
        secrets: Sequence[str] = (),
    ) -> None:
        self._dialer = dialer
        self._show = show
        self._secrets = secrets

    async def dial(self, url: str, headers: Mapping[str, str]) -> WebSocketConn:
        """Open a socket; see `WebSocketDialer.dial`."""
        self.tell("--", f"opening {url}")
        conn = await self._dialer.dial(url, headers)
        self.tell("--", f"open, status {conn.response().status}")
        return _WatchedConn(conn, self.tell)

    def tell(self, direction: str, frame: str | bytes) -> None:
        """Show a *frame*: `>>` has been sent, `<<` has come."""
        text = frame if isinstance(frame, str) else frame.decode(errors="replace")
        text = _AUDIO.sub(lambda found: f'{found[1]}[{len(found[2])} characters of audio]"', text)
        self._show(f"{direction} {telemetry.redact(text, *self._secrets)}")


class _WatchedConn:
    """A socket whose frames are shown; see `WebSocketConn`."""

    def __init__(self, conn: WebSocketConn, tell: Callable[[str, str | bytes], None]) -> None:
        self._conn = conn
        self._tell = tell

    async def read_message(self) -> str | bytes:
        """Return the next message."""
        message = await self._conn.read_message()
        self._tell("<<", message)
        return message

    async def write_message(self, data: str | bytes, *, binary: bool = False) -> None:
        """Send one message."""
        self._tell(">>", data)
        await self._conn.write_message(data, binary=binary)

    async def close(self) -> None:
        """End the connection."""
        await self._conn.close()
        self._tell("--", "closed")

    def response(self) -> HandshakeResponse:
        """Return what the server answered."""
        return self._conn.response()

    async def ping(self) -> None:
        """Ask for a sign of life."""
        await self._conn.ping()
