"""What a fault puts on the wire: plain values, one after the other, and who plays them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import Enum
from random import Random
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias

import anyio
import msgspec

from chatbots.testing import bodies
from chatbots.testing.bodies import DONE, ChatBodies, Json
from chatbots.testing.http1 import EVENT_STREAM, JSON, Exchange, Headers
from chatbots.testing.requests import ChatRequest

LINGER: Final = 0.25
"""Seconds a client is given to hang up after an error, before it counts as reading on."""


class Head(NamedTuple):
    """The head of a response; without a content-length the body is chunked."""

    status: int
    headers: Headers


class Send(NamedTuple):
    """The next bytes of the body, as one HTTP chunk in one write; `pieces` of text end in it."""

    data: bytes
    pieces: int = 0


class End(NamedTuple):
    """The last bytes of the body, and its proper end."""

    data: bytes = b""
    pieces: int = 0


class Raw(NamedTuple):
    """Bytes for the socket as they are."""

    data: bytes


class Wait(NamedTuple):
    """A silence; without seconds it lasts until the client hangs up."""

    seconds: float = math.inf


class Mark(Enum):
    """What happens without a byte: from STRIKE on the answer is wrong, RESET breaks the line."""

    STRIKE = "strike"
    RESET = "reset"


Step: TypeAlias = "Head | Send | End | Raw | Wait | Mark"
"""Steps that run out before an `End` close the connection where it is."""


class Script(NamedTuple):
    """The answer as it should have been, and who asked for it."""

    request: ChatRequest
    sheet: ChatBodies
    pieces: Sequence[str]
    finish_reason: str | None
    usage: Json
    headers: Headers
    host: str
    target: str
    chance: Random

    @property
    def stream(self) -> bool:
        """Whether a stream was asked for, not a whole answer."""
        return bool(self.request.stream)

    @property
    def bodies(self) -> list[Json]:
        """The chunks of a stream: who speaks, each piece, the reason, usage; or the one body."""
        if not self.stream:
            return [self.sheet.whole("".join(self.pieces), self.finish_reason, self.usage)]
        said = [self.sheet.opening(), *map(self.sheet.piece, self.pieces)]
        if self.finish_reason is not None:
            said.append(self.sheet.closing(self.finish_reason))
        return said + [self.sheet.accounting(self.usage)] * self.sheet.include_usage


Steps: TypeAlias = "Callable[[Script, float], Iterable[Step]]"


class Fault(NamedTuple):
    """A way to fail: what it does, and what the number after its name counts, if it takes one."""

    about: str
    steps: Steps
    unit: str = ""
    default: float = 0


def head(script: Script, more: Headers = MappingProxyType({}), status: int = 200) -> Head:
    """Return the head of the answer that was asked for, with *more* headers or others."""
    kind = EVENT_STREAM if script.stream else JSON
    return Head(status, {"content-type": kind, **script.headers, **more})


def sends(script: Script, said: Sequence[Json] | None = None) -> list[Send]:
    """Return the body, event by event; a whole answer is sent in two halves."""
    said = script.bodies if said is None else said
    if script.stream:
        return [Send(bodies.event(body), int(0 < n <= len(script.pieces)))
                for n, body in enumerate(said)]  # fmt: skip
    data = msgspec.json.encode(said[0])
    return [Send(data[: len(data) // 2]), Send(data[len(data) // 2 :], 1)]


def end(script: Script) -> End:
    """Return what ends a good answer."""
    return End(DONE if script.stream else b"")


def answer(script: Script, said: Sequence[Json] | None = None) -> Iterator[Step]:
    """Yield the answer without a fault, or with other bodies."""
    yield head(script)
    yield from sends(script, said)
    yield end(script)


def until(script: Script, pieces: float) -> Iterator[Step]:
    """Yield the answer up to so many pieces, never its end; half of a whole answer."""
    yield head(script)
    most = len(script.pieces) if script.stream else 0
    yield from sends(script)[: 1 + min(int(pieces), most)]
    yield Mark.STRIKE


def without_fault(script: Script, _: float = 0) -> Iterator[Step]:
    """Answer as if nothing were wrong."""
    return answer(script)


async def play(steps: Iterable[Step], exchange: Exchange, delay: float = 0) -> None:
    """Play the *steps*, waiting *delay* seconds before each piece of text."""
    exchange.struck()
    for step in steps:
        match step:
            case Head(status, headers):
                await exchange.start(status, headers)
            case Send(data, pieces) | End(data, pieces):
                if pieces and delay:
                    await anyio.sleep(delay)
                await (exchange.finish(data) if isinstance(step, End) else exchange.send(data))
                for _ in range(pieces):
                    exchange.sent_chunk()
            case Raw(data):
                await exchange.raw(data)
            case Wait(seconds):
                await anyio.sleep(seconds)
            case Mark.STRIKE:
                exchange.struck()
            case Mark.RESET:
                exchange.reset()
