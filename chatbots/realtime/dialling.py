"""How a session gets a connection: opened, configured, and tried again where that may help."""

from __future__ import annotations

from typing import Final

import anyio

from chatbots import telemetry
from chatbots.errors import ChatError, ProviderError
from chatbots.realtime.address import Address
from chatbots.realtime.conversation import Conversation
from chatbots.realtime.events.session import Session
from chatbots.realtime.failures import Peer
from chatbots.realtime.link import Link
from chatbots.realtime.patience import Clock, Patience
from chatbots.realtime.protocol import Protocol
from chatbots.realtime.transport import WebSocketConn, WebSocketDialer

LONGEST_WAIT: Final = 60.0
"""Seconds that a server may ask to wait; who is asked for more gives up."""


class Dialling:
    """Opens connections to *address* for *model*; *plays*: what was heard will be said."""

    def __init__(
        self,
        dialer: WebSocketDialer,
        address: Address,
        model: str | None,
        *,
        patience: Patience,
        clock: Clock,
        plays: bool,
    ) -> None:
        self.patience = patience
        self.clock = clock
        self.peer = Peer.at(address.realtime_url or address.base_url, {})
        self._dialer = dialer
        self._address = address
        self._model = model
        self._plays = plays

    async def dial(
        self,
        conversation: Conversation,
        config: Session | None,
        *,
        tries: int,
        failed: int = 0,
        after: ChatError | None = None,
    ) -> Link:
        """Open a connection, configured; raises `ChatError` where trying again would not help.

        So many *tries* are made at most, the *failed* ones before it included; *after* is why
        the last connection is lost.
        """
        error = after
        while True:
            if error is not None:
                late = (error.retry_after or 0.0) > LONGEST_WAIT
                if not error.retryable or late or failed >= tries:
                    raise error
                pause = self.patience.pause(failed, error, self.clock.chance())
                telemetry.emit(
                    "warning", "realtime.retry", code=error.code, seconds=round(pause, 3)
                )
                await self.clock.sleep(pause)
            try:
                return await self._open(conversation, config)
            except ChatError as failure:
                error = failure
                failed += 1

    async def _open(self, conversation: Conversation, config: Session | None) -> Link:
        address = self._address
        url = address.url(model=self._model)
        try:
            headers = await address.headers()
        except ChatError:
            raise
        except Exception as error:
            said = telemetry.redact(f"{type(error).__name__}: {error}")
            raise ProviderError(
                "upstream_auth", f"The token for {self.peer.host} could not be had: {said}."
            ) from error
        self.peer = Peer.at(url, headers)
        conn = await self._dialer.dial(url, headers)
        protocol = Protocol(conversation, dialect=address.dialect)
        link = Link(conn, protocol, self.peer, self.patience, plays=self._plays)
        opened = False
        try:
            with anyio.fail_after(self.patience.first_event):
                await link.opened(config)
            opened = True
        except TimeoutError:
            raise ProviderError(
                "upstream_timeout",
                f"{self.peer.host} opened a socket, and no session within "
                f"{self.patience.first_event:g} seconds.",
                hint="Check the address, or ask again later.",
            ) from None
        finally:
            if not opened:
                await self.hang_up(conn)
        return link

    async def hang_up(self, conn: WebSocketConn) -> None:
        """Close a socket, within the time there is for it, whatever the peer does."""
        with anyio.move_on_after(self.patience.close, shield=True):
            await conn.close()
