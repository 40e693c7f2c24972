"""Each broken promise of P4 and P5 is noticed."""

from __future__ import annotations

from collections.abc import Sequence

import anyio
import pytest
from msgspec.structs import replace

from chatbots.errors import InvalidRequest
from chatbots.interfaces import SessionStore
from chatbots.messages import Message, Turn
from chatbots.testing.store_order import STATES, P4ExactlyOnce, P5Order
from tests.testing.tiny_store import TinyStore

# One way of breaking each promise


class LosesWords(TinyStore):
    def accept(self, session: str, request_id: str, said: Sequence[Message]) -> Turn:
        turn = super().accept(session, request_id, said)
        self.put(replace(turn, said=()))
        return turn


class AsciiOnly(TinyStore):
    def accept(self, session: str, request_id: str, said: Sequence[Message]) -> Turn:
        said = [Message(m.role, m.content.encode("ascii", "replace").decode()) for m in said]
        return super().accept(session, request_id, said)


class CountsFrom0(TinyStore):
    def accept(self, session: str, request_id: str, said: Sequence[Message]) -> Turn:
        turn = replace(super().accept(session, request_id, said), seq=0)
        self.put(turn)
        return turn


class NewestFirst(TinyStore):
    async def load(self, session: str, *, last: int | None = None) -> Sequence[Turn]:
        return (await super().load(session, last=last))[::-1]


class SortsByName(TinyStore):
    async def load(self, session: str, *, last: int | None = None) -> Sequence[Turn]:
        return sorted(await super().load(session, last=last), key=lambda turn: turn.request_id)


class OneSessionForAll(TinyStore):
    async def load(self, session: str, *, last: int | None = None) -> Sequence[Turn]:
        return [turn for turns in self.sessions.values() for turn in turns]


class NeverWaits(TinyStore):
    async def begin(self, session: str, request_id: str, said: Sequence[Message]) -> Turn:
        known = [t for t in self.sessions.get(session, ()) if t.request_id == request_id]
        return known[0] if known else self.accept(session, request_id, said)


class NeverWakes(TinyStore):
    def wake(self) -> None:
        pass


class OneLockForAll(TinyStore):
    async def begin(self, session: str, request_id: str, said: Sequence[Message]) -> Turn:
        while any(turn.state not in STATES for turns in self.sessions.values() for turn in turns):
            await self.changed.wait()
        return await super().begin(session, request_id, said)


class WaiterTakesAPlace(TinyStore):
    async def begin(self, session: str, request_id: str, said: Sequence[Message]) -> Turn:
        try:
            return await super().begin(session, request_id, said)
        except anyio.get_cancelled_exc_class():
            self.accept(session, request_id, said)
            raise


class AlwaysANewTurn(TinyStore):
    async def begin(self, session: str, request_id: str, said: Sequence[Message]) -> Turn:
        while any(turn.state not in STATES for turn in self.sessions.get(session, ())):
            await self.changed.wait()
        return self.accept(session, request_id, said)


class SeesNoConflict(TinyStore):
    async def begin(self, session: str, request_id: str, said: Sequence[Message]) -> Turn:
        for turn in self.sessions.get(session, ()):
            if turn.request_id == request_id:
                said = turn.said
        return await super().begin(session, request_id, said)


class WrongCode(TinyStore):
    async def begin(self, session: str, request_id: str, said: Sequence[Message]) -> Turn:
        try:
            return await super().begin(session, request_id, said)
        except InvalidRequest as error:
            raise InvalidRequest("session_busy", "Other words.") from error


class GivesARunningTurn(TinyStore):
    async def begin(self, session: str, request_id: str, said: Sequence[Message]) -> Turn:
        for turn in self.sessions.get(session, ()):
            if (turn.request_id, turn.said) == (request_id, tuple(said)):
                return turn
        return await super().begin(session, request_id, said)


BROKEN: list[tuple[type[TinyStore], str]] = [
    (LosesWords, "begin_keeps_what_was_said"),
    (AsciiOnly, "begin_keeps_what_was_said"),
    (CountsFrom0, "turns_count_from_1_without_gaps_however_they_end"),
    (NewestFirst, "load_returns_the_turns_in_order"),
    (SortsByName, "load_returns_the_turns_in_order"),
    (OneSessionForAll, "a_session_nobody_used_has_no_turns"),
    (NeverWaits, "begin_waits_while_the_session_has_a_turn_running"),
    (NeverWakes, "begin_waits_while_the_session_has_a_turn_running"),
    (NeverWaits, "of_many_at_once_one_turn_runs_at_a_time"),
    (OneLockForAll, "two_sessions_do_not_wait_for_each_other"),
    (WaiterTakesAPlace, "a_cancelled_waiter_leaves_the_session_usable"),
    (AlwaysANewTurn, "the_same_request_again_gets_the_turn_it_made"),
    (SeesNoConflict, "the_same_request_id_with_other_words_is_a_conflict"),
    (WrongCode, "the_same_request_id_with_other_words_is_a_conflict"),
    (GivesARunningTurn, "the_same_request_while_its_turn_runs_waits_for_its_end"),
    (AlwaysANewTurn, "the_same_request_while_its_turn_runs_waits_for_its_end"),
]


@pytest.mark.parametrize(("store", "promise"), BROKEN)
async def test_a_broken_promise_is_noticed(store: type[TinyStore], promise: str) -> None:
    class Broken(P4ExactlyOnce, P5Order):
        patience = 0.3

        def make_store(self) -> SessionStore:
            return store()

    with pytest.raises((AssertionError, TimeoutError, KeyError)):
        await getattr(Broken(), f"test_{promise}")()


def test_each_promise_is_broken_once() -> None:
    promises = {
        name
        for kind in (
            P4ExactlyOnce,
            P5Order,
        )
        for name in dir(kind)
        if name.startswith("test_")
    }
    assert {f"test_{promise}" for _, promise in BROKEN} == promises
