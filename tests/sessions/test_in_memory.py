"""What `InMemorySessions` does beyond the contract of every store; its bounds: test_bounded.py."""

from __future__ import annotations

import anyio
import pytest

from chatbots.errors import InvalidRequest, StorageError
from chatbots.messages import Message
from chatbots.sessions.in_memory import InMemorySessions

HI = [Message("user", "Hi")]
HELLO = [Message("assistant", "Hello.")]


async def test_other_words_under_a_request_id_are_refused_even_while_its_turn_runs() -> None:
    store = InMemorySessions()
    running = await store.begin("a", "r", HI)
    with pytest.raises(InvalidRequest, match="'r' belongs to a turn that asked something else"):
        await store.begin("a", "r", [Message("user", "Ho")])
    assert await store.load("a") == (running,)


async def test_a_turn_begins_by_the_clock_of_the_store_and_changes_its_session() -> None:
    now = 100.0
    store = InMemorySessions(clock=lambda: now)
    turn = await store.begin("a", "r", HI)
    assert turn.began_at == 100.0
    now = 107.0
    await store.checkpoint(turn, HELLO, state="waiting_for_tools")
    await store.finish(turn, HELLO, state="completed")
    (info,) = await store.sessions()
    assert (info.created_at, info.changed_at) == (100.0, 107.0)


async def test_a_waiter_begins_when_the_turn_before_has_ended() -> None:
    store = InMemorySessions()
    first = await store.begin("a", "1", HI)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(store.begin, "a", "2", HI)
        await anyio.wait_all_tasks_blocked()
        assert [turn.seq for turn in await store.load("a")] == [1]
        await store.finish(first, HELLO, state="completed")
    assert [turn.seq for turn in await store.load("a")] == [1, 2]


async def test_what_was_forgotten_is_written_to_no_more_whatever_took_its_name() -> None:
    store = InMemorySessions()
    old = await store.begin("a", "r", HI)
    await store.forget("a")
    await store.forget("a")
    new = await store.begin("a", "r", HI)
    await store.checkpoint(old, HELLO)
    assert (await store.finish(old, HELLO, state="completed")).text == "Hello."
    assert await store.load("a") == (new,)


async def test_a_summary_takes_room_and_can_be_kept_while_a_turn_runs() -> None:
    store = InMemorySessions(max_bytes=1000)
    await store.begin("a", "r", HI)
    with pytest.raises(InvalidRequest, match="no turn 2 in the session 'a'"):
        await store.mark("a", 2, pinned=True)
    await store.mark("a", 1, summary="é" * 200)
    with pytest.raises(StorageError):
        await store.begin("b", "r", HI)
    assert [turn.summary for turn in await store.load("a", last=0)] == ["é" * 200]
