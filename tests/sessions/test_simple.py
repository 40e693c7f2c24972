"""Two methods are enough for a store; docs/stores.md has one that outlives its process."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import anyio
import pytest

from chatbots.errors import InvalidRequest, StorageError
from chatbots.messages import Message, Turn
from chatbots.sessions.simple import SimpleSessions
from chatbots.testing import Gate, SessionStoreContract

HI = [Message("user", "Hi")]
HELLO = [Message("assistant", "Hello.")]


class Appended:
    """What was appended, in memory."""

    def __init__(self) -> None:
        self.turns: defaultdict[str, list[Turn]] = defaultdict(list)
        self.failure: Exception | None = None
        self.hold: Gate | None = None

    async def load(self, session: str) -> Sequence[Turn]:
        self.fail()
        return list(self.turns[session])

    async def append(self, turn: Turn) -> None:
        self.fail()
        if self.hold is not None:
            await self.hold.pass_through()
        self.turns[turn.session].append(turn)

    def fail(self) -> None:
        if self.failure is not None:
            raise self.failure


class Forgetting(Appended):
    async def forget(self, session: str) -> None:
        self.fail()
        self.turns.pop(session, None)


class TestSimpleSessions(SessionStoreContract):
    def make_store(self) -> SimpleSessions:
        return SimpleSessions(Forgetting())


async def test_what_another_process_left_open_is_interrupted() -> None:
    kept = Appended()
    turn = await SimpleSessions(kept, clock=lambda: 5.0).begin("s", "r", HI)
    assert turn.began_at == 5.0
    store = SimpleSessions(kept)
    (left,) = await store.load("s")
    assert (left.state, left.reason) == ("interrupted", "crashed")
    assert await store.begin("s", "r", HI) == left
    assert (await store.begin("s", "r2", HI)).seq == 2


async def test_a_turn_that_runs_can_be_marked_and_keeps_its_mark() -> None:
    store = SimpleSessions(Appended())
    turn = await store.begin("s", "r", HI)
    await store.mark("s", 1, pinned=True)
    await store.checkpoint(turn, HELLO)
    assert (await store.finish(turn, HELLO, state="completed")).pinned


async def test_other_words_under_a_request_id_are_refused_while_its_turn_runs() -> None:
    store = SimpleSessions(Appended())
    await store.begin("s", "r", HI)
    with pytest.raises(InvalidRequest, match="asked something else"):
        await store.begin("s", "r", HELLO)


@pytest.mark.parametrize(
    "failure", [OSError("disk gone"), StorageError("storage_unavailable", "x")]
)
async def test_what_the_store_raises_is_a_storage_error_and_leaves_the_session_usable(
    failure: Exception,
) -> None:
    kept = Forgetting()
    store = SimpleSessions(kept)
    turn = await store.begin("s", "r", HI)
    kept.failure = failure
    for doing in (
        store.checkpoint(turn, HELLO),
        store.finish(turn, HELLO, state="completed"),
        store.load("s"),
        store.forget("s"),
        store.begin("s", "r2", HI),
    ):
        with pytest.raises(StorageError) as raised:
            await doing
        if isinstance(failure, OSError):
            assert raised.value.message.startswith("The sessions cannot be ")
            assert raised.value.message.endswith(" by Forgetting: disk gone")
    kept.failure = None
    assert (await store.begin("s", "r3", HI)).seq == 2
    assert (await store.load("s"))[0].state == "interrupted"


async def test_a_store_that_cannot_forget_says_so() -> None:
    store = SimpleSessions(Appended())
    with pytest.raises(InvalidRequest, match="The store, Appended, cannot delete a session"):
        await store.forget("s")


async def test_a_beginning_that_is_cancelled_leaves_the_session_usable() -> None:
    kept = Appended()
    kept.hold = Gate()
    store = SimpleSessions(kept)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(store.begin, "s", "r", HI)
        await kept.hold.reached()
        tasks.cancel_scope.cancel()
    kept.hold = None
    assert (await store.begin("s", "r2", HI)).seq == 1


async def test_a_final_turn_of_a_forgotten_session_is_no_more_changed_than_any() -> None:
    store = SimpleSessions(Forgetting())
    turn = await store.begin("s", "r", HI)
    final = await store.finish(turn, HELLO, state="completed")
    with pytest.raises(ValueError, match="cannot become streaming"):
        await store.checkpoint(final, HELLO)
