"""Turns in this process's memory, bounded in count and in bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

import anyio

from chatbots.errors import StorageError
from chatbots.messages import Message, SessionId, Turn

TURN_BYTES: Final = 512
"""What a turn costs beside its text, roughly."""


class HeldSession:
    """A session: its turns by request id, and who waits for it."""

    def __init__(self, created_at: float) -> None:
        self.turns: dict[str, Turn] = {}
        # What each turn takes, and what was said in it: that is counted once.
        self.sizes: dict[str, int] = {}
        self.said: dict[str, int] = {}
        self.seq = 0
        self.bytes = 0
        self.waiting = 0
        self.running: str | None = None
        self.freed = anyio.Event()
        self.created_at = self.changed_at = created_at

    @property
    def busy(self) -> bool:
        """Whether a turn runs, or somebody waits for one to end."""
        return self.running is not None or self.waiting > 0


class BoundedSessions:
    """The sessions of a store in memory, the one used last at the end, and what they take."""

    def __init__(self, max_sessions: int, max_bytes: int) -> None:
        self.by_name: OrderedDict[SessionId, HeldSession] = OrderedDict()
        self.bytes = 0
        self._max_sessions = max_sessions
        self._max_bytes = max_bytes

    def begin(self, held: HeldSession, turn: Turn) -> None:
        """Take in a turn, the newest of a session; raises `StorageError` where there is no room."""
        size = TURN_BYTES + size_of(turn.said)
        self._make_room(turn.session, size)
        held.said[turn.request_id] = size
        self.by_name[turn.session] = held
        self.by_name.move_to_end(turn.session)
        held.seq = turn.seq
        self.keep(held, turn)

    def keep(self, held: HeldSession, turn: Turn) -> None:
        """Keep *turn* in place of what there was of it."""
        summary = len((turn.summary or "").encode())
        size = held.said.get(turn.request_id, 0) + size_of(turn.answer) + summary
        grown = size - held.sizes.get(turn.request_id, 0)
        held.sizes[turn.request_id] = size
        held.turns[turn.request_id] = turn
        held.bytes += grown
        if self.by_name.get(turn.session) is held:
            self.bytes += grown

    def find(self, turn: Turn) -> tuple[HeldSession, Turn] | None:
        """Return where *turn* is held, and as what; None if it was forgotten."""
        held = self.by_name.get(turn.session)
        kept = held.turns.get(turn.request_id) if held else None
        if held is None or kept is None or (kept.seq, kept.began_at) != (turn.seq, turn.began_at):
            return None
        return held, kept

    def drop(self, session: SessionId) -> HeldSession | None:
        """Let a session go."""
        held = self.by_name.pop(session, None)
        if held is not None:
            self.bytes -= held.bytes
        return held

    def shrink(self, keep: SessionId) -> None:
        """Make room for an answer that has grown."""
        while self.bytes > self._max_bytes and self._free_some(keep):
            pass

    def _make_room(self, session: SessionId, size: int) -> None:
        if size > self._max_bytes:
            # Found out before anything is dropped for it.
            raise _full("The turn is larger than the memory for all sessions.", "max_bytes")
        if session not in self.by_name and len(self.by_name) >= self._max_sessions:
            self._evict(keep=session)
        while self.bytes + size > self._max_bytes:
            if not self._free_some(keep=session):
                raise _full("The memory for sessions is full of running turns.", "max_bytes")

    def _evict(self, keep: SessionId) -> None:
        victim = self._unused(keep)
        if victim is None:
            raise _full(f"All {self._max_sessions} sessions have a turn running.", "max_sessions")
        self.drop(victim)

    def _free_some(self, keep: SessionId) -> bool:
        """Drop a session nobody uses, or else somebody's oldest turn."""
        victim = self._unused(keep)
        if victim is not None:
            self.drop(victim)
            return True
        for held in self.by_name.values():
            oldest = next((name for name in held.turns if name != held.running), None)
            if oldest is not None:
                del held.turns[oldest], held.said[oldest]
                size = held.sizes.pop(oldest)
                held.bytes -= size
                self.bytes -= size
                return True
        return False

    def _unused(self, keep: SessionId) -> SessionId | None:
        return next(
            (name for name, held in self.by_name.items() if name != keep and not held.busy), None
        )


def _full(message: str, bound: str) -> StorageError:
    return StorageError(
        "storage_unavailable", message, hint=f"Ask again later, or raise the store's {bound}."
    )


def size_of(messages: Sequence[Message]) -> int:
    """Return the bytes of all that is said in *messages*."""
    texts = [text for message in messages for text in message.texts]
    return sum([len(text) if text.isascii() else len(text.encode()) for text in texts])
