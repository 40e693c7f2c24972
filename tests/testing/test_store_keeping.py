"""Each broken promise of what is kept is noticed."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import pytest
from msgspec.structs import replace

from chatbots.errors import InvalidRequest
from chatbots.interfaces import SessionStore
from chatbots.messages import FinalState, Message, Turn, UnderWay, Usage
from chatbots.testing.store_keeping import Forgets, KeepsAnswers, KeepsMarks
from tests.testing.tiny_store import TinyStore


class NoCheckpoints(TinyStore):
    async def checkpoint(
        self, turn: Turn, answer: Sequence[Message], *, state: UnderWay = "streaming"
    ) -> None:
        pass


class StateStaysAccepted(TinyStore):
    async def checkpoint(
        self, turn: Turn, answer: Sequence[Message], *, state: UnderWay = "streaming"
    ) -> None:
        self.put(replace(turn, answer=tuple(answer)))


class OnlyStreams(TinyStore):
    async def checkpoint(
        self, turn: Turn, answer: Sequence[Message], *, state: UnderWay = "streaming"
    ) -> None:
        await super().checkpoint(turn, answer)


class LoadsAll(TinyStore):
    async def load(self, session: str, *, last: int | None = None) -> Sequence[Turn]:
        return await super().load(session)


class LoadsTheLastOnly(TinyStore):
    async def load(self, session: str, *, last: int | None = None) -> Sequence[Turn]:
        turns = await super().load(session)
        return turns if last is None else turns[len(turns) - min(last, len(turns)) :]


class NoneTakesThePinOut(TinyStore):
    def marked(self, turn: Turn, pinned: bool | None, summary: str | None) -> Turn:
        return replace(super().marked(turn, pinned, summary), pinned=bool(pinned))


class MarksTheUnknown(TinyStore):
    async def mark(
        self, session: str, seq: int, *, pinned: bool | None = None, summary: str | None = None
    ) -> None:
        with suppress(InvalidRequest):
            await super().mark(session, seq, pinned=pinned, summary=summary)


class MarksWithAnotherCode(TinyStore):
    async def mark(
        self, session: str, seq: int, *, pinned: bool | None = None, summary: str | None = None
    ) -> None:
        try:
            await super().mark(session, seq, pinned=pinned, summary=summary)
        except InvalidRequest as error:
            raise InvalidRequest("invalid_request", "No such turn.") from error


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

    async def load(self, session: str, *, last: int | None = None) -> Sequence[Turn]:
        return [turn for turn in await super().load(session, last=last) if turn.said]


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
    (NoCheckpoints, "a_checkpoint_can_be_loaded"),
    (StateStaysAccepted, "a_checkpoint_can_be_loaded"),
    (OnlyStreams, "a_checkpoint_before_tools_says_so"),
    (LoadsAll, "the_last_turns_can_be_loaded_alone"),
    (LoadsTheLastOnly, "pinned_turns_and_the_newest_summary_come_with_the_last"),
    (NoneTakesThePinOut, "what_is_not_marked_stays_as_it_is"),
    (MarksTheUnknown, "a_turn_that_is_not_there_cannot_be_marked"),
    (MarksWithAnotherCode, "a_turn_that_is_not_there_cannot_be_marked"),
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
    class Broken(KeepsAnswers, KeepsMarks, Forgets):
        patience = 0.3

        def make_store(self) -> SessionStore:
            return store()

    with pytest.raises((AssertionError, TimeoutError, KeyError)):
        await getattr(Broken(), f"test_{promise}")()


def test_each_promise_is_broken_once() -> None:
    promises = {
        name
        for kind in (
            KeepsAnswers,
            KeepsMarks,
            Forgets,
        )
        for name in dir(kind)
        if name.startswith("test_")
    }
    assert {f"test_{promise}" for _, promise in BROKEN} == promises
