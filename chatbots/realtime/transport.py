"""A socket as messages: what a session needs of whatever carries it.

A socket of your own is a class with the five methods of `WebSocketConn`, and one with `dial`;
`chatbots.testing.WebSocketTransportContract` says whether it keeps the promises made here.
What a failure means is said in one place for all of them: `failures.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct


class Limits(Struct, frozen=True, kw_only=True):
    """How long a socket waits, in seconds, and how much it takes, in bytes."""

    open: float = 10.0
    """For the connection and the handshake."""
    send: float = 10.0
    """Until the peer has taken enough of what was sent; a peer that stops reading is dropped."""
    close: float = 1.0
    """For the peer's part in closing."""
    ping_every: float = 20.0
    pong: float = 20.0
    """For the answer to a ping."""
    message: int = 16 * 1024 * 1024
    """A message that comes; the server's own limit for audio is 15 MiB."""


class HandshakeResponse(Struct, frozen=True):
    """What the server answered when the socket was opened; *headers* by names in lower case."""

    status: int
    headers: Mapping[str, str]


class WebSocketConn(Protocol):
    """An open socket. One task reads; any may write, ping and close.

    All but `close` raise `ChatError` once the connection has failed or the peer has ended it,
    each time they are called, and `anyio.ClosedResourceError` once it was closed here.
    """

    async def read_message(self) -> str | bytes:
        """Return the next message: text as `str`, binary as `bytes`.

        Cancelled, it has taken nothing: the next call returns what this one would have.
        """
        ...

    async def write_message(self, data: str | bytes, *, binary: bool = False) -> None:
        """Send one message: as text, be *data* `str` or UTF-8, unless it is to be *binary*.

        Returns once it is on its way; waits while the peer does not read, but not for ever.
        """
        ...

    async def close(self) -> None:
        """End the connection within 2 seconds, whatever the peer does; cancelled, it still does.

        May be called again. Whoever reads or writes meanwhile gets `ClosedResourceError`.
        """
        ...

    def response(self) -> HandshakeResponse:
        """Return what the server answered, such as its `x-request-id` and rate limits."""
        ...

    async def ping(self) -> None:
        """Ask the peer for a sign of life, and wait for it; somebody must be reading meanwhile."""
        ...


class WebSocketDialer(Protocol):
    """What opens sockets."""

    async def dial(self, url: str, headers: Mapping[str, str]) -> WebSocketConn:
        """Open a socket at *url* (`ws://` or `wss://`), with *headers* in the handshake.

        Follows no redirect: it would take the key elsewhere.
        Raises `ChatError`; then, and when cancelled, nothing stays open.
        """
        ...
