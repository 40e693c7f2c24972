"""A client of the server's application, without sockets in between."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncGenerator, Callable, Mapping, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

import anyio

from chatbots.embedded import Embeddings, Inputs
from chatbots.interfaces import SessionStore
from chatbots.messages import Usage
from chatbots.server.access import Guard, OpenDoor
from chatbots.server.application import ABORT, Application
from chatbots.server.backend import Backend, Limits
from chatbots.server.serving import Server, listen
from chatbots.services.take_turn import Manner
from chatbots.sessions.in_memory import InMemorySessions
from chatbots.testing import ScriptedModel
from chatbots.tools.builtin import builtin
from chatbots.tools.registry import ToolRegistry

Frame = dict[str, Any]


class OneVector:
    """An `Embedder` to which every text means the same."""

    async def embed(
        self, inputs: Inputs, *, model: str | None = None, dimensions: int | None = None
    ) -> Embeddings:
        from array import array

        count = 1 if isinstance(inputs, str) else len(inputs)
        vectors = tuple(array("f", [0.5] * (dimensions or 2)) for _ in range(count))
        return Embeddings(vectors=vectors, model=model or "e", usage=Usage(count, 0, count))


def application(
    model: ScriptedModel | None = None,
    *,
    store: SessionStore | None = None,
    tools: ToolRegistry | None = None,
    guard: Guard | None = None,
    limits: Limits | None = None,
    secrets: tuple[str, ...] = (),
) -> Application:
    kept = store or InMemorySessions()
    named = ToolRegistry(map(builtin, ("get_weather", "calculator", "get_current_time")))
    backend = Backend(
        model=model or ScriptedModel(),
        model_name="the-model",
        embedder=OneVector(),
        store=lambda: kept,
        manner=Manner(instructions="Be kind.", secrets=secrets),
        tools=named if tools is None else tools,
        timeout=30,
        prepare=anyio.lowlevel.checkpoint,
    )
    return Application(backend, guard=guard or OpenDoor(), limits=limits)


class Peer:
    """What a client sends, and what it gets; `stalled` is one that does not read."""

    def __init__(self, app: Application, *, scope: Mapping[str, Any] | None = None) -> None:
        self._app = app
        self._scope = {
            "type": "websocket", "path": "/ws", "headers": [], "client": ("127.0.0.1", 1),
            "extensions": {"websocket.http.response": {}}, **(scope or {}),
        }  # fmt: skip
        self._to, self._from_client = anyio.create_memory_object_stream[Frame](math.inf)
        self._told, self._frames = anyio.create_memory_object_stream[Frame](math.inf)
        self.handshake: list[MutableMapping[str, Any]] = []
        self.closed: int | None = None
        self.stalled = False
        self.over = anyio.Event()

    async def run(self, *, task_status: Any = anyio.TASK_STATUS_IGNORED) -> None:
        self._to.send_nowait({"type": "websocket.connect"})
        self._started: Callable[[], None] = task_status.started
        try:
            with self._to, self._from_client, self._told:
                await self._app(self._scope, self._from_client.receive, self._send)
        finally:
            self.over.set()

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        kind = message["type"]
        if kind == "websocket.send":
            if self.stalled:
                await anyio.sleep_forever()
            self._told.send_nowait(json.loads(message["text"]))
        elif kind == "websocket.close" and self.handshake:
            self.closed = message["code"]
            self.hang_up()
        else:
            self.handshake.append(message)
            if kind != "websocket.http.response.start":
                self._started()

    def send(self, kind: str, payload: object = None, *, request_id: str = "r1") -> None:
        frame = {"type": kind, "request_id": request_id}
        self.write(json.dumps(frame if payload is None else {**frame, "payload": payload}))

    def write(self, text: str) -> None:
        self._to.send_nowait({"type": "websocket.receive", "text": text})

    def write_bytes(self, data: bytes) -> None:
        self._to.send_nowait({"type": "websocket.receive", "bytes": data})

    async def read(self) -> Frame:
        return await self._frames.receive()

    async def ask(self, kind: str, payload: object = None, *, request_id: str = "r1") -> Frame:
        """Send a request and return the next frame."""
        self.send(kind, payload, request_id=request_id)
        return await self.read()

    async def read_all(self) -> list[Frame]:
        """Return the frames up to the one that ends a stream."""
        frames = [await self.read()]
        while not frames[-1].get("data", {}).get("done"):
            frames.append(await self.read())
        return frames

    def hang_up(self) -> None:
        self._to.send_nowait({"type": "websocket.disconnect", "code": 1005})

    def close(self) -> None:
        self._frames.close()


@asynccontextmanager
async def connected(
    app: Application, *, aborts: bool = False, **scope: Any
) -> AsyncGenerator[Peer]:
    """Have a client connected; it leaves at the end. *aborts*: the server can close at once."""
    peer = Peer(app)
    peer._scope.update(scope)
    if aborts:
        peer._scope[ABORT] = peer.hang_up
    async with anyio.create_task_group() as tasks:
        await tasks.start(peer.run)
        try:
            yield peer
        finally:
            if not peer.over.is_set():
                peer.hang_up()
            with anyio.move_on_after(5) as waiting:
                await peer.over.wait()
            peer.close()
            assert not waiting.cancelled_caught, "the server does not let go of a socket"


def user(text: str, **more: object) -> Frame:
    """Return the payload of a chat request in which the user says *text*."""
    return {"messages": [{"role": "user", "content": text}], **more}


@asynccontextmanager
async def serving(app: Application, **options: Any) -> AsyncGenerator[tuple[Server, str]]:
    """Serve *app* on a free port of loopback; gives the server and `HOST:PORT`."""
    server = Server(app, **options)
    with listen("127.0.0.1", 0) as socket:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(server.serve, [socket])
            await server.ready.wait()
            try:
                yield server, f"127.0.0.1:{socket.getsockname()[1]}"
            finally:
                server.should_exit = True
