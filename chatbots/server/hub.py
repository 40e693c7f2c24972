"""Who is connected, what is running, and how all of it ends."""

from __future__ import annotations

from typing import Final, Protocol

import anyio

from chatbots.errors import AccessDenied
from chatbots.server.call import Turns

FAREWELL: Final = 2.0
"""Seconds to keep what was cancelled, and to tell its clients."""


class Client(Protocol):
    """A client's socket, as far as the hub cares."""

    async def go_away(self, seconds: float) -> None:
        """Tell the client that the server stops within *seconds*, and close once it is idle."""
        ...

    def stop(self) -> None:
        """Cancel what is running."""
        ...


def going_away() -> AccessDenied:
    """Return what a client is told while the server stops."""
    return AccessDenied("going_away", "The server is about to stop.", hint="Connect again.")


class Hub:
    """Every client of one process: those connected, and those gone whose turns still run."""

    def __init__(self) -> None:
        self.draining = False
        self.waiting = anyio.Event()
        """Set when it stops and waits for somebody."""
        self.turns: Turns = {}
        self._connected: set[Client] = set()
        self._present: set[Client] = set()
        self._empty: anyio.Event | None = None

    def __len__(self) -> int:
        return len(self._connected)

    def join(self, client: Client) -> None:
        """Count a client in; raises `AccessDenied` (`going_away`) while the server stops."""
        self.check_open()
        self._connected.add(client)
        self._present.add(client)

    def check_open(self) -> None:
        """Raise `AccessDenied` (`going_away`) while the server stops."""
        if self.draining:
            raise going_away()

    def lost(self, client: Client) -> None:
        """Count out the socket of a client; what it asked may still run."""
        self._connected.discard(client)

    def leave(self, client: Client) -> None:
        """Count a client out with all that it asked."""
        self._connected.discard(client)
        self._present.discard(client)
        if self._empty is not None and not self._present:
            self._empty.set()

    async def drain(self, grace: float) -> None:
        """Tell everybody to go, and return when all have; what runs has *grace* seconds to end.

        Then it is cancelled, and kept as far as it came.
        """
        self.draining = True
        if not self._present:
            return
        self._empty = anyio.Event()
        self.waiting.set()
        async with anyio.create_task_group() as tasks:
            for client in tuple(self._present):
                tasks.start_soon(client.go_away, grace)
            with anyio.move_on_after(grace):
                await self._empty.wait()
            self.stop()
            with anyio.move_on_after(FAREWELL):
                await self._empty.wait()
            tasks.cancel_scope.cancel()

    def stop(self) -> None:
        """Cancel everything that runs."""
        for client in tuple(self._present):
            client.stop()
