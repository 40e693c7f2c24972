"""The promises of a `SessionShelf`, as a suite for stores that can be browsed.

    class TestMyShelf(SessionShelfContract):
        def make_store(self):
            return MyStore()

`make_store` gives what is a `SessionStore` and a `SessionShelf`.
"""
# ruff: noqa: D102 (the tests' names are sentences)

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable
from contextlib import AbstractAsyncContextManager
from typing import ClassVar, Protocol

from msgspec.structs import replace

from chatbots.errors import InvalidRequest
from chatbots.interfaces import SessionShelf, SessionStore
from chatbots.messages import FinalState, Message, Turn, Usage
from chatbots.testing.promises import PATIENCE, opened, promised


class BrowsableStore(SessionStore, SessionShelf, Protocol):
    """A store with a shelf."""


async def said(
    store: SessionStore,
    session: str,
    asked: str,
    answered: str,
    *,
    request_id: str = "r1",
    state: FinalState = "completed",
) -> Turn:
    """Take a turn in which this was said."""
    turn = await store.begin(session, request_id, [Message("user", asked)])
    answer = [Message("assistant", answered)]
    return await store.finish(turn, answer, state=state, usage=Usage(3, 5, 8))


async def refused(doing: Awaitable[object], code: str) -> None:
    """Break the promise unless *doing* is refused with *code*."""
    try:
        await doing
    except InvalidRequest as error:
        promised(error.code == code, f"the code is {error.code}, not {code}")
    else:
        promised(False, f"it is refused with {code}")


class ShelfMaker(ABC):
    """Where a suite gets its shelves from."""

    patience: ClassVar[float] = PATIENCE
    """Seconds a test may take."""

    @abstractmethod
    def make_store(self) -> BrowsableStore | AbstractAsyncContextManager[BrowsableStore]:
        """Return an empty store, or what gives one when it is entered."""

    def _store(self) -> AbstractAsyncContextManager[BrowsableStore]:
        return opened(self.make_store(), patience=self.patience)


class Lists(ShelfMaker):
    """What there is."""

    async def test_sessions_are_listed_the_one_changed_last_first(self) -> None:
        async with self._store() as store:
            promised(not await store.sessions(), "there are none at first")
            for name in ("a", "b", "c"):
                await said(store, name, f"I am {name}.", "Hello.")
            await said(store, "a", "Still me.", "Yes.", request_id="r2")
            names = [info.name for info in await store.sessions()]
            promised(names == ["a", "c", "b"], f"the newest is first: a, c, b, not {names}")
            names = [info.name for info in await store.sessions(limit=2)]
            promised(names == ["a", "c"], f"of two, the newest two, not {names}")

    async def test_a_session_is_listed_with_what_it_is(self) -> None:
        async with self._store() as store:
            await said(store, "a", "What is the weather?", "Sun.")
            await said(store, "a", "And tomorrow?", "Rain.", request_id="r2")
            (info,) = await store.sessions()
            facts = (info.turns, info.title, info.tokens)
            promised(facts == (2, "What is the weather?", 16), f"what it is: {facts}")
            promised(0 < info.created_at <= info.changed_at, "since when, until when")

    async def test_what_is_kept_is_counted(self) -> None:
        async with self._store() as store:
            await said(store, "a", "Tea, please.", "Here.")
            await said(store, "b", "Tea, please.", "He", state="cancelled")
            await store.begin("c", "r1", [Message("user", "Running")])
            stats = await store.stats()
            promised((stats.sessions, stats.turns) == (3, 3), f"how many: {stats}")
            wanted = {"completed": 1, "cancelled": 1, "accepted": 1}
            promised(dict(stats.by_state) == wanted, f"by state: {stats.by_state}")
            tokens = (stats.input_tokens, stats.output_tokens)
            promised(tokens == (6, 10), f"tokens in and out: {tokens}")
            promised(stats.bytes > 0, "and bytes")

    async def test_only_sessions_whose_names_begin_so_are_looked_at(self) -> None:
        async with self._store() as store:
            for name in ("a/1", "b/1", "a%/1", "A/1", "a/2"):
                await said(store, name, "Tea, please.", "Here.")
            names = [info.name for info in await store.sessions(within="a/", limit=3)]
            promised(names == ["a/2", "a/1"], f"of those in a/: {names}")
            hits = [one.session for one in await store.search("tea", within="a/", limit=3)]
            promised(hits == ["a/2", "a/1"], f"found in a/: {hits}")
            promised(not await store.search("tea", session="b/1", within="a/"), "b/1 is not in a/")
            part, whole = await store.stats(within="a/"), await store.stats()
            sizes = (part.sessions, part.turns, part.input_tokens, dict(part.by_state))
            promised(sizes == (2, 2, 6, {"completed": 2}), f"how much is in a/: {part}")
            promised(0 < part.bytes < whole.bytes, f"and bytes: {part.bytes} of {whole.bytes}")


