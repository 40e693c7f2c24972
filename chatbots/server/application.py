"""The server as an ASGI application: the socket at /ws, and two routes that tell how it is."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from chatbots import telemetry
from chatbots.errors import AccessDenied
from chatbots.server.access import Guard
from chatbots.server.backend import Backend, Limits
from chatbots.server.connection import Connection, Receive
from chatbots.server.hub import Hub
from chatbots.server.outbox import Send
from chatbots.server.router import ROUTES
from chatbots.server.rpc import MAX_FRAME
from chatbots.version import VERSION

Scope = MutableMapping[str, Any]

ABORT = "chatbots.abort"
"""Where in a socket's scope our own server puts what closes it at once."""
SEND_NOW = "chatbots.send_now"
"""Where it puts what sends a frame without waiting."""


class Application:
    """Serves `/ws`, `/health` and `/info`, at the root or where it is mounted.

    *guard* is asked before anything is opened. The sockets are in `hub`.
    """

    def __init__(self, backend: Backend, *, guard: Guard, limits: Limits | None = None) -> None:
        self.hub = Hub()
        self.limits = limits or Limits()
        self.backend = backend
        self._guard = guard
        self._routes = Starlette(
            routes=[
                Route("/health", self._health),
                Route("/info", self._info),
                Route("/ws", _upgrade_required),
            ]
        )
        self._routes.router.redirect_slashes = False  # It would send on to any Host that is named.

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection; see the ASGI specification."""
        if scope["type"] == "websocket":
            await self._socket(scope, receive, send)
        else:
            await self._routes(scope, receive, send)

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        path = _path(scope)
        if path != "/ws":
            await _refuse(scope, send, 404, {"error": f"There is no socket at {path}."})
            return
        try:
            self.hub.check_open()
            caller = self._guard.admit(
                _headers(scope["headers"]), path=path, peer=_peer(scope), socket=True
            )
        except AccessDenied as denied:
            telemetry.emit("warning", "server.denied", code=denied.code, peer=_peer(scope))
            await _refuse(scope, send, denied.CODES[denied.code].http, _said(denied))
            return
        client = Connection(
            receive,
            send,
            caller=caller,
            backend=self.backend,
            hub=self.hub,
            limits=self.limits,
            abort=scope.get(ABORT),
            now=scope.get(SEND_NOW),
        )
        self.hub.join(client)
        try:
            await send({"type": "websocket.accept", "subprotocol": caller.subprotocol})
        except BaseException:
            caller.leave()
            self.hub.leave(client)
            raise
        await client.serve()

    async def _health(self, _: Request) -> Response:
        status = "draining" if self.hub.draining else "ok"
        return JSONResponse(
            {"status": status, "clients": len(self.hub)}, 503 if self.hub.draining else 200
        )

    async def _info(self, request: Request) -> Response:
        about: dict[str, object] = {"name": "chatbots", "version": VERSION}
        headers = _headers(request.scope["headers"])
        try:
            caller = self._guard.admit(
                headers, path="/info", peer=_peer(request.scope), socket=False
            )
        except AccessDenied:
            return JSONResponse(about)
        caller.leave()
        limits = {"frame_bytes": MAX_FRAME, "in_flight": self.limits.in_flight}
        return JSONResponse(
            about
            | {
                "model": self.backend.model_name,
                "requests": list(ROUTES),
                "tools": [tool.name for tool in self.backend.tools],
                "timeout": self.backend.timeout,
                "limits": limits,
                "settings": self.backend.about,
            }
        )


async def _upgrade_required(_: Request) -> Response:
    return PlainTextResponse(
        "This is a WebSocket.\n", 426, {"connection": "upgrade", "upgrade": "websocket"}
    )


async def _refuse(scope: Scope, send: Send, status: int, said: Mapping[str, object]) -> None:
    """Answer a handshake by an HTTP response, where the server can; else close it (403)."""
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close", "code": 1008})
        return
    response = JSONResponse(said, status)
    if status == 401:
        response.headers["www-authenticate"] = "Bearer"
    start = {"type": "websocket.http.response.start", "status": status}
    await send({**start, "headers": response.raw_headers})
    await send({"type": "websocket.http.response.body", "body": response.body})


def _said(denied: AccessDenied) -> dict[str, object]:
    about = {"error_code": denied.code, "error_category": denied.category}
    return {"error": str(denied), **about}


def _headers(raw: Sequence[tuple[bytes, bytes]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in raw:
        found.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return found


def _path(scope: Scope) -> str:
    """Return the path below where this is mounted."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def _peer(scope: Mapping[str, Any]) -> str | None:
    client = scope.get("client")
    return client[0] if client else None
