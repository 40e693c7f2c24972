"""One request while it is answered: who asks, what it may use, how it is stopped."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

import anyio
from msgspec import Struct

from chatbots.errors import ChatError, TurnCancelled
from chatbots.interfaces import SessionStore
from chatbots.messages import SessionId, Usage
from chatbots.server.access import Caller
from chatbots.server.backend import Backend
from chatbots.server.outbox import Outbox
from chatbots.server.rpc import Request


class Route(Struct, frozen=True):
    """How requests of one type are answered.

    *handle* returns the data of the answer, which is a frame of the type *answer*.
    `at_once`: nothing is waited for. `streams`: pieces go out before the answer.
    """

    payload: type[Struct]
    handle: Callable[[Call, Any], Awaitable[object]]
    answer: str
    at_once: bool = False
    streams: bool = False


class Call:
    """A request of *caller*; *running* are those of the same socket that are being answered, and
    *turns* those of all sockets that are in a session.

    A handler says in `usage` what it cost, and in `outlives_its_socket` whether it goes on when
    the client has gone.
    """

    def __init__(
        self,
        request: Request,
        route: Route,
        *,
        caller: Caller,
        backend: Backend,
        outbox: Outbox,
        running: Mapping[str, Call],
        turns: Turns,
    ) -> None:
        self.request = request
        self.route = route
        self.caller = caller
        self.backend = backend
        self.outbox = outbox
        self.running = running
        self._turns = turns
        self.scope = anyio.CancelScope()
        self.usage: Usage | None = None
        self.outlives_its_socket = False
        self._why: ChatError | None = None

    @property
    def store(self) -> SessionStore:
        """The sessions of the caller."""
        return self.caller.scope(self.backend.store())

    def turns_in(self, session: SessionId) -> tuple[Call, ...]:
        """Return the requests of the caller, on whatever socket, whose turns are in *session*."""
        return tuple(self._turns.get((self.caller.user, session), ()))

    @contextmanager
    def taking_turn(self, session: SessionId | None) -> Generator[None]:
        """Be among those turns meanwhile."""
        key = (self.caller.user, session)
        self._turns.setdefault(key, []).append(self)
        try:
            yield
        finally:
            self._turns[key].remove(self)
            if not self._turns[key]:
                del self._turns[key]

    @property
    def why(self) -> ChatError:
        """Why it was stopped."""
        return self._why or TurnCancelled("cancelled", "The request was cancelled.")

    def stop(self, why: ChatError | None = None) -> None:
        """Stop answering."""
        self._why = why
        self.scope.cancel()


Turns: TypeAlias = dict[tuple[str | None, SessionId | None], list[Call]]
"""The requests that take a turn, by their user and session."""
