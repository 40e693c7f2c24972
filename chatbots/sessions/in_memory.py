"""Sessions in this process's memory, bounded in count and in bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

import anyio
from msgspec.structs import replace

from chatbots.errors import InvalidRequest, StorageError
from chatbots.messages import FinalState, Message, SessionId, Turn, Usage
from chatbots.sessions.turn import FINAL, advance

DEFAULT_SESSIONS: Final = 10_000
DEFAULT_BYTES: Final = 256 * 1024 * 1024
TURN_BYTES: Final = 512
"""What a turn costs beside its text, roughly."""


class _Session:
    def __init__(self) -> None:
        self.turns: dict[str, Turn] = {}
        # What each turn takes, and what was said in it: that is counted once.
        self.sizes: dict[str, int] = {}
        self.said: dict[str, int] = {}
        self.seq = 0
        self.bytes = 0
        self.waiting = 0
        self.running: str | None = None
        self.freed = anyio.Event()

    @property
    def busy(self) -> bool:
        return self.running is not None or self.waiting > 0


class InMemorySessions:
    """A `SessionStore` that lives as long as the process.

    At most *max_sessions* are kept, and at most *max_bytes* of text (UTF-8) and images in all.
    Beyond that the session that was unused for longest goes; where all others are in use, the
    oldest turns go. A turn that is running stays; if only such are left, `begin` raises
    `StorageError`.
    """

    def __init__(
        self, *, max_sessions: int = DEFAULT_SESSIONS, max_bytes: int = DEFAULT_BYTES
    ) -> None:
        self._max_sessions = max_sessions
        self._max_bytes = max_bytes
        self._sessions: OrderedDict[SessionId, _Session] = OrderedDict()
        self._bytes = 0

    async def begin(self, session: SessionId, request_id: str, said: Sequence[Message]) -> Turn:
        """Accept a turn; see `SessionStore.begin`."""
        said = tuple(said)
        while True:
            held = self._sessions.get(session) or _Session()
            known = held.turns.get(request_id)
            if known is not None and known.said != said:
                raise InvalidRequest(
                    "request_id_conflict",
                    f"The request id {request_id!r} belongs to a turn that said something else.",
                    param="request_id",
                )
            if known is not None and known.state in FINAL:
                return known
            if held.running is None:
                break
            held.waiting += 1
            try:
                await held.freed.wait()
            finally:
                held.waiting -= 1
        return self._accept(session, held, request_id, said)

    def _accept(
        self, session: SessionId, held: _Session, request_id: str, said: tuple[Message, ...]
    ) -> Turn:
        turn = Turn(
            session=session, request_id=request_id, seq=held.seq + 1, state="accepted", said=said
        )
        size = TURN_BYTES + _size(said)
        self._make_room(session, size)
        held.said[request_id] = size
        self._sessions[session] = held
        self._sessions.move_to_end(session)
        held.seq += 1
        held.running = request_id
        held.freed = anyio.Event()
        self._keep(held, turn)
        return turn

    async def checkpoint(self, turn: Turn, answer: Sequence[Message]) -> None:
        """Keep the partial answer; see `SessionStore.checkpoint`."""
        held, kept = self._find(turn)
        self._keep(
            held, replace(kept, state=advance(kept.state, "streaming"), answer=tuple(answer))
        )
        self._shrink(keep=turn.session)

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
        held, kept = self._find(turn)
        ended = replace(
            kept,
            state=advance(kept.state, state),
            answer=tuple(answer),
            reason=reason,
            usage=usage,
        )
        self._keep(held, ended)
        held.running = None
        held.freed.set()
        self._shrink(keep=turn.session)
        return ended

    async def load(self, session: SessionId) -> Sequence[Turn]:
        """Return the session's turns, oldest first; see `SessionStore.load`."""
        held = self._sessions.get(session)
        return tuple(held.turns.values()) if held else ()

    async def forget(self, session: SessionId) -> None:
        """Delete a session; see `SessionStore.forget`."""
        held = self._sessions.pop(session, None)
        if held is not None:
            self._bytes -= held.bytes
            held.freed.set()

    def _find(self, turn: Turn) -> tuple[_Session, Turn]:
        held = self._sessions.get(turn.session)
        kept = held.turns.get(turn.request_id) if held else None
        if held is None or kept is None or kept.seq != turn.seq:
            # Forgotten while it ran: it ends into nothing.
            return _Session(), turn
        return held, kept

    def _keep(self, held: _Session, turn: Turn) -> None:
        size = held.said.get(turn.request_id, 0) + _size(turn.answer)
        grown = size - held.sizes.get(turn.request_id, 0)
        held.sizes[turn.request_id] = size
        held.turns[turn.request_id] = turn
        held.bytes += grown
        if self._sessions.get(turn.session) is held:
            self._bytes += grown

    def _shrink(self, keep: SessionId) -> None:
        while self._bytes > self._max_bytes and self._free_some(keep):
            pass

    def _make_room(self, session: SessionId, size: int) -> None:
        if size > self._max_bytes:
            # Found out before anything is dropped for it.
            raise _full("The turn is larger than the memory for all sessions.", "max_bytes")
        if session not in self._sessions and len(self._sessions) >= self._max_sessions:
            self._evict(keep=session)
        while self._bytes + size > self._max_bytes:
            if not self._free_some(keep=session):
                raise _full("The memory for sessions is full of running turns.", "max_bytes")

    def _evict(self, keep: SessionId) -> None:
        victim = self._unused(keep)
        if victim is None:
            raise _full(f"All {self._max_sessions} sessions have a turn running.", "max_sessions")
        self._bytes -= self._sessions.pop(victim).bytes

    def _free_some(self, keep: SessionId) -> bool:
        """Drop a session nobody uses, or else somebody's oldest turn."""
        victim = self._unused(keep)
        if victim is not None:
            self._bytes -= self._sessions.pop(victim).bytes
            return True
        for held in self._sessions.values():
            oldest = next((name for name in held.turns if name != held.running), None)
            if oldest is not None:
                del held.turns[oldest], held.said[oldest]
                size = held.sizes.pop(oldest)
                held.bytes -= size
                self._bytes -= size
                return True
        return False

    def _unused(self, keep: SessionId) -> SessionId | None:
        return next(
            (name for name, held in self._sessions.items() if name != keep and not held.busy), None
        )


def _full(message: str, bound: str) -> StorageError:
    return StorageError(
        "storage_unavailable", message, hint=f"Ask again later, or raise the store's {bound}."
    )


def _size(messages: Sequence[Message]) -> int:
    texts = [text for message in messages for text in message.texts]
    return sum([len(text) if text.isascii() else len(text.encode()) for text in texts])
