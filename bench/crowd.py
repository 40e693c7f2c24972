"""Many clients of a server, in one process that costs little: sockets, and frames as bytes.

python -m bench.crowd TASK PORT PROCESS MANY [MODEL [TOKENS]] prints what it saw as JSON.
"""

from __future__ import annotations

import asyncio  # noqa: TID251 - a load must cost less than what it measures
import json
import os
import re
import sys
import time
import urllib.request
from pathlib import Path

SHAKE = (
    "GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "{token}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
STAMP = re.compile(rb"(\d{16}) ")
HEAD = {126: 2, 127: 8}
WARM_UP = 200


class Client:
    """A socket that is open."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, port: int) -> Client:
        """Connect; raises `RuntimeError` where the server does not want that."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        token = os.environ.get("TOKEN")
        shown = f"Authorization: Bearer {token}\r\n" if token else ""
        writer.write(SHAKE.format(port=port, token=shown).encode())
        answer = await reader.readuntil(b"\r\n\r\n")
        if b" 101 " not in answer:
            raise RuntimeError(f"The server said {answer[:200]!r}.")
        return cls(reader, writer)

    def ask(self, model: str) -> None:
        """Ask for a stream."""
        payload = {"model": model, "messages": [{"role": "user", "content": "Hi"}]}
        frame = {"type": "chat_completion_stream", "request_id": "r", "payload": payload}
        data = json.dumps(frame).encode()
        # RFC 6455, section 5.2; a mask of zeros leaves the bytes as they are.
        self._writer.write(b"\x81\xfe" + len(data).to_bytes(2, "big") + bytes(4) + data)

    async def read(self) -> bytes:
        """Return the next frame's data."""
        size = (await self._reader.readexactly(2))[1]
        if size in HEAD:
            size = int.from_bytes(await self._reader.readexactly(HEAD[size]), "big")
        return await self._reader.readexactly(size)

    def close(self) -> None:
        """Hang up."""
        self._writer.transport.abort()


class Server:
    """What the operating system tells of the server's process."""

    def __init__(self, process: int) -> None:
        self._process = Path(f"/proc/{process}")

    def cpu(self) -> float:
        """Return the seconds of CPU it has used."""
        fields = (self._process / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss(self) -> int:
        """Return its memory in KiB."""
        lines = (self._process / "status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmRSS")).split()[1])


async def idle(server: Server, port: int, many: int) -> dict[str, float]:
    """Hold *many* sockets open, and ask how the server is."""
    first = [await Client.open(port) for _ in range(WARM_UP)]
    before = server.rss()
    clients = [await Client.open(port) for _ in range(many)]
    await asyncio.sleep(1)
    held = server.rss() - before
    waits = []
    for _ in range(300):
        begun = time.perf_counter()
        await asyncio.to_thread(health, port)
        waits.append((time.perf_counter() - begun) * 1e3)
    for client in (*first, *clients):
        client.close()
    return {"kib_a_socket": held / many, "health_p99_ms": p99(waits)}


def health(port: int) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/health") as response:
        response.read()


async def reconnects(server: Server, port: int, many: int) -> dict[str, float]:
    """Connect *many* times, fifty at once; tell the growth after the first tenth."""
    sizes = []
    for _ in range(10):
        for _ in range(many // 500):
            clients = await asyncio.gather(*(Client.open(port) for _ in range(50)))
            for client in clients:
                client.close()
        await asyncio.sleep(0.5)
        sizes.append(server.rss())
    return {"growth_mb": (sizes[-1] - sizes[1]) / 1024, "rss_mb": sizes[-1] / 1024}


async def streams(
    server: Server, port: int, many: int, model: str, tokens: int
) -> dict[str, float]:
    """Read *many* streams of *tokens* each to their end; raises `RuntimeError` for a wrong one."""
    clients = [await Client.open(port) for _ in range(many)]
    clients[0].ask("burst:10")
    while b'"done":true' not in (await clients[0].read()).replace(b" ", b""):
        pass
    clients[0] = await Client.open(port)
    firsts: list[float] = []
    delays: list[float] = []

    async def follow(client: Client, place: int) -> None:
        await asyncio.sleep(place / many)
        client.ask(model)
        stamps: list[int] = []
        while b'"done":true' not in (frame := await client.read()).replace(b" ", b""):
            found = [int(stamp) for stamp in STAMP.findall(frame)]
            now = time.monotonic_ns()
            (delays if stamps else firsts).extend((now - at) / 1e6 for at in found)
            stamps += found
        if len(stamps) != tokens or stamps != sorted(stamps):
            raise RuntimeError(f"A stream of {tokens} tokens came with {len(stamps)}.")
        client.close()

    begun, wall = server.cpu(), time.perf_counter()
    await asyncio.gather(*(follow(client, place) for place, client in enumerate(clients)))
    wall = time.perf_counter() - wall
    cpu = server.cpu() - begun
    return {
        "cpu_us": cpu / many / tokens * 1e6,
        "cpu_percent": 100 * cpu / wall,
        "first_p99_ms": p99(firsts),
        "p99_ms": p99(delays),
        "seconds": wall,
    }


def p99(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.99)] if values else 0.0


async def main(task: str, port: int, process: int, many: int, *rest: str) -> None:
    """Print what *task* finds."""
    server = Server(process)
    if task == "streams":
        found = await streams(server, port, many, rest[0], int(rest[1]))
    else:
        found = await (idle if task == "idle" else reconnects)(server, port, many)
    print(json.dumps(found))


if __name__ == "__main__":
    words = sys.argv[1:]
    import uvloop

    port, process, many = map(int, words[1:4])
    uvloop.run(main(words[0], port, process, many, *words[4:]))
