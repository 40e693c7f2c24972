"""One client's socket: frames in, each answered; while nothing is asked, one task that waits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, TypeAlias

import anyio
from anyio.lowlevel import checkpoint

from chatbots import telemetry
from chatbots.errors import AccessDenied, ChatError, InvalidRequest
from chatbots.server import router, rpc
from chatbots.server.access import Caller
from chatbots.server.backend import Backend, Limits
from chatbots.server.call import Call
from chatbots.server.hub import Hub, going_away
from chatbots.server.outbox import Outbox, Send, SendNow
from chatbots.server.rates import Brake

Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
"""How an ASGI server hands over what has come."""

FAIR: Final = 16
"""Frames of one client that are handled before the others have their turn."""
GOING_AWAY = 1001
"""The close code of a server that stops (RFC 6455, section 7.4.1)."""


class Connection:
    """The socket of *caller*, from its handshake to the end of all that was asked on it.

    *abort*, if the server has one, closes the socket without waiting for the client, and *now*
    sends without waiting.
    """

    def __init__(
        self,
        receive: Receive,
        send: Send,
        *,
        caller: Caller,
        backend: Backend,
        hub: Hub,
        limits: Limits,
        abort: Callable[[], None] | None = None,
        now: SendNow | None = None,
    ) -> None:
        self._receive = receive
        self._caller = caller
        self._backend = backend
        self._hub = hub
        self._limits = limits
        self._abort = abort
        self._outbox = Outbox(send, within=limits.write_timeout, cut=self._cut, now=now)
        self._reading: anyio.CancelScope | None = None
        self._running: dict[str, Call] = {}
        self._left = False
        self._handled = 0
        self._brake = Brake()

    async def serve(self) -> None:
        """Answer requests until the client leaves, and those that outlive it to their end."""
        try:
            call = await self._next()
            if call is not None:
                async with anyio.create_task_group() as tasks:
                    with anyio.CancelScope() as self._reading:
                        while call is not None:
                            self._running[call.request.request_id] = call
                            tasks.start_soon(self._work, call)
                            call = await self._next()
                    await checkpoint()  # By now each call has said whether it outlives its socket.
                    self._leave()
        finally:
            self._leave()
            self._hub.leave(self)

    async def go_away(self, seconds: float) -> None:
        """Tell the client that the server stops within *seconds*, and close once it is idle."""
        await self._outbox.put(rpc.news("going_away", {"seconds": seconds}))
        if not self._running:
            await self._outbox.close(GOING_AWAY)

    def stop(self) -> None:
        """Cancel what is running."""
        for call in tuple(self._running.values()):
            call.stop(going_away())

    async def _next(self) -> Call | None:
        """Answer what is answered at once; return the next request that is not, None at the end."""
        # What came before the client left is still heard.
        while not (self._outbox.gone and self._brake.is_on):
            await self._give_way()
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                break
            call = await self._read(message.get("text"))
            if call is not None and not call.route.at_once:
                return call
            if call is not None:
                await self._answer(call)
        return None

    async def _answer(self, call: Call) -> None:
        self._brake.take_note(refused=await router.answer(call) == "too_many_requests")

    async def _give_way(self) -> None:
        """Let others have their turn: while frames are there, neither reading nor sending waits."""
        self._handled += 1
        if self._brake.is_on:
            await anyio.sleep(self._brake.release())
        elif self._handled % FAIR == 0:
            await checkpoint()

    async def _read(self, text: str | None) -> Call | None:
        """Return the request in a frame; one that cannot be answered is answered by why not."""
        try:
            request = rpc.read(text)
        except rpc.Unreadable as unreadable:
            await self._refuse(unreadable.request_id, unreadable.error)
            return None
        try:
            route = router.route_of(request.type)
        except InvalidRequest as error:
            await self._refuse(request.request_id, error)
            return None
        call = Call(
            request,
            route,
            caller=self._caller,
            backend=self._backend,
            outbox=self._outbox,
            running=self._running,
            turns=self._hub.turns,
        )
        try:
            self._check(call)
        except ChatError as error:
            await self._outbox.put(router.failure(call, self._counted(error)))
            return None
        return call

    def _counted(self, error: ChatError) -> ChatError:
        """Count a message that is refused by *error*; return that, or why it is one too many."""
        try:
            self._caller.begin(rpc.NO_TYPE)
            self._caller.end(rpc.NO_TYPE, None)
        except ChatError as denied:
            self._brake.take_note(refused=True)
            return denied
        return error

    def _check(self, call: Call) -> None:
        if call.route.at_once:
            return
        self._hub.check_open()
        if call.request.request_id in self._running:
            raise InvalidRequest(
                "request_id_conflict",
                f"A request {call.request.request_id!r} is running on this socket.",
                hint="Give each request an id of its own.",
                param="request_id",
            )
        if len(self._running) >= self._limits.in_flight:
            raise AccessDenied(
                "too_many_requests",
                f"{self._limits.in_flight} requests are running on this socket: no more at once.",
                hint="Wait for one to end.",
            )

    async def _refuse(self, request_id: str | None, error: ChatError) -> None:
        error = self._counted(error)
        telemetry.emit("info", "server.refused", request_id=request_id, code=error.code)
        message = telemetry.redact(str(error))
        taken = request_id in self._running  # as in `router.failure`
        data, name = ({"request_id": request_id}, None) if taken else (None, request_id)
        await self._outbox.put(rpc.failure(rpc.NO_TYPE, name, error, message=message, data=data))

    async def _work(self, call: Call) -> None:
        try:
            await self._answer(call)
        finally:
            del self._running[call.request.request_id]
        if self._hub.draining and not self._running:
            await self._outbox.close(GOING_AWAY)

    def _leave(self) -> None:
        """The socket has gone: stop what does not outlive it."""
        if self._left:
            return
        self._left = self._outbox.gone = True
        self._hub.lost(self)
        self._caller.leave()
        for call in tuple(self._running.values()):
            if not call.outlives_its_socket:
                call.stop()

    def _cut(self) -> None:
        self._brake.take_note(refused=True)
        if self._abort is not None:
            self._abort()
        if self._reading is not None:
            self._reading.cancel()
