"""The realtime server on loopback: who is let in, and a conversation for each socket."""

from __future__ import annotations

import hmac
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from chatbots.realtime.events.event import BETA, GA
from chatbots.realtime.hosting.configuring import session_of
from chatbots.realtime.hosting.host import Host
from chatbots.speech.conversing import Conversation
from chatbots.speech.voices import complaint

if TYPE_CHECKING:
    from websockets.http11 import Request, Response

    from chatbots.speech.engines import Engines

PATH: Final = "/v1/realtime"
HEALTH: Final = "/health"
MAX_FRAME: Final = 24 * 1024 * 1024
"""Bytes of a client's event: 15 MiB of audio in base64."""

# At its level for debugging the library logs the headers, with the key: nobody is to hear it.
_SILENT: Final = logging.Logger("websockets", logging.CRITICAL + 1)  # noqa: LOG001 - as it says


@asynccontextmanager
async def serving(engines: Engines, *, api_key: str, port: int = 0) -> AsyncGenerator[int]:
    """Serve on 127.0.0.1 while the block lasts; give the port (0: a free one).

    Any web page the user visits can open sockets to loopback: only the key keeps them out.
    """

    async def converse(socket: ServerConnection) -> None:
        request = socket.request
        assert request is not None  # noqa: S101 - there was a handshake
        model = parse_qs(urlsplit(request.path).query).get("model", ["local"])[0]
        beta = "realtime=v1" in request.headers.get("OpenAI-Beta", "")
        host = Host(
            model=model,
            dialect=BETA if beta else GA,
            session=session_of(audio={"output": {"voice": next(iter(engines.voices))}}),
            voice_complaint=lambda name: complaint(name, engines.voices),
        )

        async def send(frame: bytes) -> None:
            await socket.send(frame, text=True)

        try:
            await Conversation(engines, host, send).run(socket)
        except* ConnectionClosed:
            pass  # the client's word, at any time

    async with serve(
        converse,
        "127.0.0.1",
        port,
        process_request=partial(_admit, api_key),
        compression=None,
        max_size=MAX_FRAME,
        close_timeout=2,
        logger=_SILENT,
    ) as server:
        yield int(next(iter(server.sockets)).getsockname()[1])


def _admit(api_key: str, socket: ServerConnection, request: Request) -> Response | None:
    path = urlsplit(request.path).path
    if path == HEALTH:
        return socket.respond(HTTPStatus.OK, '{"status":"ok"}\n')
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if not hmac.compare_digest(given.encode(), api_key.encode()):
        return socket.respond(HTTPStatus.UNAUTHORIZED, "The key is missing or wrong.\n")
    if path != PATH:
        return socket.respond(HTTPStatus.NOT_FOUND, f"There is {PATH}, and nothing else.\n")
    return None