class Searches(ShelfMaker):
    """What was said where."""

    async def test_every_word_is_found_wherever_it_was_said(self) -> None:
        async with self._store() as store:
            turn = await said(store, "a", "Where does the Danube rise?", "In the Black Forest.")
            await said(store, "b", "Is the forest far?", "Not at all.")
            cases = {
                "danube": [("a", "user")],
                "DANU": [("a", "user")],
                "forest": [("b", "user"), ("a", "assistant")],
                "forest black": [("a", "assistant")],
                "danube forest": [],
                "anube": [],
                '" OR * NEAR( danube-': [],
                "": [],
                "...": [],
            }
            for text, wanted in cases.items():
                hits = [(one.session, one.role) for one in await store.search(text)]
                promised(hits == wanted, f"{text!r} is found in {wanted}, not {hits}")
            (one,) = await store.search("danube")
            promised("Danube" in one.snippet, f"the words around: {one.snippet!r}")
            which = (one.seq, one.request_id, one.at)
            promised(which == (turn.seq, turn.request_id, turn.began_at), f"which turn: {which}")

    async def test_a_search_can_be_of_one_session_and_of_so_many(self) -> None:
        async with self._store() as store:
            for name in ("a", "b", "c"):
                await said(store, name, "Tea, please.", "Here.")
            hits = [one.session for one in await store.search("tea", session="b")]
            promised(hits == ["b"], f"in one session, not {hits}")
            hits = [one.session for one in await store.search("tea", limit=2)]
            promised(hits == ["c", "b"], f"the newest two, not {hits}")

    async def test_a_turn_that_runs_is_not_searched_yet(self) -> None:
        async with self._store() as store:
            await store.begin("a", "r1", [Message("user", "Tea, please.")])
            promised(not await store.search("tea"), "what runs may still change")

    async def test_what_was_forgotten_is_found_no_more(self) -> None:
        async with self._store() as store:
            await said(store, "a", "Tea, please.", "Here.")
            await store.forget("a")
            promised(not await store.search("tea"), "forgotten")
            promised(not await store.sessions(), "nor listed")


class Copies(ShelfMaker):
    """What becomes of a session: another name, a second way, a new home."""

    async def test_a_renamed_session_is_the_same_under_another_name(self) -> None:
        async with self._store() as store:
            turn = await said(store, "a", "Tea, please.", "Here.")
            await store.rename("a", "b")
            promised(not await store.load("a"), "the old name is free")
            promised(list(await store.load("b")) == [replace(turn, session="b")], "all is kept")
            promised([one.session for one in await store.search("tea")] == ["b"], "and found")
            promised((await said(store, "b", "More.", "Here.", request_id="r2")).seq == 2, "on")

    async def test_a_name_that_is_taken_or_unknown_is_refused(self) -> None:
        async with self._store() as store:
            turn = await said(store, "a", "Tea, please.", "Here.")
            await said(store, "b", "Coffee.", "Here.")
            await refused(store.rename("a", "b"), "session_exists")
            await refused(store.rename("x", "y"), "session_not_found")
            await refused(store.fork("a", "b"), "session_exists")
            await refused(store.fork("x", "y"), "session_not_found")
            await refused(store.restore("b", [turn]), "session_exists")
            names = {info.name for info in await store.sessions()}
            promised(names == {"a", "b"}, f"nothing has changed: {names}")

    async def test_a_session_in_use_is_not_renamed(self) -> None:
        async with self._store() as store:
            turn = await store.begin("a", "r1", [Message("user", "Tea, please.")])
            await refused(store.rename("a", "b"), "session_busy")
            await store.finish(turn, (), state="completed")
            await store.rename("a", "b")

    async def test_a_fork_goes_its_own_way_from_where_it_began(self) -> None:
        async with self._store() as store:
            states: tuple[FinalState, ...] = ("completed", "interrupted", "completed")
            for number, state in enumerate(states, 1):
                name = f"r{number}"
                await said(store, "a", f"Question {number}", "Yes.", request_id=name, state=state)
            await store.mark("a", 1, pinned=True)
            running = await store.begin("a", "r4", [Message("user", "Running")])
            info = await store.fork("a", "b", upto=2)
            promised((info.name, info.turns) == ("b", 2), f"what it is: {info}")
            kept = await store.load("a")
            wanted = [replace(turn, session="b") for turn in kept[:2]]
            promised(list(await store.load("b")) == wanted, "its turns are as they were")
            promised((await store.fork("a", "c")).turns == 3, "a running turn is not copied")
            await said(store, "b", "Another way", "Yes.", request_id="r9")
            promised(list(await store.load("a")) == list(kept), "the first goes on as it was")
            hits = {one.session for one in await store.search("question 2")}
            promised(hits == {"a", "b", "c"}, f"all are searched: {hits}")
            await refused(store.fork("a", "d", upto=0), "invalid_request")
            await store.finish(running, (), state="completed")

    async def test_a_session_kept_elsewhere_is_restored_as_it_was(self) -> None:
        async with self._store() as store:
            await said(store, "a", "Tea, please.", "Here.")
            await said(store, "a", "More.", "No.", request_id="r2", state="incomplete")
            await store.mark("a", 1, summary="Tea.")
            kept = await store.load("a")
            await store.forget("a")
            await store.restore("b", kept)
            wanted = [replace(turn, session="b") for turn in kept]
            promised(list(await store.load("b")) == wanted, "its turns are as they were")
            promised([one.session for one in await store.search("tea")] == ["b"], "and found")
            await refused(store.restore("c", [kept[0], kept[0]]), "invalid_request")
            await refused(store.restore("c", []), "invalid_request")


class SessionShelfContract(Lists, Searches, Copies):
    """Everything `SessionShelf` promises; a subclass gives `make_store`."""
