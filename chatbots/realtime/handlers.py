"""Functions that are called with what the server says, one after the other, in order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import UnionType
from typing import TypeAlias, TypeVar

from chatbots import telemetry
from chatbots.errors import ChatError
from chatbots.realtime.audience import Stream
from chatbots.realtime.events.event import ServerEvent
from chatbots.realtime.events.unknown import UnknownEvent

Said: TypeAlias = ServerEvent | UnknownEvent
SaidT = TypeVar("SaidT", bound=ServerEvent | UnknownEvent)
Kind: TypeAlias = type[Said] | UnionType
Handler: TypeAlias = Callable[[SaidT], object]
"""What it returns is awaited if it can be."""


class Handlers:
    """Handlers in the order in which they came. What one raises is logged and hurts no other."""

    def __init__(self) -> None:
        self.called = False
        """Whether somebody calls them."""
        self._all: list[tuple[Kind, Callable[..., object]]] = []

    def __bool__(self) -> bool:
        return bool(self._all)

    def add(self, kind: Kind, handler: Callable[..., object]) -> Callable[[], None]:
        """Have *handler* called with each event of a *kind*; return what ends that."""
        entry = (kind, handler)
        self._all.append(entry)
        return lambda: self._all.remove(entry) if entry in self._all else None

    async def run(self, events: Stream[Said]) -> None:
        """Call them with each of *events*, to the last."""
        try:
            async for event in events:
                for kind, handler in tuple(self._all):
                    if isinstance(event, kind):
                        await _call(handler, event)
        except ChatError:
            pass  # the session is over, and says so to whoever uses it


async def _call(handler: Callable[..., object], event: Said) -> None:
    try:
        result = handler(event)
        if isinstance(result, Awaitable):
            await result
    except Exception as error:  # a handler's own
        said = f"{type(error).__name__}: {error}"
        telemetry.emit("error", "realtime.handler", of=event.type, error=telemetry.redact(said))
