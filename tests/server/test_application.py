from __future__ import annotations

import json
from collections.abc import MutableMapping
from typing import Any

import anyio
import httpx2
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from chatbots.errors import AccessDenied
from chatbots.server.access import Anybody, Caller, OpenDoor
from chatbots.server.application import Application
from chatbots.version import VERSION
from tests.server.peer import Peer, application, connected


async def get(app: Any, path: str) -> httpx2.Response:
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://server.test") as client:
        return await client.get(path)


class Closed(OpenDoor):
    """Lets nobody in, and remembers how it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def admit(self, headers: Any, **about: Any) -> Caller:
        self.asked.append({"headers": dict(headers), **about})
        raise AccessDenied("unauthorized", "A token is needed.")


@pytest.mark.checklist(209, 247, 252)
async def test_health_counts_the_sockets_that_are_open() -> None:
    app = application()
    async with connected(app), connected(app):
        response = await get(app, "/health")
        assert (response.status_code, response.json()) == (200, {"status": "ok", "clients": 2})
    assert (await get(app, "/health")).json()["clients"] == 0
    await app.hub.drain(1)
    response = await get(app, "/health")
    assert (response.status_code, response.json()["status"]) == (503, "draining")


@pytest.mark.checklist(209, 248, 252)
async def test_info_tells_what_is_served_and_strangers_the_version_alone() -> None:
    about = (await get(application(secrets=("canary",)), "/info")).json()
    assert about["version"] == VERSION
    assert about["model"] == "the-model"
    assert "chat_completion_stream" in about["requests"]
    assert about["tools"] == ["get_weather", "calculator", "get_current_time"]
    assert "canary" not in json.dumps(about)
    guard = Closed()
    assert (await get(application(guard=guard), "/info")).json() == {
        "name": "chatbots", "version": VERSION,
    }  # fmt: skip
    assert (guard.asked[0]["path"], guard.asked[0]["socket"]) == ("/info", False)


@pytest.mark.checklist(238)
async def test_other_paths_are_not_found_and_a_get_at_the_socket_says_what_it_is() -> None:
    app = application()
    for path in ("/nowhere", "/health/"):
        assert (await get(app, path)).status_code == 404
    response = await get(app, "/ws")
    assert (response.status_code, response.headers["upgrade"]) == (426, "websocket")
    [start, body] = await handshake(app, {"path": "/other"})
    assert start["status"] == 404
    assert b"/other" in body["body"]


async def handshake(app: Application, scope: dict[str, Any]) -> list[MutableMapping[str, Any]]:
    peer = Peer(app, scope=scope)
    async with anyio.create_task_group() as tasks:
        await tasks.start(peer.run)
    peer.close()
    return peer.handshake


async def test_who_is_not_let_in_is_told_why_before_there_is_a_socket() -> None:
    guard = Closed()
    headers = [(b"Host", b"h"), (b"host", b"i")]
    [start, body] = await handshake(application(guard=guard), {"headers": headers})
    assert start["status"] == 401
    assert (b"www-authenticate", b"Bearer") in start["headers"]
    assert json.loads(body["body"])["error_code"] == "unauthorized"
    assert guard.asked == [
        {"headers": {"host": ["h", "i"]}, "path": "/ws", "peer": "127.0.0.1", "socket": True}
    ]
    [closed] = await handshake(application(guard=Closed()), {"extensions": {}})
    assert closed["type"] == "websocket.close"


async def test_nobody_comes_in_while_the_server_stops() -> None:
    app = application()
    await app.hub.drain(1)
    [start, _] = await handshake(app, {})
    assert start["status"] == 503


async def test_a_client_that_leaves_in_its_handshake_is_forgotten() -> None:
    app, left = application(), []

    class Caller(Anybody):
        def leave(self) -> None:
            left.append(1)

    class Door(OpenDoor):
        def admit(self, *_: Any, **__: Any) -> Caller:
            return Caller()

    app = application(guard=Door())

    async def send(_: Any) -> None:
        raise OSError("gone")

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    scope = {"type": "websocket", "path": "/ws", "headers": []}
    with pytest.raises(OSError, match="gone"):
        await app(scope, receive, send)
    assert (len(app.hub), left) == (0, [1])


async def test_it_is_mounted_in_an_application_of_ones_own() -> None:
    inner = application()
    outer = Starlette(routes=[Mount("/chat", app=inner)])
    assert (await get(outer, "/chat/health")).json() == {"status": "ok", "clients": 0}
    async with connected(outer, path="/chat/ws", root_path="") as peer:  # type: ignore[arg-type]
        assert (await peer.ask("ping"))["type"] == "pong"
