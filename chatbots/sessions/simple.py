"""A `SessionStore` out of two methods: whoever can read and append can remember.

Weaker than a store of its own: one process at a time may use it, a beginning that is cancelled
may leave a turn that was cancelled, and what is durable is what `append` makes durable.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import time
from typing import Protocol, runtime_checkable

import anyio
from msgspec.structs import replace

from chatbots.errors import ChatError, InvalidRequest, StorageError
from chatbots.messages import FinalState, Message, SessionId, Turn, UnderWay, Usage
from chatbots.sessions.alike import conflict, marked, not_found, selected
from chatbots.sessions.turn import FINAL, OPEN, begun, checkpointed, finished, recovered


class SimpleStore(Protocol):
    """What an application brings to have its sessions kept: see `SimpleSessions`."""

    async def load(self, session: SessionId) -> Sequence[Turn]:
        """Return all that was appended to *session*, in order; nothing if nothing was."""
        ...

    async def append(self, turn: Turn) -> None:
        """Keep *turn*, of `turn.session`, and return when it is safe.

        A turn comes several times, with the same `seq`, as it goes on: the last one counts.
        """
        ...


@runtime_checkable
class Forgetting(Protocol):
    """A third method, for a store that can delete."""

    async def forget(self, session: SessionId) -> None:
        """Delete all that was appended to *session*."""
        ...


class _Running:
    def __init__(self) -> None:
        self.turn: Turn | None = None
        self.freed = anyio.Event()


class SimpleSessions:
    """A `SessionStore` on a `SimpleStore`.

    A turn that had not ended and that this process does not run is `interrupted`.
    Whatever the store raises, a `StorageError` says; *clock* tells Unix seconds.
    """

    def __init__(self, store: SimpleStore, *, clock: Callable[[], float] = time) -> None:
        self._store = store
        self._clock = clock
        self._running: dict[SessionId, _Running] = {}

    async def begin(self, session: SessionId, request_id: str, said: Sequence[Message]) -> Turn:
        """Accept a turn; see `SessionStore.begin`."""
        said = tuple(said)
        while (running := self._running.get(session)) is not None:
            turn = running.turn
            if turn is not None and turn.request_id == request_id and turn.said != said:
                raise conflict(request_id)
            await running.freed.wait()
        running = self._running[session] = _Running()
        try:
            turns = await self.load(session)
            known = next((turn for turn in turns if turn.request_id == request_id), None)
            if known is None:
                now = self._clock()
                turn = begun(session, request_id, said, seq=len(turns) + 1, began_at=now)
                await self._append(turn)
                running.turn = turn
                return turn
            if known.said != said:
                raise conflict(request_id)
            return known
        finally:
            if running.turn is None:
                self._free(session, running)

    async def checkpoint(
        self, turn: Turn, answer: Sequence[Message], *, state: UnderWay = "streaming"
    ) -> None:
        """Keep the partial answer; see `SessionStore.checkpoint`."""
        running = self._find(turn)
        if running is not None and running.turn is not None:
            running.turn = checkpointed(running.turn, answer, state)
            await self._append(running.turn)
        elif turn.state in FINAL:
            checkpointed(turn, answer, state)

    async def finish(
        self,
        turn: Turn,
        answer: Sequence[Message],
        *,
        state: FinalState,
        reason: str | None = None,
        usage: Usage | None = None,
    ) -> Turn:
        """Keep how the turn ended; see `SessionStore.finish`."""
        running = self._find(turn)
        kept = turn if running is None or running.turn is None else running.turn
        ended = finished(kept, answer, state=state, reason=reason, usage=usage)
        if running is not None:
            try:
                await self._append(ended)
            finally:
                self._free(turn.session, running)
        return ended if running is not None else replace(ended, seq=0)

    async def load(self, session: SessionId, *, last: int | None = None) -> Sequence[Turn]:
        """Return the session's turns, oldest first; see `SessionStore.load`."""
        try:
            appended = await self._store.load(session)
        except Exception as error:
            raise self._failed("read", error) from error
        turns = {turn.seq: turn for turn in appended}
        running = self._running.get(session)
        now = running.turn if running is not None else None
        return selected(
            [
                recovered(turn) if turn.state in OPEN and (now is None or now.seq != seq) else turn
                for seq, turn in sorted(turns.items())
            ],
            last,
        )

    async def mark(
        self,
        session: SessionId,
        seq: int,
        *,
        pinned: bool | None = None,
        summary: str | None = None,
    ) -> None:
        """Pin a turn, or keep a summary; see `SessionStore.mark`."""
        turn = next((turn for turn in await self.load(session) if turn.seq == seq), None)
        if turn is None:
            raise not_found(session, seq)
        running = self._find(turn)
        turn = marked(turn, pinned=pinned, summary=summary)
        if running is not None:
            running.turn = turn
        await self._append(turn)

    async def forget(self, session: SessionId) -> None:
        """Delete a session; see `SessionStore.forget`.

        Raises `InvalidRequest` (`invalid_request`) where the store has no `forget`.
        """
        if not isinstance(self._store, Forgetting):
            raise InvalidRequest(
                "invalid_request",
                f"The store, {type(self._store).__name__}, cannot delete a session.",
                hint="Give it a third method, `forget(session)`.",
            )
        try:
            await self._store.forget(session)
        except Exception as error:
            raise self._failed("deleted", error) from error
        running = self._running.get(session)
        if running is not None:
            self._free(session, running)

    def _find(self, turn: Turn) -> _Running | None:
        running = self._running.get(turn.session)
        kept = running.turn if running is not None else None
        same = kept is not None and (kept.seq, kept.began_at) == (turn.seq, turn.began_at)
        return running if same else None

    def _free(self, session: SessionId, running: _Running) -> None:
        if self._running.get(session) is running:
            del self._running[session]
        running.freed.set()

    async def _append(self, turn: Turn) -> None:
        try:
            await self._store.append(turn)
        except Exception as error:
            raise self._failed("written", error) from error

    def _failed(self, what: str, error: Exception) -> ChatError:
        if isinstance(error, ChatError):
            return error
        return StorageError(
            "storage_unavailable",
            f"The sessions cannot be {what} by {type(self._store).__name__}: {error}",
        )
