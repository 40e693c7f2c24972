"""Visits a server from a process of its own: `python -m bench.visiting JOB ...`; prints JSON."""

from __future__ import annotations

import asyncio  # noqa: TID251 - see visitor.py
import json
import resource
import socket
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, cast

import uvloop

from bench.visitor import CLOSE, Answer, Direct, Door, Visitor, enter, framed
from bench.watch import cpu_of

AT_ONCE: Final = 50
"""Sockets that are being opened at a time."""
EVENT: Final = b'data: {"choices":[{"index":0,"delta":{"content":"word "}}]}\n\n'
HEAD: Final = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"

Result = dict[str, float]


async def idle(port: int, process: int, token: str, sockets: int, seconds: float) -> Result:
    """Open sockets that say nothing, and ask /health meanwhile."""
    door, begun = Door(port, token), memory(process)
    held = await many(door, 1, 1)
    held += await many(door, sockets - 1, AT_ONCE)
    health = await healthy(port, seconds)
    return {
        "sockets": sum(not one.gone.done() for one in held),
        "kib": (memory(process) - begun) / sockets,
        "rss_mb": memory(process) / 1024,
        **spread("health", health),
    }


async def streams(
    port: int, process: int, token: str, count: int, rate: int, tokens: int, ramp: float
) -> Result:
    """Read answers at once, each on a socket of its own; without a *token*, of the upstream."""
    door, loop, model = Door(port, token), asyncio.get_running_loop(), f"steady:{rate}:{tokens}"
    visitors = await many(door, count, AT_ONCE) if token else []
    answers: list[Answer] = []
    if visitors:  # a server's first answer has it import what it needs
        await visitors[0].chat("warm", "steady:50:1").over
    before, begun = cpu_of(process), time.perf_counter()
    for n in range(count):
        if visitors:
            answers.append(visitors[n].chat(f"r{n}", model))
        else:
            _, direct = await loop.create_connection(lambda: Direct(model), "127.0.0.1", port)
            answers.append(direct.answer)
        await asyncio.sleep(begun + (n + 1) * ramp / count - time.perf_counter())
    await asyncio.gather(*(answer.over for answer in answers))
    seconds, cpu = time.perf_counter() - begun, cpu_of(process) - before
    first = [(answer.pieces[0][0] - answer.asked) / 1e6 for answer in answers if answer.pieces]
    return {
        "exact": sum(answer.is_exact(rate, tokens) for answer in answers),
        "cpu_us": cpu / (count * tokens) * 1e6,
        "cpu_percent": 100 * cpu / seconds,
        "frames": sum(len(answer.pieces) for answer in answers) / (count * tokens),
        "seconds": seconds,
        **spread("first", first or [float("inf")]),
        **spread("delay", [ms for answer in answers for ms in answer.delays()] or [float("inf")]),
    }


async def connects(port: int, process: int, token: str, warm: int, count: int) -> Result:
    """Come and go: ask for something, then close properly, or do not."""
    door = Door(port, token)
    await coming_and_going(door, warm)
    await asyncio.sleep(1)
    begun, before, started = memory(process), cpu_of(process), time.perf_counter()
    await coming_and_going(door, count)
    seconds = time.perf_counter() - started
    cpu = cpu_of(process) - before
    await asyncio.sleep(1)
    return {
        "connects": count,
        "growth_mb": (memory(process) - begun) / 1024,
        "connects_s": count / seconds,
        "cpu_us": cpu / count * 1e6,
    }


async def coming_and_going(door: Door, count: int) -> None:
    """Open *count* sockets, a few at a time."""

    async def come(numbers: Sequence[int]) -> None:
        for n in numbers:
            visitor = await enter(door)
            await visitor.ask("r", "ping", {}).over
            if n % 2:
                visitor.transport.write(framed(CLOSE, b"\x03\xe8"))
            else:
                visitor.transport.abort()
            await visitor.gone

    await asyncio.gather(*(come(range(count)[n::20]) for n in range(20)))


async def cancels(port: int, _: int, token: str, count: int, listener: int) -> Result:
    """Cancel answers half-way, and see how soon their upstream, which this is, is hung up on."""
    closed: dict[str, asyncio.Future[int]] = {}
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: _Upstream(closed), sock=socket.socket(fileno=listener)
    )
    found: list[float] = []
    door = Door(port, token)

    async def one(numbers: Sequence[int]) -> None:
        visitor = await enter(door)
        for n in numbers:
            name = f"stream-{n}."
            closed[name] = loop.create_future()
            answer = visitor.chat(name, "m", name)
            await answer.begun
            begun = time.perf_counter_ns()
            visitor.ask(f"c{n}", "cancel", {"request_id": name})
            found.append((await closed[name] - begun) / 1e6)
            await answer.over
        visitor.transport.abort()

    await one([-1])  # a server's first answer has it import what it needs
    found.clear()
    await asyncio.gather(*(one(range(count)[n::20]) for n in range(20)))
    server.close()
    return {"cancels": len(found), **spread("closed", found)}


class _Upstream(asyncio.Protocol):
    """Says a word every 20 ms until it is hung up on."""

    def __init__(self, closed: dict[str, asyncio.Future[int]]) -> None:
        self._closed = closed
        self._asked = b""
        self._pace: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._asked += data
        if self._pace is None and b"stream-" in self._asked:
            self._transport.write(HEAD)
            self._say()

    def connection_lost(self, _: Exception | None) -> None:
        if self._pace is not None:
            self._pace.cancel()
            name = self._asked.decode()
            name = name[name.index("stream-") :].partition(".")[0] + "."
            self._closed[name].set_result(time.perf_counter_ns())

    def _say(self) -> None:
        self._transport.write(EVENT)
        self._pace = asyncio.get_running_loop().call_later(0.02, self._say)


async def many(door: Door, count: int, at_once: int) -> list[Visitor]:
    """Open *count* sockets."""
    opened: list[Visitor] = []
    while len(opened) < count:
        some = min(at_once, count - len(opened))
        opened += await asyncio.gather(*(enter(door) for _ in range(some)))
    return opened


async def healthy(port: int, seconds: float) -> list[float]:
    """Ask /health on one connection, 50 times a second; return what each took, in ms."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    took: list[float] = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        begun = time.perf_counter()
        writer.write(f"GET /health HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        await reader.readuntil(b"}")
        took.append((time.perf_counter() - begun) * 1e3)
        await asyncio.sleep(0.02)
    writer.close()
    return took


def spread(name: str, values: Sequence[float]) -> Result:
    """Return the median and the 99th percentile."""
    ordered = sorted(values)
    p99 = ordered[int(len(ordered) * 0.99)]
    return {f"{name}_p50_ms": statistics.median(ordered), f"{name}_p99_ms": p99}


def memory(process: int) -> int:
    """Return the KiB that *process* has in memory (proc(5), status)."""
    lines = Path(f"/proc/{process}/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


JOBS: Final[dict[str, Any]] = {
    "idle": idle,
    "streams": streams,
    "connects": connects,
    "cancels": cancels,
}


def number(word: str) -> int | float | str:
    """Return what is meant by a word of the command line."""
    try:
        return int(word)
    except ValueError:
        pass
    try:
        return float(word)
    except ValueError:
        return word


if __name__ == "__main__":
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    print(json.dumps(uvloop.run(JOBS[sys.argv[1]](*map(number, sys.argv[2:])))))
