"""A model that answers from a script, for testing a bot without a server.

    gate = Gate()
    model = ScriptedModel("Hello.", ["Once upon", gate, " a time."])

The first request gets "Hello."; the second stops after "Once upon" until the test opens the gate.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TypeAlias

import anyio

from chatbots.deltas import Delta, TextDelta
from chatbots.interfaces import Sink
from chatbots.messages import ModelAnswer, ModelRequest, Usage
from chatbots.tool_calls import ToolCall

CUT: frozenset[str] = frozenset({"length", "content_filter"})
"""The reasons that make an answer incomplete."""


class Gate:
    """A point in a script that waits for the test."""

    def __init__(self) -> None:
        self._reached = anyio.Event()
        self._opened = anyio.Event()

    async def reached(self) -> None:
        """Return when the model has come to this point."""
        await self._reached.wait()

    def open(self) -> None:
        """Let the model go on."""
        self._opened.set()

    async def pass_through(self) -> None:
        """Say that the model is here, and wait until the gate is open."""
        self._reached.set()
        await self._opened.wait()


Step: TypeAlias = str | Gate | Exception
"""Say a piece of the text, wait, or fail."""

Calls: TypeAlias = tuple[ToolCall, ...]


class ScriptedModel:
    """A `ChatModel` that answers the next request with the next of its *answers*.

    An answer is a text, or steps: pieces of text, gates, and an exception to end with.
    Without an answer left, it says what the user said last.
    A request that asks for no stream gets the text in one piece, at the end.
    """

    def __init__(self, *answers: str | Sequence[Step]) -> None:
        self.requests: list[ModelRequest] = []
        """What was asked, in order."""
        self.cancelled = 0
        """How many requests were cancelled before their end."""
        self._script: deque[tuple[Sequence[Step], str, Usage | None, Calls]] = deque()
        for answer in answers:
            self.answer(*([answer] if isinstance(answer, str) else answer))

    def answer(
        self,
        *steps: Step,
        reason: str = "stop",
        usage: Usage | None = None,
        tool_calls: Sequence[ToolCall] = (),
    ) -> None:
        """Queue an answer; the *reason* `length` or `content_filter` makes it incomplete."""
        self._script.append((steps, reason, usage, tuple(tool_calls)))

    async def complete(self, request: ModelRequest, out: Sink) -> ModelAnswer:
        """Answer *request* by the script."""
        self.requests.append(request)
        unscripted = ([last_said(request)], "stop", None, ())
        steps, reason, usage, calls = self._script.popleft() if self._script else unscripted
        try:
            text = await self._play(steps, request, out)
        except anyio.get_cancelled_exc_class():
            self.cancelled += 1
            raise
        return ModelAnswer(
            text=text,
            state="incomplete" if reason in CUT else "completed",
            reason=reason,
            usage=usage,
            tool_calls=calls,
        )

    async def _play(self, steps: Sequence[Step], request: ModelRequest, out: Sink) -> str:
        said = ""
        for step in steps:
            if isinstance(step, Gate):
                await step.pass_through()
            elif isinstance(step, Exception):
                raise step
            else:
                said += step
                if request.stream:
                    await out.send(TextDelta(step))
        if said and not request.stream:
            await out.send(TextDelta(said))
        return said


def last_said(request: ModelRequest) -> str:
    """Return what the user said last."""
    return next((m.content for m in reversed(request.messages) if m.role == "user"), "")


class CollectingSink(anyio.abc.ObjectSendStream[Delta]):
    """A `Sink` that keeps what it is sent in `deltas`, and never makes the sender wait."""

    def __init__(self) -> None:
        self.deltas: list[Delta] = []
        self.closed = False

    @property
    def text(self) -> str:
        """The text sent so far."""
        return "".join(delta.text for delta in self.deltas if isinstance(delta, TextDelta))

    async def send(self, item: Delta) -> None:
        """Keep *item*; raises `anyio.ClosedResourceError` after `aclose`."""
        if self.closed:
            raise anyio.ClosedResourceError
        await anyio.lowlevel.checkpoint()
        self.deltas.append(item)

    async def aclose(self) -> None:
        """Take nothing more."""
        self.closed = True
