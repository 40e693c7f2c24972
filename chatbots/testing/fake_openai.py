"""A fake OpenAI server on loopback: real sockets, scripted answers, and a record of every call.

    async with FakeOpenAI() as fake:
        fake.answer("Hello there.")
        client = AsyncOpenAI(base_url=fake.base_url, api_key="any")
        ...
        assert fake.calls[0].json["messages"][-1]["content"] == "Hi!"

A stream is held half-way without sleeping where the test hands out the pieces itself:

        send, pieces = anyio.create_memory_object_stream[str]()
        fake.answer(pieces)
        await send.send("Hel")
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self

import anyio
from anyio.abc import TaskGroup

from chatbots.testing.answers import Answer, Pieces, Rule, echo
from chatbots.testing.calls import Call
from chatbots.testing.desk import Desk
from chatbots.testing.endpoints import Endpoints
from chatbots.testing.faults.names import placed, sequence
from chatbots.testing.http1 import Connection, Player, Record
from chatbots.testing.realtime.talk import Talk
from chatbots.testing.sockets import LOOPBACK, Listener, Wire


class FakeOpenAI:
    """Serves chat completions, embeddings, models and realtime from `http://127.0.0.1:PORT/v1`.

    *port* 0 takes a free one.
    *api_key*: calls without exactly this key get 401; None lets everybody in.
    *models*: calls for others get 404; None lets any model exist.
    *rule*: what is answered when nothing is queued; by default what the user said last.
    *faults*: how that fails, in turn, such as `500,500,ok`.
    *send_buffer*: bytes the kernel buffers for a connection; small, it shows early (in
    `Call.blocked`) that a client has stopped reading.
    *seed* draws what a fault leaves to chance.
    *player*: who answers every request in place of the API, such as a `Replay`.
    *log* is called with each call when it is over.
    Entering raises `OSError` if the port is taken.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        api_key: str | None = None,
        models: Sequence[str] | None = None,
        rule: Rule = echo,
        faults: str = "",
        send_buffer: int | None = None,
        seed: int = 0,
        player: Player | None = None,
        log: Callable[[Call], None] | None = None,
    ) -> None:
        self.connections = 0
        """TCP connections accepted so far."""
        self.open_connections = 0
        """TCP connections open now."""
        self.base_url = ""
        self._port = port
        self._send_buffer = send_buffer
        self.talks: list[Talk] = []
        """Every realtime session so far, with what was said on it."""
        self._desk = Desk(rule, faults)
        self._player = player or Endpoints(
            self._desk, self.talks, api_key=api_key, models=models, seed=seed
        )
        self._record = Record(log)
        self._tasks: TaskGroup

    async def __aenter__(self) -> Self:
        listener = Listener(self._port, send_buffer=self._send_buffer)
        self.base_url = f"http://{LOOPBACK}:{listener.port}/v1"
        self._tasks = anyio.create_task_group()
        await self._tasks.__aenter__()
        self._tasks.start_soon(self._accept, listener)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        self._tasks.cancel_scope.cancel()
        if isinstance(exc, anyio.get_cancelled_exc_class()):
            return await self._tasks.__aexit__(exc_type, exc, traceback)
        # The test's own exception is not the task group's: it would come out in a group.
        await self._tasks.__aexit__(None, None, None)
        return None

    @property
    def calls(self) -> list[Call]:
        """Every call so far, in the order of arrival."""
        return self._record.calls

    def answer(
        self,
        text: Pieces = "",
        *,
        hold: anyio.Event | None = None,
        delay: float = 0.0,
        finish_reason: str | None = "stop",
        status: int = 200,
        error: str | Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        usage: Mapping[str, object] | None = None,
        refusal: bool = False,
        tool_calls: Sequence[tuple[str, object]] = (),
        drop_after: int | None = None,
        fault: str | None = None,
        after: float | None = None,
    ) -> None:
        """Queue an answer for the next call, chat or realtime; `Answer` says what each value does.

        `answer(text, fault="midstream-reset", after=2)` is `fault="midstream-reset:2"`.
        """
        self._desk.queue.append(
            Answer(
                text=text,
                hold=hold,
                delay=delay,
                finish_reason=finish_reason,
                status=status,
                error=error,
                headers=headers or {},
                usage=usage or {},
                refusal=refusal,
                tool_calls=tool_calls,
                drop_after=drop_after,
                fault=placed(fault, after),
            )
        )

    def fault(self, faults: str) -> None:
        """Let the next calls fail: `fault("429-s:7")`, or in turn `fault("500,500,ok")`.

        What a fault lets through of an answer is the rule's.
        Raises `ValueError` for a name that does not exist.
        """
        self._desk.queue.extend(sequence(faults))

    def hear(self, *transcripts: str) -> None:
        """Queue what the user says in the next messages of audio, one after the other."""
        self._desk.transcripts.extend(transcripts)

    def play(self, player: Player) -> None:
        """Queue a function that answers the next chat call by hand, down to the bytes."""
        self._desk.queue.append(player)

    async def until(self, fact: Callable[[], bool]) -> None:
        """Return when *fact*, about the calls or the connections, is true."""
        await self._record.changes.until(fact)

    async def wait_for_call(self, number: int = 1) -> Call:
        """Return the call with this *number*, counted from 1, when it has arrived."""
        await self.until(lambda: len(self.calls) >= number)
        return self.calls[number - 1]

    async def wait_for_hangup(self, call: Call) -> None:
        """Return when the client of *call* has closed its connection before the answer was whole.

        Raises `AssertionError` if the answer ended first.
        """
        await self.until(lambda: call.hung_up or call.finished is not None)
        if not call.hung_up:
            raise AssertionError(
                f"The client of call {call.number} did not hang up: its answer ended."
            )

    async def _accept(self, listener: Listener) -> None:
        # Both tasks run to their first wait even if they are cancelled before: anyio sees to it.
        try:
            while True:
                wire = await listener.accept()
                self.connections += 1
                self.open_connections += 1
                self._record.changes.announce()
                self._tasks.start_soon(self._serve, wire, self.connections)
        finally:
            listener.close()

    async def _serve(self, wire: Wire, number: int) -> None:
        try:
            await Connection(number, wire, self._record).serve(self._player)
        finally:
            self.open_connections -= 1
            self._record.changes.announce()
