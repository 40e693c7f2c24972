"""A part of a store: the sessions whose names begin alike, under the rest of their names."""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from contextlib import contextmanager

from msgspec.structs import replace

from chatbots.conversations import Found, SessionInfo, StoreStats
from chatbots.errors import InvalidRequest
from chatbots.interfaces import SessionShelf, SessionStore
from chatbots.messages import (
    FinalState,
    Message,
    SessionId,
    Turn,
    UnderWay,
    Usage,
    check_session,
)


def scoped(store: SessionStore, prefix: str) -> SessionStore:
    """Return of *store* the sessions that begin with *prefix*, which nobody sees.

    It can be browsed if the store can. Of any other session it is true that there is none.
    """
    if isinstance(store, SessionShelf):
        return ScopedShelf(store, prefix, shelf=store)
    return ScopedSessions(store, prefix)


class ScopedSessions:
    """A `SessionStore` in a part of another."""

    def __init__(self, store: SessionStore, prefix: str) -> None:
        self._store = store
        self._prefix = prefix

    async def begin(self, session: SessionId, request_id: str, said: Sequence[Message]) -> Turn:
        """Accept a turn; see `SessionStore.begin`."""
        with self._as_seen():
            return self._seen(await self._store.begin(self._name(session), request_id, said))

    async def checkpoint(
        self, turn: Turn, answer: Sequence[Message], *, state: UnderWay = "streaming"
    ) -> None:
        """Keep the partial answer; see `SessionStore.checkpoint`."""
        await self._store.checkpoint(self._kept(turn), answer, state=state)

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
        ended = await self._store.finish(
            self._kept(turn), answer, state=state, reason=reason, usage=usage
        )
        return self._seen(ended)

    async def load(self, session: SessionId, *, last: int | None = None) -> Sequence[Turn]:
        """Return the session's turns, oldest first; see `SessionStore.load`."""
        turns = await self._store.load(self._name(session), last=last)
        return tuple(map(self._seen, turns))

    async def mark(
        self,
        session: SessionId,
        seq: int,
        *,
        pinned: bool | None = None,
        summary: str | None = None,
    ) -> None:
        """Pin a turn, or keep a summary; see `SessionStore.mark`."""
        with self._as_seen():
            await self._store.mark(self._name(session), seq, pinned=pinned, summary=summary)

    async def forget(self, session: SessionId) -> None:
        """Delete a session; see `SessionStore.forget`."""
        await self._store.forget(self._name(session))

    def _name(self, session: SessionId) -> SessionId:
        check_session(session)
        name = self._prefix + session
        check_session(name)
        return name

    def _kept(self, turn: Turn) -> Turn:
        return replace(turn, session=self._name(turn.session))

    def _seen(self, turn: Turn) -> Turn:
        return replace(turn, session=turn.session.removeprefix(self._prefix))

    @contextmanager
    def _as_seen(self) -> Generator[None]:
        """Say in a refusal the name that the session was asked for by."""
        try:
            yield
        except InvalidRequest as error:
            error.message = re.sub(rf"(['\"]){re.escape(self._prefix)}", r"\1", error.message)
            raise


class ScopedShelf(ScopedSessions):
    """The same, of a store that is a `SessionShelf` too."""

    def __init__(self, store: SessionStore, prefix: str, *, shelf: SessionShelf) -> None:
        super().__init__(store, prefix)
        self._shelf = shelf

    async def sessions(
        self, *, limit: int | None = None, within: str = ""
    ) -> Sequence[SessionInfo]:
        """Return what there is; see `SessionShelf.sessions`."""
        infos = await self._shelf.sessions(limit=limit, within=self._prefix + within)
        return tuple(map(self._listed, infos))

    async def search(
        self,
        text: str,
        *,
        session: SessionId | None = None,
        limit: int = 50,
        within: str = "",
    ) -> Sequence[Found]:
        """Return where it was said; see `SessionShelf.search`."""
        name = None if session is None else self._name(session)
        places = await self._shelf.search(
            text, session=name, limit=limit, within=self._prefix + within
        )
        return tuple(replace(p, session=p.session.removeprefix(self._prefix)) for p in places)

    async def rename(self, session: SessionId, to: SessionId) -> None:
        """Give a session another name; see `SessionShelf.rename`."""
        with self._as_seen():
            await self._shelf.rename(self._name(session), self._name(to))

    async def fork(
        self, session: SessionId, to: SessionId, *, upto: int | None = None
    ) -> SessionInfo:
        """Begin a session with a copy of another; see `SessionShelf.fork`."""
        with self._as_seen():
            name, copy = self._name(session), self._name(to)
            return self._listed(await self._shelf.fork(name, copy, upto=upto))

    async def restore(self, session: SessionId, turns: Sequence[Turn]) -> None:
        """Make a session of turns kept elsewhere; see `SessionShelf.restore`."""
        with self._as_seen():
            await self._shelf.restore(self._name(session), turns)

    async def stats(self, *, within: str = "") -> StoreStats:
        """Count what is kept; see `SessionShelf.stats`."""
        return await self._shelf.stats(within=self._prefix + within)

    def _listed(self, info: SessionInfo) -> SessionInfo:
        return replace(info, name=info.name.removeprefix(self._prefix))
