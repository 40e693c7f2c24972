"""Clients that ask until they have an answer, each request under one id, and remember all of it."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from time import monotonic
from typing import Final

import anyio
import msgspec
from anyio.streams.buffered import BufferedByteReceiveStream
from msgspec import Struct, field

from tests.chaos.asked import Asked, draw
from tests.chaos.serving import LONGEST, Said

TURNS: Final = 6
"""Requests of a session, then comes a new one: a long past only costs time."""


class Attempt(Struct):
    """One time a request was asked: what was shown, when, and how it ended.

    `end` is empty where the connection broke, and `left` where the client went away itself.
    """

    texts: list[str] = field(default_factory=list[str])
    at: list[float] = field(default_factory=list[float])
    replayed: bool = False
    end: str = ""
    stored: bool = True
    code: str = ""

    @property
    def shown(self) -> str:
        """All that was shown."""
        return "".join(self.texts)


class History(Struct):
    """A request, and every time it was asked."""

    asked: Asked
    attempts: list[Attempt] = field(default_factory=list[Attempt])
    ended: bool = False


class Clients:
    """Asks at *ports*, any of them, until it is `stopping`; `histories` is what came of it.

    Each client asks so many *turns* of a session; *vanish* is how often it goes away half-way.
    """

    def __init__(
        self, ports: Sequence[int], seed: int, *, turns: int = TURNS, vanish: float = 0.05
    ) -> None:
        self.histories: list[History] = []
        self._ports = ports
        self._seed = seed
        self._turns = turns
        self._vanish = vanish
        self.stopping = False

    async def run(self, number: int) -> None:
        """Be client *number*; two share each session."""
        random = Random(self._seed * 1000 + number)
        count = 0
        while not self.stopping:
            session = f"s{number // 2}-{count // self._turns}"
            await self.ask(draw(random, session, f"r{number}-{count}"), random)
            count += 1

    async def ask(self, asked: Asked, random: Random) -> None:
        """Ask until it is answered."""
        history = History(asked)
        self.histories.append(history)
        while True:
            attempt = Attempt()
            history.attempts.append(attempt)
            leaves = random.random() < self._vanish
            with anyio.move_on_after(random.uniform(0, 0.6)) if leaves else anyio.CancelScope():
                if await ask_once(random.choice(self._ports), asked, attempt):
                    history.ended = True
                    return
            if leaves:
                attempt.end = attempt.end or "left"
            elif not (attempt.texts or attempt.end):
                history.attempts.remove(attempt)  # nobody was there
            await anyio.sleep(random.uniform(0.02, 0.1))


async def ask_once(port: int, asked: Asked, attempt: Attempt) -> bool:
    """Ask once; return whether that was the answer."""
    try:
        stream = await anyio.connect_tcp("127.0.0.1", port)
    except OSError:
        return False
    async with stream:
        lines = BufferedByteReceiveStream(stream)
        try:
            await stream.send(msgspec.json.encode(asked) + b"\n")
            while True:
                line = await lines.receive_until(b"\n", LONGEST)
                said = msgspec.json.decode(line, type=Said)
                if said.text:
                    attempt.texts.append(said.text)
                    attempt.at.append(monotonic())
                attempt.replayed |= said.replayed
                if said.end:
                    attempt.end, attempt.stored, attempt.code = said.end, said.stored, said.code
                    return not said.retryable
        except (anyio.IncompleteRead, anyio.EndOfStream, anyio.BrokenResourceError):
            return False
