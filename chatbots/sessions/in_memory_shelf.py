"""Browsing in the sessions of this process's memory."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from msgspec.structs import replace

from chatbots.conversations import Found, SessionInfo, StoreStats, title_of
from chatbots.errors import StorageError
from chatbots.messages import Message, Role, SessionId, Turn
from chatbots.sessions.alike import busy, copies, exists, not_found, spoken
from chatbots.sessions.bounded import BoundedSessions, HeldSession

_AROUND: Final = 40
"""Characters shown on each side of a word that was found."""


class InMemoryShelf:
    """A `SessionShelf` over sessions in memory."""

    def __init__(self, held: BoundedSessions, clock: Callable[[], float]) -> None:
        self._held = held
        self._clock = clock

    async def aclose(self) -> None:
        """Keep all: there is nothing to close."""

    async def sessions(
        self, *, limit: int | None = None, within: str = ""
    ) -> Sequence[SessionInfo]:
        """Return what there is; see `SessionShelf.sessions`."""
        infos = [_info(name, held) for name, held in reversed(self._within(within))]
        return sorted(infos, key=lambda info: info.changed_at, reverse=True)[:limit]

    async def search(
        self,
        text: str,
        *,
        session: SessionId | None = None,
        limit: int = 50,
        within: str = "",
    ) -> Sequence[Found]:
        """Return where it was said; see `SessionShelf.search`."""
        words = [
            re.compile(rf"\b{re.escape(word)}", re.IGNORECASE) for word in re.findall(r"\w+", text)
        ]
        found = [
            found
            for name, held in self._within(within)
            if words and session in (None, name)
            for turn in held.turns.values()
            if turn.request_id != held.running
            for found in _found(turn, words)
        ]
        return sorted(found, key=lambda one: one.at, reverse=True)[:limit]

    async def rename(self, session: SessionId, to: SessionId) -> None:
        """Give a session another name; see `SessionShelf.rename`."""
        held = self._existing(session)
        if held.busy:
            raise busy(session)
        self._vacant(to)
        for request_id, turn in held.turns.items():
            held.turns[request_id] = replace(turn, session=to)
        self._held.by_name[to] = self._held.by_name.pop(session)

    async def fork(
        self, session: SessionId, to: SessionId, *, upto: int | None = None
    ) -> SessionInfo:
        """Begin a session with a copy of another; see `SessionShelf.fork`."""
        held = self._existing(session)
        await self.restore(
            to,
            [
                turn
                for name, turn in held.turns.items()
                if name != held.running and (upto is None or turn.seq <= upto)
            ],
        )
        return _info(to, self._existing(to))

    async def restore(self, session: SessionId, turns: Sequence[Turn]) -> None:
        """Make a session of turns kept elsewhere; see `SessionShelf.restore`."""
        self._vacant(session)
        held = HeldSession(self._clock())
        try:
            for turn in copies(session, turns, held.created_at):
                self._held.begin(held, turn)
        except StorageError:
            self._held.drop(session)
            raise

    async def stats(self, *, within: str = "") -> StoreStats:
        """Count what is kept; see `SessionShelf.stats`."""
        sessions = self._within(within)
        turns = [turn for _, held in sessions for turn in held.turns.values()]
        usages = [turn.usage for turn in turns if turn.usage is not None]
        return StoreStats(
            sessions=len(sessions),
            turns=len(turns),
            by_state=Counter(turn.state for turn in turns),
            input_tokens=sum(usage.input_tokens for usage in usages),
            output_tokens=sum(usage.output_tokens for usage in usages),
            bytes=sum(held.bytes for _, held in sessions),
        )

    def _within(self, prefix: str) -> Sequence[tuple[SessionId, HeldSession]]:
        by_name = self._held.by_name.items()
        return [(name, held) for name, held in by_name if name.startswith(prefix)]

    def _existing(self, session: SessionId) -> HeldSession:
        held = self._held.by_name.get(session)
        if held is None:
            raise not_found(session)
        return held

    def _vacant(self, session: SessionId) -> None:
        if session in self._held.by_name:
            raise exists(session)


def _info(name: SessionId, held: HeldSession) -> SessionInfo:
    usages = [turn.usage for turn in held.turns.values() if turn.usage is not None]
    first = next(iter(held.turns.values()), None)
    return SessionInfo(
        name=name,
        turns=len(held.turns),
        created_at=held.created_at,
        changed_at=held.changed_at,
        title=title_of(first.said) if first else "",
        tokens=sum(usage.input_tokens + usage.output_tokens for usage in usages),
    )


def _found(turn: Turn, words: Sequence[re.Pattern[str]]) -> Iterator[Found]:
    sides: tuple[tuple[Role, Sequence[Message]], ...]
    sides = ("user", turn.said), ("assistant", turn.answer)
    for role, side in sides:
        text = spoken(side)
        at = [match.start() for word in words if (match := word.search(text))]
        if len(at) == len(words):
            start, end = max(0, at[0] - _AROUND), at[0] + _AROUND
            yield Found(
                session=turn.session,
                seq=turn.seq,
                request_id=turn.request_id,
                role=role,
                snippet=" ".join(text[start:end].split()),
                at=turn.began_at or 0.0,
            )
