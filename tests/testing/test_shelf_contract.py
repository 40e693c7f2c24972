"""The suite passes a shelf that keeps its promises, and notices each promise that is broken."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from chatbots.conversations import Found, SessionInfo, StoreStats
from chatbots.errors import InvalidRequest
from chatbots.messages import Turn
from chatbots.sessions.in_memory import InMemorySessions
from chatbots.testing.shelf_contract import SessionShelfContract


class TestInMemorySessions(SessionShelfContract):
    def make_store(self) -> InMemorySessions:
        return InMemorySessions()


class OldestFirst(InMemorySessions):
    async def sessions(
        self, *, limit: int | None = None, within: str = ""
    ) -> Sequence[SessionInfo]:
        return (await super().sessions(limit=limit, within=within))[::-1]


class NoTitles(InMemorySessions):
    async def sessions(
        self, *, limit: int | None = None, within: str = ""
    ) -> Sequence[SessionInfo]:
        return [
            replace(info, title="") for info in await super().sessions(limit=limit, within=within)
        ]


class FindsAnywhere(InMemorySessions):
    async def search(
        self, text: str, *, session: str | None = None, limit: int = 50, within: str = ""
    ) -> Sequence[Found]:
        return await super().search(text, limit=limit, within=within)


class FindsNothing(InMemorySessions):
    async def search(
        self, text: str, *, session: str | None = None, limit: int = 50, within: str = ""
    ) -> Sequence[Found]:
        return []


class FindsWhatRuns(InMemorySessions):
    async def search(
        self, text: str, *, session: str | None = None, limit: int = 50, within: str = ""
    ) -> Sequence[Found]:
        for held in self._held.by_name.values():
            held.running = None
        return await super().search(text, session=session, limit=limit, within=within)


class ForgetsNothing(InMemorySessions):
    async def forget(self, session: str) -> None:
        pass


class RenamesNothing(InMemorySessions):
    async def rename(self, session: str, to: str) -> None:
        self._vacant(to)


class RenamesWhatIsInUse(InMemorySessions):
    async def rename(self, session: str, to: str) -> None:
        self._held.by_name[session].running = None
        self._held.by_name[session].waiting = 0
        await super().rename(session, to)


class ForksAll(InMemorySessions):
    async def fork(self, session: str, to: str, *, upto: int | None = None) -> SessionInfo:
        return await super().fork(session, to)


class RestoresOver(InMemorySessions):
    def _vacant(self, session: str) -> None:
        pass


class RestoresCompleted(InMemorySessions):
    async def restore(self, session: str, turns: Sequence[Turn]) -> None:
        await super().restore(session, [replace(turn, state="completed") for turn in turns])


class WrongCode(InMemorySessions):
    async def rename(self, session: str, to: str) -> None:
        try:
            await super().rename(session, to)
        except InvalidRequest as error:
            raise InvalidRequest("invalid_request", "No.") from error


class CountsNoStates(InMemorySessions):
    async def stats(self, *, within: str = "") -> StoreStats:
        return replace(await super().stats(within=within), by_state={})


class ListsAll(InMemorySessions):
    async def sessions(
        self, *, limit: int | None = None, within: str = ""
    ) -> Sequence[SessionInfo]:
        return await super().sessions(limit=limit)


class FindsInAll(InMemorySessions):
    async def search(
        self, text: str, *, session: str | None = None, limit: int = 50, within: str = ""
    ) -> Sequence[Found]:
        return await super().search(text, session=session, limit=limit)


class CountsAll(InMemorySessions):
    async def stats(self, *, within: str = "") -> StoreStats:
        return await super().stats()


BROKEN: list[tuple[type[InMemorySessions], str]] = [
    (OldestFirst, "sessions_are_listed_the_one_changed_last_first"),
    (NoTitles, "a_session_is_listed_with_what_it_is"),
    (FindsNothing, "every_word_is_found_wherever_it_was_said"),
    (FindsAnywhere, "a_search_can_be_of_one_session_and_of_so_many"),
    (FindsWhatRuns, "a_turn_that_runs_is_not_searched_yet"),
    (ForgetsNothing, "what_was_forgotten_is_found_no_more"),
    (RenamesNothing, "a_renamed_session_is_the_same_under_another_name"),
    (WrongCode, "a_name_that_is_taken_or_unknown_is_refused"),
    (RestoresOver, "a_name_that_is_taken_or_unknown_is_refused"),
    (RenamesWhatIsInUse, "a_session_in_use_is_not_renamed"),
    (ForksAll, "a_fork_goes_its_own_way_from_where_it_began"),
    (RestoresCompleted, "a_session_kept_elsewhere_is_restored_as_it_was"),
    (ListsAll, "only_sessions_whose_names_begin_so_are_looked_at"),
    (FindsInAll, "only_sessions_whose_names_begin_so_are_looked_at"),
    (CountsAll, "only_sessions_whose_names_begin_so_are_looked_at"),
    (CountsNoStates, "what_is_kept_is_counted"),
]


@pytest.mark.parametrize(("store", "promise"), BROKEN)
async def test_a_broken_promise_is_noticed(store: type[InMemorySessions], promise: str) -> None:
    class Broken(SessionShelfContract):
        def make_store(self) -> InMemorySessions:
            return store()

    with pytest.raises(AssertionError):
        await getattr(Broken(), f"test_{promise}")()


def test_each_promise_is_broken_once() -> None:
    promises = {name for name in dir(SessionShelfContract) if name.startswith("test_")}
    assert {f"test_{promise}" for _, promise in BROKEN} == promises
