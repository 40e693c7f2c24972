"""Connections to a server: made when needed, kept for a while, each lent to one request."""

from __future__ import annotations

import math
import ssl

import anyio
import httpx2

from chatbots.provider.connection import Connection


class Lent:
    """An answer, and the connection it comes over."""

    def __init__(self, connection: Connection, pool: Pool) -> None:
        self.status_code = connection.answer.status
        self.headers = connection.answer.headers
        self.pour = connection.pour
        self._connection = connection
        self._pool = pool

    async def aclose(self) -> None:
        """Give the connection back; where the answer is not whole, it is closed at once."""
        self._pool.take_back(self._connection)


class Pool:
    """The connections of one client to its server, on one event loop.

    *tls* checks the server's certificate; None for a server that speaks plain HTTP.
    """

    def __init__(self, url: httpx2.URL, tls: ssl.SSLContext | None, limits: httpx2.Limits) -> None:
        self.url = url
        self._tls = tls
        self._limits = limits
        self._free = anyio.Semaphore(limits.max_connections or 0, fast_acquire=True)
        self._idle: list[Connection] = []

    async def ask(
        self, request: bytes, timeout: httpx2.Timeout, *, within: float = math.inf
    ) -> Lent:
        """Send a whole *request*; return the answer once its head is there.

        A kept connection that the server closes before it has answered one byte had been closed
        before the request came: the request is sent again at once, over a new one.
        Raises `httpx2.TransportError`: `ReadTimeout` where the head does not come *within* so
        many seconds.
        """
        connection: Connection | None = None
        try:
            self._free.acquire_nowait()
        except anyio.WouldBlock:
            await self._wait(timeout.pool)
        try:
            connection = self._kept()
            if connection is not None:
                try:
                    await connection.ask(request, within=within)
                    return Lent(connection, self)
                except httpx2.ReadError:
                    if connection.answer.begun:
                        raise
            connection = await self._new(timeout.connect)
            await connection.ask(request, within=within)
            return Lent(connection, self)
        except BaseException:
            if connection is not None:
                connection.abort()
            self._free.release()
            raise

    def take_back(self, connection: Connection) -> None:
        """Keep a connection for the next request, or close it."""
        self._free.release()
        self._idle = [kept for kept in self._idle if kept.usable]
        if connection.usable and len(self._idle) < (self._limits.max_keepalive_connections or 0):
            connection.rest(self._limits.keepalive_expiry)
            self._idle.append(connection)
        else:
            connection.abort()

    def close(self) -> None:
        """Close the connections that nobody uses, and keep no more."""
        self._limits = httpx2.Limits(max_keepalive_connections=0)
        while self._idle:
            self._idle.pop().abort()

    async def _wait(self, timeout: float | None) -> None:
        try:
            with anyio.fail_after(timeout):
                await self._free.acquire()
        except TimeoutError as error:
            raise httpx2.PoolTimeout("All connections are in use.") from error

    def _kept(self) -> Connection | None:
        self._idle = [kept for kept in self._idle if kept.usable]
        return self._idle.pop() if self._idle else None

    async def _new(self, timeout: float | None) -> Connection:
        port = self.url.port or (443 if self._tls else 80)
        try:
            with anyio.fail_after(timeout):
                return await Connection.to(self.url.raw_host.decode(), port, self._tls)
        except TimeoutError as error:
            raise httpx2.ConnectTimeout("The server did not answer.") from error
        except OSError as error:
            raise httpx2.ConnectError(str(error)) from error
