"""Just enough of an HTTP/1.1 server: requests in by h11, answers out as exactly as wanted."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final, TypeAlias

import anyio
import h11
import msgspec

from chatbots.testing import bodies
from chatbots.testing.bodies import Json
from chatbots.testing.calls import Call, Changes
from chatbots.testing.sockets import Wire

Headers: TypeAlias = Mapping[str, str]
Player: TypeAlias = "Callable[[Exchange], Awaitable[None]]"
"""Answers one request, down to the bytes and their timing."""

JSON: Final = "application/json"
EVENT_STREAM: Final = "text/event-stream; charset=utf-8"


class Record:
    """Everything that was asked, in order; shared by all connections of a server."""

    def __init__(self, log: Callable[[Call], None] | None = None) -> None:
        self.calls: list[Call] = []
        self.changes = Changes()
        self.finished = 0
        self._log = log

    def arrived(self, connection: int, request: h11.Request, body: bytes) -> Call:
        """Note down a request."""
        call = Call(
            number=len(self.calls) + 1,
            connection=connection,
            method=request.method.decode(),
            target=request.target.decode(),
            headers={name.decode(): value.decode("latin-1") for name, value in request.headers},
            body=body,
        )
        self.calls.append(call)
        self.changes.announce()
        return call

    def over(self, call: Call) -> None:
        """Hand the call to the log: nothing more happens to it."""
        if self._log is not None:
            self._log(call)

    def ended(self, call: Call) -> None:
        """Note down that the server has said all it was to say."""
        self.finished += 1
        call.finished = self.finished
        self.changes.announce()

    def broken_off(self, call: Call) -> None:
        """Note down that the client hung up, unless the answer was already whole."""
        if call.finished is None:
            call.moments.hung_up = time.monotonic()
            self.changes.announce()


class Exchange:
    """One request and the means to answer it.

    `respond` says it all at once; `start`, `send` and `finish` say it bit by bit;
    `raw` puts any bytes on the socket; `reset` breaks the connection.
    Returning before `finish` closes the connection in the middle of the answer.
    """

    def __init__(self, call: Call, protocol: h11.Connection, wire: Wire, record: Record) -> None:
        self.call = call
        self._protocol = protocol
        self._wire = wire
        self._record = record
        self._keeps_alive = True
        self.receive: Callable[[bytes], None] = protocol.receive_data
        """Takes what the client sends meanwhile; of another protocol, whoever speaks that."""
        self.changed = record.changes.announce
        """Wakes whoever waits for a fact."""

    @property
    def keeps_alive(self) -> bool:
        """Whether the connection can carry another request."""
        return self._keeps_alive and self._protocol.our_state is h11.DONE

    async def respond(self, status: int, body: bytes, headers: Headers) -> None:
        """Send a whole response; the length is added here."""
        events: list[h11.Event] = [head(status, {**headers, "content-length": str(len(body))})]
        if self.call.method != "HEAD":
            events.append(h11.Data(data=body))
        await self._send(*events, h11.EndOfMessage())

    async def start(self, status: int, headers: Headers) -> None:
        """Send the head of a response; without a content-length the body will be chunked."""
        await self._send(head(status, headers))

    async def send(self, data: bytes) -> None:
        """Send the next bytes of the body, as one HTTP chunk."""
        await self._send(h11.Data(data=data))

    async def finish(self, data: bytes = b"") -> None:
        """End the body, with its last bytes.

        They go out together: a client that has them may close at once, and has not hung up.
        """
        await self._send(h11.Data(data=data), h11.EndOfMessage())

    async def raw(self, data: bytes) -> None:
        """Put *data* on the socket as it is; the connection ends with this answer."""
        self._keeps_alive = False
        await self._put(data)

    def reset(self) -> None:
        """Break the connection when the answer returns: the client sees a reset."""
        self._keeps_alive = False
        self._wire.break_on_close()

    def struck(self) -> None:
        """Note down that from here on the answer is not what it should be."""
        self.call.moments.struck = time.monotonic()
        self.call.moments.struck_at_byte = self.call.sent_bytes

    def passed_on(self) -> None:
        """Say that the raw bytes were one whole response: the connection goes on."""
        for event in (head(200, {"content-length": "0"}), h11.EndOfMessage()):
            self._protocol.send(event)
        self._keeps_alive = True

    def sent_chunk(self) -> None:
        """Count a piece of the text as sent."""
        self.call.sent_chunks += 1
        self._record.changes.announce()

    async def _send(self, *events: h11.Event) -> None:
        await self._put(b"".join(self._protocol.send(event) or b"" for event in events))

    async def _put(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            taken = await self._wire.push(rest)
            self.call.sent_bytes += taken
            rest = rest[taken:]
            if rest:
                await self._wait_for_the_reader()

    async def _wait_for_the_reader(self) -> None:
        self.call.blocked = True
        self._record.changes.announce()
        try:
            await self._wire.writable()
        finally:
            self.call.blocked = False


def head(status: int, headers: Headers) -> h11.Response:
    """Compose the head of a response."""
    return h11.Response(status_code=status, headers=list(headers.items()))


async def reply(
    exchange: Exchange, body: Json, status: int = 200, headers: Mapping[str, str] | None = None
) -> None:
    """Send *body* as JSON."""
    await exchange.respond(
        status,
        msgspec.json.encode(body),
        {
            "content-type": JSON,
            "x-request-id": bodies.token_like("req_", exchange.call.number, 32),
            **(headers or {}),
        },
    )


class Connection:
    """One client's connection: its requests, one after the other."""

    def __init__(self, number: int, wire: Wire, record: Record) -> None:
        self._number = number
        self._wire = wire
        self._record = record
        self._protocol = h11.Connection(h11.SERVER)

    async def serve(self, player: Player) -> None:
        """Answer by *player* until either side closes; the wire is closed then."""
        try:
            while (exchange := await self._next()) is not None:
                await self._answer(exchange, player)
                if not exchange.keeps_alive or self._protocol.their_state is not h11.DONE:
                    break
                self._protocol.start_next_cycle()
        finally:
            self._wire.close()

    async def _next(self) -> Exchange | None:
        try:
            asked = await self._request()
        except h11.RemoteProtocolError as error:
            await self._refuse(error)
            return None
        if asked is None:
            return None
        call = self._record.arrived(self._number, *asked)
        return Exchange(call, self._protocol, self._wire, self._record)

    async def _request(self) -> tuple[h11.Request, bytes] | None:
        request: h11.Request | None = None
        body: list[bytes] = []
        while True:
            event = self._protocol.next_event()
            if event is h11.NEED_DATA:
                await self._read_more()
            elif isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage) and request is not None:
                return request, b"".join(body)
            else:
                return None  # the client closed an idle connection

    async def _read_more(self) -> None:
        if self._protocol.they_are_waiting_for_100_continue:
            go_on = h11.InformationalResponse(status_code=100, headers=[])
            await self._put(self._protocol.send(go_on))
        self._protocol.receive_data(await self._wire.receive())

    async def _answer(self, exchange: Exchange, player: Player) -> None:
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._watch, exchange, tasks.cancel_scope)
                try:
                    await player(exchange)
                except anyio.BrokenResourceError:
                    self._record.broken_off(exchange.call)
                else:
                    self._record.ended(exchange.call)
                tasks.cancel_scope.cancel()
        finally:
            self._record.over(exchange.call)

    async def _watch(self, exchange: Exchange, answering: anyio.CancelScope) -> None:
        # Reading on while answering is the only way to see a client close its end.
        while data := await self._wire.receive():
            exchange.receive(data)
        self._record.broken_off(exchange.call)
        answering.cancel()

    async def _refuse(self, error: h11.RemoteProtocolError) -> None:
        if self._protocol.our_state is h11.IDLE:
            body = b'{"error":{"message":"Bad request.","type":"invalid_request_error"}}'
            reply: Iterable[h11.Event] = (
                head(
                    error.error_status_hint,
                    {"content-type": JSON, "content-length": str(len(body)), "connection": "close"},
                ),
                h11.Data(data=body),
                h11.EndOfMessage(),
            )
            await self._put(b"".join(self._protocol.send(event) or b"" for event in reply))

    async def _put(self, data: bytes | None) -> None:
        # Short enough for any socket's empty buffer, so nothing waits for the reader here.
        try:
            await self._wire.push(memoryview(data or b""))
        except anyio.BrokenResourceError:
            return
