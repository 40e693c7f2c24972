"""The least store that keeps every promise, to be broken in tests."""

from __future__ import annotations

from collections.abc import Sequence

import anyio
from msgspec.structs import replace

from chatbots.errors import InvalidRequest
from chatbots.messages import FinalState, Message, Turn, UnderWay, Usage
from chatbots.testing.store_order import STATES


class TinyStore:
    """The least that keeps every promise."""

    def __init__(self) -> None:
        self.sessions: dict[str, list[Turn]] = {}
        self.changed = anyio.Event()

    async def begin(self, session: str, request_id: str, said: Sequence[Message]) -> Turn:
        while True:
            turns = self.sessions.get(session, [])
            known = next((turn for turn in turns if turn.request_id == request_id), None)
            if known is not None and known.said != tuple(said):
                raise InvalidRequest("request_id_conflict", "Other words.")
            if known is not None and known.state in STATES:
                return known
            if all(turn.state in STATES for turn in turns):
                return self.accept(session, request_id, said)
            await self.changed.wait()

    def accept(self, session: str, request_id: str, said: Sequence[Message]) -> Turn:
        turns = self.sessions.setdefault(session, [])
        turn = Turn(
            session=session,
            request_id=request_id,
            seq=len(turns) + 1,
            state="accepted",
            said=tuple(said),
            began_at=1.0,
        )
        turns.append(turn)
        return turn

    async def checkpoint(
        self, turn: Turn, answer: Sequence[Message], *, state: UnderWay = "streaming"
    ) -> None:
        self.put(replace(turn, state=state, answer=tuple(answer)))

    async def finish(
        self,
        turn: Turn,
        answer: Sequence[Message],
        *,
        state: FinalState,
        reason: str | None = None,
        usage: Usage | None = None,
    ) -> Turn:
        if any(kept == turn and kept.state in STATES for kept in await self.load(turn.session)):
            raise ValueError("It is final.")
        final = replace(turn, answer=tuple(answer), state=state, reason=reason, usage=usage)
        self.put(final)
        self.wake()
        return final if turn.session in self.sessions else replace(final, seq=0)

    def put(self, turn: Turn) -> None:
        turns = self.sessions.get(turn.session, [])
        turns[:] = [turn if kept.request_id == turn.request_id else kept for kept in turns]

    def wake(self) -> None:
        self.changed.set()
        self.changed = anyio.Event()

    async def load(self, session: str, *, last: int | None = None) -> Sequence[Turn]:
        turns = self.sessions.get(session, ())
        if last is None:
            return tuple(turns)
        summed = [turn for turn in turns if turn.summary is not None][-1:]
        newest = turns[len(turns) - min(last, len(turns)) :]
        return tuple(turn for turn in turns if turn.pinned or turn in summed or turn in newest)

    async def mark(
        self, session: str, seq: int, *, pinned: bool | None = None, summary: str | None = None
    ) -> None:
        for turn in self.sessions.get(session, ()):
            if turn.seq == seq:
                self.put(self.marked(turn, pinned, summary))
                return
        raise InvalidRequest("session_not_found", "No such turn.")

    def marked(self, turn: Turn, pinned: bool | None, summary: str | None) -> Turn:
        return replace(
            turn,
            pinned=turn.pinned if pinned is None else pinned,
            summary=turn.summary if summary is None else summary,
        )

    async def forget(self, session: str) -> None:
        self.sessions.pop(session, None)
        self.wake()
