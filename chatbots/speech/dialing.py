"""The way to the speech stack of this machine: started where there is none, leased meanwhile."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import anyio

if TYPE_CHECKING:
    from chatbots.local.model import LocalModel
    from chatbots.realtime.transport import WebSocketConn, WebSocketDialer


class SpeechDialer:
    """Opens sockets to the helper process of *speech*, wherever an address points.

    A helper that died is started anew by the next socket. Close it to give the lease back.
    """

    def __init__(
        self, speech: Callable[[], Awaitable[LocalModel]], dialer: WebSocketDialer
    ) -> None:
        self._speech = speech
        self._dialer = dialer
        self._leased: LocalModel | None = None
        self._one_at_a_time = anyio.Lock()

    async def dial(self, url: str, headers: Mapping[str, str]) -> WebSocketConn:
        """Open a socket; see `WebSocketDialer.dial`. The first waits until the engines are loaded.

        Raises `ConfigurationError` (`extra_missing`, `weights_missing`, `local_model_failed`) too.
        """
        async with self._one_at_a_time:
            if self._leased is None:
                self._leased = await self._speech()
            at = await self._leased.endpoint()
        here = urlsplit(url)._replace(scheme="ws", netloc=urlsplit(at.base_url).netloc)
        return await self._dialer.dial(
            here.geturl(), {**headers, "Authorization": f"Bearer {at.api_key}"}
        )

    async def aclose(self) -> None:
        """Give the lease back. May be called again."""
        if self._leased is not None:
            await self._leased.aclose()
