"""The server on a port of its own: uvicorn, with deadlines, and an end that loses nothing."""

from __future__ import annotations

import logging
import socket
import ssl
from types import FrameType
from typing import Final

import anyio
import uvicorn

from chatbots.errors import ConfigurationError
from chatbots.server.application import Application
from chatbots.server.sockets import HARD_LIMIT, HTTP, SOCKET

BACKLOG: Final = 2048
UNREAD: Final = 64 * 1024
"""Bytes that the operating system keeps for one who does not read; Linux takes twice as many."""
LINGER: Final = 2
"""Seconds that what was sent last has to arrive when the server has ended."""


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; *port* 0 takes a free one.

    Raises `ConfigurationError` (`invalid_setting`) where it cannot.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        made = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise ConfigurationError(
            "invalid_setting",
            f"The server cannot listen on {host}:{port}: {error.strerror or error}.",
            hint="Set another SERVER_PORT, or SERVER_HOST.",
            param="server_port",
        ) from None
    made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UNREAD)
    return made


class Server(uvicorn.Server):
    """Serves an application until a signal: the first lets what runs end, the second does not.

    *idle* is how long a client may leave a ping unanswered, in seconds.
    """

    def __init__(
        self, application: Application, *, idle: float = 30.0, tls: ssl.SSLContext | None = None
    ) -> None:
        config = uvicorn.Config(
            application,
            http=HTTP,
            ws=SOCKET,
            ws_max_size=HARD_LIMIT,
            ws_ping_interval=idle,
            ws_ping_timeout=idle,
            ws_per_message_deflate=False,
            lifespan="off",
            log_config=None,
            log_level=logging.WARNING,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=LINGER,
        )
        config.load()
        config.ssl = tls
        super().__init__(config)
        self.ready = anyio.Event()
        self.ended_by: int | None = None
        """The signal that ended it before all had ended, if one did."""
        self._application = application

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept, once a request can be answered at once; `ready` says so."""
        await self._application.backend.prepare()
        await super().startup(sockets)
        self.ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let end what runs, and close. Until then who comes is told to go (503), as /health is."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._until_forced, tasks.cancel_scope)
            await self._application.hub.drain(self._application.limits.drain)
            tasks.cancel_scope.cancel()
        self._application.hub.stop()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - a handler's
        """Take note of a signal. Unlike uvicorn's, it is not raised again in the end."""
        if self.should_exit:
            self.force_exit, self.ended_by = True, sig
        self.should_exit = True

    async def _until_forced(self, draining: anyio.CancelScope) -> None:
        # A signal's handler may not touch the loop.
        while not self.force_exit:  # noqa: ASYNC110 - as above
            await anyio.sleep(0.1)
        draining.cancel()
