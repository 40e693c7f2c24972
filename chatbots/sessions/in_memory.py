"""Sessions in this process's memory, bounded in count and in bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import time
from typing import Final

import anyio
from msgspec.structs import replace

from chatbots.messages import FinalState, Message, SessionId, Turn, UnderWay, Usage
from chatbots.sessions.alike import conflict, marked, not_found, selected
from chatbots.sessions.bounded import BoundedSessions, HeldSession
from chatbots.sessions.in_memory_shelf import InMemoryShelf
from chatbots.sessions.turn import FINAL, begun, checkpointed, finished

DEFAULT_SESSIONS: Final = 10_000
DEFAULT_BYTES: Final = 256 * 1024 * 1024


class InMemorySessions(InMemoryShelf):
    """A `SessionStore` that lives as long as the process, and a `SessionShelf`.

    At most *max_sessions* are kept, and at most *max_bytes* of text (UTF-8) and images in all.
    Beyond that the session that was unused for longest goes; where all others are in use, the
    oldest turns go. A turn that is running stays; if only such are left, `begin` raises
    `StorageError`. *clock* tells Unix seconds.
    """

    def __init__(
        self,
        *,
        max_sessions: int = DEFAULT_SESSIONS,
        max_bytes: int = DEFAULT_BYTES,
        clock: Callable[[], float] = time,
    ) -> None:
        super().__init__(BoundedSessions(max_sessions, max_bytes), clock)

    async def begin(self, session: SessionId, request_id: str, said: Sequence[Message]) -> Turn:
        """Accept a turn; see `SessionStore.begin`."""
        said = tuple(said)
        while True:
            held = self._held.by_name.get(session) or HeldSession(self._clock())
            known = held.turns.get(request_id)
            if known is not None and known.said != said:
                raise conflict(request_id)
            if known is not None and known.state in FINAL:
                return known
            if held.running is None:
                break
            held.waiting += 1
            try:
                await held.freed.wait()
            finally:
                held.waiting -= 1
        now = self._clock()
        turn = begun(session, request_id, said, seq=held.seq + 1, began_at=now)
        self._held.begin(held, turn)
        held.running, held.freed, held.changed_at = request_id, anyio.Event(), now
        return turn

    async def checkpoint(
        self, turn: Turn, answer: Sequence[Message], *, state: UnderWay = "streaming"
    ) -> None:
        """Keep the partial answer; see `SessionStore.checkpoint`."""
        found = self._held.find(turn)
        if found is not None:
            held, kept = found
            self._held.keep(held, checkpointed(kept, answer, state))
            self._held.shrink(keep=turn.session)

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
        found = self._held.find(turn)
        kept = turn if found is None else found[1]
        ended = finished(kept, answer, state=state, reason=reason, usage=usage)
        if found is not None:
            held = found[0]
            self._held.keep(held, ended)
            held.running, held.changed_at = None, self._clock()
            held.freed.set()
            self._held.shrink(keep=turn.session)
        return ended if found is not None else replace(ended, seq=0)

    async def load(self, session: SessionId, *, last: int | None = None) -> Sequence[Turn]:
        """Return the session's turns, oldest first; see `SessionStore.load`."""
        held = self._held.by_name.get(session)
        return selected(tuple(held.turns.values()), last) if held else ()

    async def mark(
        self,
        session: SessionId,
        seq: int,
        *,
        pinned: bool | None = None,
        summary: str | None = None,
    ) -> None:
        """Pin a turn, or keep a summary; see `SessionStore.mark`."""
        held = self._held.by_name.get(session)
        turn = next((t for t in held.turns.values() if t.seq == seq), None) if held else None
        if held is None or turn is None:
            raise not_found(session, seq)
        turn = marked(turn, pinned=pinned, summary=summary)
        self._held.keep(held, turn)
        self._held.shrink(keep=session)

    async def forget(self, session: SessionId) -> None:
        """Delete a session; see `SessionStore.forget`."""
        held = self._held.drop(session)
        if held is not None:
            held.freed.set()
