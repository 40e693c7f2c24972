"""The promises P4 and P5 of a store: a request makes one turn, and turns follow each other."""
# ruff: noqa: D102 (the tests' names are sentences)

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractAsyncContextManager
from typing import ClassVar, Final, get_args

import anyio
from msgspec.structs import replace

from chatbots.errors import InvalidRequest
from chatbots.interfaces import SessionStore
from chatbots.messages import FinalState, Message, Turn
from chatbots.testing.promises import PATIENCE, opened, promised, settle

HELLO: Final = (Message("user", "Hello."),)
ANSWER: Final = (Message("assistant", "Hello to you."),)
STATES: Final[tuple[FinalState, ...]] = get_args(FinalState)


class StoreMaker(ABC):
    """Where a suite gets its stores from."""

    patience: ClassVar[float] = PATIENCE
    """Seconds a test may take."""

    @abstractmethod
    def make_store(self) -> SessionStore | AbstractAsyncContextManager[SessionStore]:
        """Return an empty store, or what gives one when it is entered."""

    def _store(self) -> AbstractAsyncContextManager[SessionStore]:
        return opened(self.make_store(), patience=self.patience)


async def taken(
    store: SessionStore, request_id: str, *, session: str = "s", state: FinalState = "completed"
) -> Turn:
    """Take one whole turn."""
    turn = await store.begin(session, request_id, HELLO)
    return await store.finish(turn, ANSWER, state=state)


class P5Order(StoreMaker):
    """P5: a session's turns have no gaps and no duplicates, and one runs at a time."""

    async def test_begin_keeps_what_was_said(self) -> None:
        said = (
            Message("system", "Be brief."),
            Message("user", "Ünïcödé 👍 \u2028 'quoted' \\ \r\n two lines;--"),
        )
        async with self._store() as store:
            turn = await store.begin("s", "r1", said)
            wanted = Turn(session="s", request_id="r1", seq=1, state="accepted", said=said)
            bare = replace(turn, began_at=None)
            promised(bare == wanted, f"begin returns the accepted turn, not {turn}")
            promised(isinstance(turn.began_at, float), "and says when it began")
            promised(list(await store.load("s")) == [turn], "begin keeps what was said")

    async def test_turns_count_from_1_without_gaps_however_they_end(self) -> None:
        async with self._store() as store:
            for number, state in enumerate(STATES, 1):
                turn = await taken(store, f"r{number}", state=state)
                promised(turn.seq == number, f"turn {number} has seq {turn.seq}")

    async def test_load_returns_the_turns_in_order(self) -> None:
        async with self._store() as store:
            names = ["r9", "r1", "r10", "r2"]
            for name in names:
                await taken(store, name)
            loaded = [turn.request_id for turn in await store.load("s")]
            promised(loaded == names, f"load returns the oldest first, not {loaded}")

    async def test_a_session_nobody_used_has_no_turns(self) -> None:
        async with self._store() as store:
            await taken(store, "r1", session="another")
            promised(not await store.load("s"), "an unknown session loads as nothing")

    async def test_begin_waits_while_the_session_has_a_turn_running(self) -> None:
        async with self._store() as store, anyio.create_task_group() as tasks:
            first = await store.begin("s", "r1", HELLO)
            begun: list[Turn] = []

            async def begin_second() -> None:
                begun.append(await store.begin("s", "r2", HELLO))

            tasks.start_soon(begin_second)
            await settle()
            promised(not begun, "begin waits while another turn of the session is running")
            await store.finish(first, ANSWER, state="completed")
            await settle()
            promised([t.seq for t in begun] == [2], "begin goes on when that turn has ended")

    async def test_of_many_at_once_one_turn_runs_at_a_time(self) -> None:
        running: list[str] = []
        counts: list[int] = []

        async def take(store: SessionStore, name: str) -> None:
            turn = await store.begin("s", name, HELLO)
            running.append(name)
            counts.append(len(running))
            await anyio.lowlevel.checkpoint()
            running.remove(name)
            await store.finish(turn, ANSWER, state="completed")

        async with self._store() as store:
            async with anyio.create_task_group() as tasks:
                for number in range(8):
                    tasks.start_soon(take, store, f"r{number}")
            promised(max(counts) == 1, f"one turn runs at a time, not {max(counts)}")
            seqs = [turn.seq for turn in await store.load("s")]
            promised(seqs == list(range(1, 9)), f"eight turns count from 1 to 8, not {seqs}")

    async def test_two_sessions_do_not_wait_for_each_other(self) -> None:
        async with self._store() as store:
            await store.begin("s", "r1", HELLO)
            other = await taken(store, "r1", session="another")
            promised(other.seq == 1, "each session counts for itself, request ids included")

    async def test_a_cancelled_waiter_leaves_the_session_usable(self) -> None:
        async with self._store() as store:
            first = await store.begin("s", "r1", HELLO)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(store.begin, "s", "r2", HELLO)
                await settle()
                tasks.cancel_scope.cancel()
            await store.finish(first, ANSWER, state="completed")
            turn = await taken(store, "r3")
            promised(turn.seq == 2, "a waiter that was cancelled takes no place")


class P4ExactlyOnce(StoreMaker):
    """P4: one request id makes at most one turn, whatever is retried."""

    async def test_the_same_request_again_gets_the_turn_it_made(self) -> None:
        async with self._store() as store:
            first = await taken(store, "r1", state="incomplete")
            await taken(store, "r2")
            again = await store.begin("s", "r1", HELLO)
            promised(again == first, f"the same request gets its turn back, not {again}")
            promised(len(await store.load("s")) == 2, "the same request makes no second turn")

    async def test_the_same_request_id_with_other_words_is_a_conflict(self) -> None:
        async with self._store() as store:
            await taken(store, "r1")
            try:
                await store.begin("s", "r1", (Message("user", "Something else."),))
            except InvalidRequest as error:
                promised(error.code == "request_id_conflict", f"the code is not {error.code}")
            else:
                promised(False, "other words under the same request id are a conflict")
            promised(len(await store.load("s")) == 1, "a conflict stores nothing")
            promised((await taken(store, "r2")).seq == 2, "a conflict leaves the session usable")

    async def test_the_same_request_while_its_turn_runs_waits_for_its_end(self) -> None:
        async with self._store() as store, anyio.create_task_group() as tasks:
            running = await store.begin("s", "r1", HELLO)
            again: list[Turn] = []

            async def ask_again() -> None:
                again.append(await store.begin("s", "r1", HELLO))

            tasks.start_soon(ask_again)
            await settle()
            promised(not again, "the same request waits while its turn is running")
            final = await store.finish(running, ANSWER, state="completed")
            await settle()
            promised(again == [final], f"then it gets the turn in its final state, not {again}")
