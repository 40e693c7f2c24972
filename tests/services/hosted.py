"""A realtime server in this process, without a socket, that answers by a script."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
from anyio.abc import ObjectSendStream, TaskGroup
from msgspec import UNSET

from chatbots.deltas import Delta, TextDelta
from chatbots.errors import ChatError, ProviderError
from chatbots.flow.unwrap import unwrapped
from chatbots.interfaces import ChatModel
from chatbots.messages import Message, ModelRequest
from chatbots.realtime.address import Address
from chatbots.realtime.events.responses import ResponseFailure, ResponseUsage
from chatbots.realtime.events.session import Session
from chatbots.realtime.hosting.answer import Answer
from chatbots.realtime.hosting.demands import Cancelled, Demand, Respond
from chatbots.realtime.hosting.host import Host
from chatbots.realtime.patience import Patience
from chatbots.realtime.session import RealtimeSession
from chatbots.realtime.transport import HandshakeResponse

QUICK = Patience(backoff=0.001, longest=0.002, first_tries=1, tries=2)


class Hosted:
    """A `WebSocketDialer` to a server that has *model* think of what to say.

    `frames` are those the client sent; `conns` the sockets, `refusals` errors of the next dials.
    """

    def __init__(self, model: ChatModel, tasks: TaskGroup) -> None:
        self.model = model
        self.tasks = tasks
        self.conns: list[HostedConn] = []
        self.urls: list[str] = []
        self._dialled = anyio.Event()
        self.refusals: list[ChatError] = []
        self.bugs: list[Exception] = []

    @property
    def frames(self) -> list[Any]:
        return [frame for conn in self.conns for frame in conn.frames]

    def said(self, conn: int = 0) -> list[str]:
        """Return the texts of all messages a socket was told."""
        frames = [f for f in self.conns[conn].frames if f["type"] == "conversation.item.create"]
        items = [frame["item"] for frame in frames]
        return [part["text"] for item in items for part in item.get("content", ())]

    async def dial(self, url: str, headers: Mapping[str, str]) -> HostedConn:
        if self.refusals:
            raise self.refusals.pop(0)
        self.urls.append(url)
        self.conns.append(HostedConn(self))
        self._dialled.set()
        return self.conns[-1]

    async def conn(self, number: int) -> HostedConn:
        """Wait for the socket with this *number*, counted from 1."""
        while len(self.conns) < number:
            self._dialled = anyio.Event()
            await self._dialled.wait()
        return self.conns[number - 1]

    def opening(self, model: str | None, config: Session) -> RealtimeSession:
        address = Address(base_url="http://hosted/v1")
        return RealtimeSession(self, address, config=config, model=model, patience=QUICK)


class HostedConn:
    def __init__(self, hosted: Hosted) -> None:
        self.frames: list[Any] = []
        self.ended = anyio.Event()
        self._hosted = hosted
        self._host = Host(model="m")
        self._put, self._got = anyio.create_memory_object_stream[str](10_000)
        self._answering: dict[Answer, anyio.CancelScope] = {}
        self._error: ChatError | None = None
        self._flush()

    async def read_message(self) -> str | bytes:
        try:
            return await self._got.receive()
        except anyio.EndOfStream:
            raise self._error or anyio.ClosedResourceError from None

    async def write_message(self, data: str | bytes, *, binary: bool = False) -> None:
        if self._error or self.closed:
            raise self._error or anyio.ClosedResourceError
        self.frames.append(json.loads(data))
        self._do(self._host.receive(data))
        self._flush()

    @property
    def closed(self) -> bool:
        return self.ended.is_set()

    async def close(self) -> None:
        self.ended.set()
        self.drop(None)
        self._got.close()

    def response(self) -> HandshakeResponse:
        return HandshakeResponse(101, {})

    async def ping(self) -> None:
        await anyio.lowlevel.checkpoint()

    def drop(self, error: ChatError | None) -> None:
        """End the session for *error*."""
        self._error = error
        self._put.close()
        for scope in self._answering.values():
            scope.cancel()

    def _do(self, demands: list[Demand]) -> None:
        for demand in demands:
            match demand:
                case Respond(answer):
                    self._answering[answer] = anyio.CancelScope()
                    self._hosted.tasks.start_soon(self._answer, answer)
                case Cancelled(answer):
                    self._answering[answer].cancel()
                case _:
                    pass

    async def _answer(self, answer: Answer) -> None:
        messages = [Message("user", item.text or item.output or "") for item in answer.context]
        if answer.manner.instructions is not UNSET:
            messages.insert(0, Message("system", answer.manner.instructions or ""))
        request = ModelRequest(messages=tuple(messages), stream=True, request_id="")
        with self._answering[answer]:
            try:
                done = await self._hosted.model.complete(request, self._saying(answer))
            except ProviderError as error:
                why = ResponseFailure(type="server_error", code=error.code, message=error.message)
                answer.end("failed", error=why)
            except Exception as error:
                self._hosted.bugs.append(error)
                self.drop(ProviderError("upstream_error", "It failed."))
                return
            else:
                for call in done.tool_calls:
                    answer.call(call.name, call.arguments, call_id=call.id)
                cut = {"length": "max_output_tokens", "content_filter": "content_filter"}
                usage = done.usage
                answer.end(
                    "incomplete" if done.reason in cut else "completed",
                    cut.get(done.reason),
                    usage=None
                    if usage is None
                    else ResponseUsage(usage.total_tokens, usage.input_tokens, usage.output_tokens),
                )
            self._flush()

    def _saying(self, answer: Answer) -> _Saying:
        return _Saying(self, answer)

    def _flush(self) -> None:
        for frame in self._host.data_to_send():
            self._put.send_nowait(frame.decode())


class _Saying(ObjectSendStream[Delta]):
    def __init__(self, conn: HostedConn, answer: Answer) -> None:
        self._conn = conn
        self._answer = answer

    async def send(self, item: Delta) -> None:
        if isinstance(item, TextDelta):
            self._answer.say(item.text)
            self._conn._flush()
        await anyio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        pass


@asynccontextmanager
async def hosting(model: ChatModel) -> AsyncGenerator[Hosted]:
    with unwrapped():
        async with anyio.create_task_group() as tasks:
            yield Hosted(model, tasks)
            tasks.cancel_scope.cancel()
