"""What a client asked of the fake server, and how far it got with the answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import anyio
import msgspec


@dataclass(eq=False, kw_only=True)
class Moments:
    """When what happened to a call, in seconds of a clock of no date."""

    arrived: float = field(default_factory=time.monotonic)
    struck: float | None = None
    """When the answer began to be wrong, and after how many bytes of it."""
    struck_at_byte: int = 0
    hung_up: float | None = None

    def after(self, moment: float | None) -> float | None:
        """Return the seconds from the arrival to *moment*."""
        return None if moment is None else round(moment - self.arrived, 3)


@dataclass(eq=False, kw_only=True)
class Call:
    """One request as it arrived, and its answer as it goes out.

    `number` counts the calls in the order they arrived, `connection` the TCP connections,
    both from 1.
    Header names are in lower case.
    """

    number: int
    connection: int
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    sent_chunks: int = 0
    """Pieces of the answer's text whose bytes the socket has taken."""
    sent_bytes: int = 0
    """Bytes of the answer, headers included, that the socket has taken."""
    blocked: bool = False
    """Whether the server waits just now because the client does not read."""
    fault: str = ""
    """What is wrong with the answer, by its name; empty if nothing is."""
    finished: int | None = None
    """The answer's place in the order in which answers ended; None if it has not, or broke off."""
    moments: Moments = field(default_factory=Moments)

    @property
    def hung_up(self) -> bool:
        """Whether the client closed the connection before the answer was whole."""
        return self.moments.hung_up is not None

    @property
    def path(self) -> str:
        """The target without its query."""
        return urlsplit(self.target).path

    @property
    def json(self) -> Any:
        """The body as JSON; raises `ValueError` if it is something else."""
        return msgspec.json.decode(self.body)


class Changes:
    """Lets a test wait for a fact about the calls, without sleeping."""

    def __init__(self) -> None:
        self._next: anyio.Event | None = None

    def announce(self) -> None:
        """Wake everybody who waits, to look again."""
        if self._next is not None:
            self._next.set()
            self._next = None

    async def until(self, fact: Callable[[], bool]) -> None:
        """Return as soon as *fact* is true."""
        while not fact():
            if self._next is None:
                self._next = anyio.Event()
            await self._next.wait()
