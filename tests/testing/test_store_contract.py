"""The suite passes a store that keeps its promises, and notices each promise that is broken."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import anyio
import pytest
from msgspec.structs import replace

from chatbots.errors import InvalidRequest
from chatbots.interfaces import SessionStore
from chatbots.messages import FinalState, Message, Turn, Usage
from chatbots.testing.store_contract import STATES, SessionStoreContract


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
        )
        turns.append(turn)
        return turn

    async def checkpoint(self, turn: Turn, answer: Sequence[Message]) -> None:
        self.put(replace(turn, state="streaming", answer=tuple(answer)))

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
        return final

    def put(self, turn: Turn) -> None:
        turns = self.sessions.get(turn.session, [])
        turns[:] = [turn if kept.request_id == turn.request_id else kept for kept in turns]

    def wake(self) -> None:
        self.changed.set()
        self.changed = anyio.Event()

    async def load(self, session: str) -> Sequence[Turn]:
        return tuple(self.sessions.get(session, ()))

    async def forget(self, session: str) -> None:
        self.sessions.pop(session, None)
        self.wake()


class TestTinyStore(SessionStoreContract):
    def make_store(self) -> SessionStore:
        return TinyStore()


class TestStoreThatIsEntered(SessionStoreContract):
    @asynccontextmanager
    async def make_store(self) -> AsyncGenerator[SessionStore]:
        yield TinyStore()


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
    async def load(self, session: str) -> Sequence[Turn]:
        return (await super().load(session))[::-1]


class SortsByName(TinyStore):
    async def load(self, session: str) -> Sequence[Turn]:
        return sorted(await super().load(session), key=lambda turn: turn.request_id)


class OneSessionForAll(TinyStore):
    async def load(self, session: str) -> Sequence[Turn]:
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


class NoCheckpoints(TinyStore):
    async def checkpoint(self, turn: Turn, answer: Sequence[Message]) -> None:
        pass


class StateStaysAccepted(TinyStore):
    async def checkpoint(self, turn: Turn, answer: Sequence[Message]) -> None:
        self.put(replace(turn, answer=tuple(answer)))


class FinishKeeps(TinyStore):
    """Keeps something else than it was told."""

    async def finish(
        self,
        turn: Turn,
        answer: Sequence[Message],
        *,
        state: FinalState,
        reason: str | None = None,
        usage: Usage | None = None,
    ) -> Turn:
        final = await super().finish(turn, answer, state=state, reason=reason, usage=usage)
        self.put(self.kept(final))
        return final

    def kept(self, final: Turn) -> Turn:
        return final


class ForgetsUsage(FinishKeeps):
    def kept(self, final: Turn) -> Turn:
        return replace(final, usage=None)


class ForgetsPartials(FinishKeeps):
    def kept(self, final: Turn) -> Turn:
        return final if final.state == "completed" else replace(final, answer=())


class KeepsOneMessage(FinishKeeps):
    def kept(self, final: Turn) -> Turn:
        return replace(final, answer=final.answer[:1])


class CallsAllCompleted(FinishKeeps):
    def kept(self, final: Turn) -> Turn:
        return replace(final, state="completed")


class EndsTwice(TinyStore):
    async def finish(
        self,
        turn: Turn,
        answer: Sequence[Message],
        *,
        state: FinalState,
        reason: str | None = None,
        usage: Usage | None = None,
    ) -> Turn:
        final = replace(turn, answer=tuple(answer), state=state, reason=reason, usage=usage)
        self.put(final)
        self.wake()
        return final


class EndsEverywhere(TinyStore):
    def put(self, turn: Turn) -> None:
        for session in self.sessions:
            super().put(replace(turn, session=session))


class ForgetsNothing(TinyStore):
    async def forget(self, session: str) -> None:
        pass


class ForgetsAll(TinyStore):
    async def forget(self, session: str) -> None:
        self.sessions.clear()


class ForgettingTheUnknownFails(TinyStore):
    async def forget(self, session: str) -> None:
        del self.sessions[session]
        self.wake()


class CountsOnAfterForgetting(TinyStore):
    async def forget(self, session: str) -> None:
        self.sessions[session] = [
            replace(turn, request_id=f"forgotten {turn.request_id}", said=(), answer=())
            for turn in self.sessions.get(session, ())
        ]

    async def load(self, session: str) -> Sequence[Turn]:
        return [turn for turn in await super().load(session) if turn.said]


class ResurrectsWhenFinished(TinyStore):
    def put(self, turn: Turn) -> None:
        if not self.sessions.get(turn.session):
            self.sessions[turn.session] = [turn]
        super().put(turn)


class LateEndHitsTheNewTurn(TinyStore):
    def put(self, turn: Turn) -> None:
        turns = self.sessions.get(turn.session, [])
        turns[:] = [turn if kept.seq == turn.seq else kept for kept in turns]


class ForgettingWakesNobody(TinyStore):
    async def forget(self, session: str) -> None:
        self.sessions.pop(session, None)


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
    (NoCheckpoints, "a_checkpoint_can_be_loaded"),
    (StateStaysAccepted, "a_checkpoint_can_be_loaded"),
    (ForgetsUsage, "finish_keeps_the_answer_and_how_it_ended"),
    (ForgetsPartials, "finish_keeps_the_answer_and_how_it_ended"),
    (KeepsOneMessage, "finish_keeps_the_answer_and_how_it_ended"),
    (CallsAllCompleted, "finish_keeps_the_answer_and_how_it_ended"),
    (EndsTwice, "a_turn_ends_once"),
    (EndsEverywhere, "two_turns_of_two_sessions_are_kept_apart"),
    (ForgetsNothing, "a_forgotten_session_is_gone_and_starts_anew"),
    (ForgetsAll, "a_forgotten_session_is_gone_and_starts_anew"),
    (CountsOnAfterForgetting, "a_forgotten_session_is_gone_and_starts_anew"),
    (ForgettingTheUnknownFails, "forgetting_a_session_nobody_used_is_no_error"),
    (ResurrectsWhenFinished, "a_turn_that_runs_when_forgotten_finishes_into_nothing"),
    (LateEndHitsTheNewTurn, "the_next_turn_does_not_wait_for_a_forgotten_one"),
    (ForgettingWakesNobody, "who_waited_for_a_forgotten_turn_waits_no_more"),
]


@pytest.mark.parametrize(("store", "promise"), BROKEN)
async def test_a_broken_promise_is_noticed(store: type[TinyStore], promise: str) -> None:
    class Broken(SessionStoreContract):
        patience = 0.3

        def make_store(self) -> SessionStore:
            return store()

    with pytest.raises((AssertionError, TimeoutError, KeyError)):
        await getattr(Broken(), f"test_{promise}")()


def test_each_promise_is_broken_once() -> None:
    promises = {name for name in dir(SessionStoreContract) if name.startswith("test_")}
    assert {f"test_{promise}" for _, promise in BROKEN} == promises
