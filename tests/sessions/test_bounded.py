"""What a store in memory promises beyond the contract of every store: its bounds."""

from __future__ import annotations

from contextlib import suppress

import anyio
import pytest
from anyio.lowlevel import checkpoint
from hypothesis import given, strategies as st

from chatbots.errors import InvalidRequest, StorageError
from chatbots.images import Image
from chatbots.messages import FinalState, Message, Turn
from chatbots.sessions.bounded import TURN_BYTES
from chatbots.sessions.in_memory import InMemorySessions
from chatbots.tool_calls import ToolCall


def said(text: str) -> list[Message]:
    return [Message("user", text)]


def answer(text: str) -> list[Message]:
    return [Message("assistant", text)] if text else []


async def take(
    store: InMemorySessions,
    session: str,
    request_id: str = "r",
    *,
    asks: str = "Hi",
    gets: str = "Hello.",
    state: FinalState = "completed",
) -> Turn:
    turn = await store.begin(session, request_id, said(asks))
    return await store.finish(turn, answer(gets), state=state)


async def kept(store: InMemorySessions, *sessions: str) -> dict[str, list[str]]:
    loaded = {name: await store.load(name) for name in sessions}
    return {name: [turn.request_id for turn in turns] for name, turns in loaded.items() if turns}


def weigh(store: InMemorySessions) -> int:
    """Count again what the store keeps count of."""
    return sum(
        TURN_BYTES + sum(len(m.content.encode()) for m in (*turn.said, *turn.answer))
        for held in store._held.by_name.values()
        for turn in held.turns.values()
    )


async def test_images_and_tool_calls_take_room_too() -> None:
    store = InMemorySessions(max_bytes=TURN_BYTES + 100)
    url = "https://example.com/" + "x" * 100
    with pytest.raises(StorageError):
        await store.begin("a", "r", [Message("user", "", (Image(url),))])
    turn = await store.begin("a", "r", said("Hi"))
    call = ToolCall("c1", "f", "é" * 20)
    await store.finish(turn, [Message("assistant", "", tool_calls=(call,))], state="completed")
    assert store._held.bytes == TURN_BYTES + len("Hi") + len("c1f") + 40


ROOM_FOR_3 = 3 * (TURN_BYTES + 100)


# How many


async def test_beyond_its_number_the_session_unused_for_longest_goes() -> None:
    store = InMemorySessions(max_sessions=2)
    await take(store, "a", "1")
    await take(store, "b", "1")
    await take(store, "a", "2")
    await take(store, "c", "1")
    assert await kept(store, "a", "b", "c") == {"a": ["1", "2"], "c": ["1"]}
    assert (await take(store, "b", "1")).seq == 1


async def test_a_session_with_a_turn_running_stays() -> None:
    store = InMemorySessions(max_sessions=2)
    running = await store.begin("a", "1", said("Hi"))
    await take(store, "b", "1")
    await take(store, "c", "1")
    assert await kept(store, "a", "b", "c") == {"a": ["1"], "c": ["1"]}
    await store.finish(running, answer("Hello."), state="completed")
    await take(store, "d", "1")
    assert await kept(store, "a", "c", "d") == {"c": ["1"], "d": ["1"]}


async def test_a_session_somebody_waits_for_stays() -> None:
    store = InMemorySessions(max_sessions=1)
    running = await store.begin("a", "1", said("Hi"))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(take, store, "a", "2")
        await anyio.wait_all_tasks_blocked()
        await store.finish(running, answer("Hello."), state="completed")
        with pytest.raises(StorageError):
            await store.begin("b", "1", said("Hi"))
    assert await kept(store, "a", "b") == {"a": ["1", "2"]}


async def test_where_all_sessions_are_running_there_is_no_room_for_another() -> None:
    store = InMemorySessions(max_sessions=1)
    running = await store.begin("a", "1", said("Hi"))
    with pytest.raises(StorageError) as raised:
        await store.begin("b", "1", said("Hi"))
    assert raised.value.code == "storage_unavailable"
    assert raised.value.retryable
    assert raised.value.message == "All 1 sessions have a turn running."
    assert raised.value.hint == "Ask again later, or raise the store's max_sessions."
    assert await kept(store, "a", "b") == {"a": ["1"]}
    await store.finish(running, answer("Hello."), state="completed")
    assert (await take(store, "b", "1")).seq == 1


# How much


async def test_beyond_its_bytes_the_session_unused_for_longest_goes() -> None:
    store = InMemorySessions(max_bytes=ROOM_FOR_3)
    for name in "abcd":
        await take(store, name, asks="x" * 40, gets="y" * 40)
    assert await kept(store, *"abcd") == {"b": ["r"], "c": ["r"], "d": ["r"]}


async def test_an_answer_that_grows_too_large_makes_room_when_it_ends() -> None:
    store = InMemorySessions(max_bytes=ROOM_FOR_3)
    for name in "ab":
        await take(store, name)
    await take(store, "c", gets="y" * TURN_BYTES)
    assert await kept(store, *"abc") == {"b": ["r"], "c": ["r"]}
    assert weigh(store) <= ROOM_FOR_3


async def test_an_answer_makes_room_while_it_grows() -> None:
    store = InMemorySessions(max_bytes=ROOM_FOR_3)
    for name in "ab":
        await take(store, name)
    turn = await store.begin("c", "r", said("Hi"))
    await store.checkpoint(turn, answer("y" * TURN_BYTES))
    assert await kept(store, *"abc") == {"b": ["r"], "c": ["r"]}
    assert weigh(store) <= ROOM_FOR_3


async def test_a_long_conversation_forgets_its_oldest_turns_and_counts_on() -> None:
    store = InMemorySessions(max_bytes=ROOM_FOR_3)
    for number in range(1, 6):
        assert (await take(store, "a", f"r{number}")).seq == number
    assert await kept(store, "a") == {"a": ["r3", "r4", "r5"]}


async def test_bytes_are_those_of_utf8() -> None:
    store = InMemorySessions(max_bytes=2 * (TURN_BYTES + 100))
    await take(store, "a", asks="x" * 90, gets="")
    await take(store, "b", asks="👍" * 30, gets="")
    assert await kept(store, "a", "b") == {"b": ["r"]}


async def test_a_turn_larger_than_everything_is_refused_before_anything_goes() -> None:
    store = InMemorySessions(max_bytes=ROOM_FOR_3)
    await take(store, "a")
    with pytest.raises(StorageError) as raised:
        await store.begin("b", "r", said("x" * ROOM_FOR_3))
    assert raised.value.hint == "Ask again later, or raise the store's max_bytes."
    assert await kept(store, "a", "b") == {"a": ["r"]}


async def test_where_running_turns_take_all_bytes_there_is_no_room_for_another() -> None:
    store = InMemorySessions(max_bytes=ROOM_FOR_3)
    for name in "abc":
        await store.begin(name, "r", said("Hi"))
    with pytest.raises(StorageError, match="full of running turns"):
        await store.begin("d", "r", said("x" * 300))
    assert await kept(store, *"abcd") == {"a": ["r"], "b": ["r"], "c": ["r"]}


async def test_a_running_turn_keeps_its_place_while_older_ones_go() -> None:
    store = InMemorySessions(max_bytes=ROOM_FOR_3)
    for number in range(3):
        await take(store, "a", f"r{number}")
    running = await store.begin("a", "now", said("Hi"))
    await store.checkpoint(running, answer("y" * (ROOM_FOR_3 - TURN_BYTES - 50)))
    assert await kept(store, "a") == {"a": ["now"]}
    assert (await store.finish(running, answer("Hello."), state="completed")).text == "Hello."
    assert await kept(store, "a") == {"a": ["now"]}


async def test_what_is_forgotten_makes_room() -> None:
    store = InMemorySessions(max_bytes=ROOM_FOR_3)
    for name in "abc":
        await take(store, name)
    await store.forget("b")
    await take(store, "d")
    assert await kept(store, *"abcd") == {"a": ["r"], "c": ["r"], "d": ["r"]}


# For any interleaving

names = st.sampled_from("abcd")
sizes = st.sampled_from([0, 1, 90, 700, 5000])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("begin"), names, st.integers(0, 5), sizes),
        st.tuples(st.just("checkpoint"), names, st.just(0), sizes),
        st.tuples(st.just("finish"), names, st.just(0), sizes),
        st.tuples(st.just("forget"), names, st.just(0), st.just(0)),
    ),
    max_size=60,
)


class Driver:
    """Takes steps as a client would: a session begins its next turn when it has ended its last."""

    def __init__(self, store: InMemorySessions) -> None:
        self.store = store
        self.running: dict[str, Turn] = {}

    async def take(self, step: str, session: str, request: int, size: int) -> None:
        if step == "forget":
            await self.store.forget(session)
        elif step == "begin" and session not in self.running:
            turn = await self.store.begin(session, f"r{request}", said("x" * size))
            if turn.state == "accepted":
                self.running[session] = turn
        elif step == "checkpoint" and session in self.running:
            await self.store.checkpoint(self.running[session], answer("y" * size))
        elif step == "finish" and session in self.running:
            turn = self.running.pop(session)
            ended = await self.store.finish(turn, answer("y" * size), state="completed")
            assert ended.text == "y" * size

    def running_bytes(self) -> int:
        """Count the turns that may not go, whatever the bound."""
        return sum(
            TURN_BYTES + sum(len(m.content) for m in (*turn.said, *turn.answer))
            for held in self.store._held.by_name.values()
            for name, turn in held.turns.items()
            if name == held.running
        )


@given(steps, st.integers(1, 4), st.sampled_from([600, 2000, 8000]))
async def test_the_bounds_hold_and_the_count_is_exact_whatever_happens(
    taken: list[tuple[str, str, int, int]], max_sessions: int, max_bytes: int
) -> None:
    store = InMemorySessions(max_sessions=max_sessions, max_bytes=max_bytes)
    driver = Driver(store)
    with anyio.fail_after(10):
        for step in taken:
            # What cannot be kept, and what was asked in other words before, is refused.
            with suppress(StorageError, InvalidRequest):
                await driver.take(*step)
            assert store._held.bytes == weigh(store)
            assert sum(held.bytes for held in store._held.by_name.values()) == store._held.bytes
            assert len(store._held.by_name) <= max_sessions
            assert store._held.bytes <= max(max_bytes, driver.running_bytes())
            for held in store._held.by_name.values():
                seqs = [turn.seq for turn in held.turns.values()]
                assert seqs == list(range(held.seq - len(seqs) + 1, held.seq + 1))


@given(st.lists(st.tuples(names, st.integers(0, 3), sizes, st.booleans()), max_size=12))
async def test_the_count_is_exact_with_many_at_once_too(
    asked: list[tuple[str, int, int, bool]],
) -> None:
    store = InMemorySessions(max_sessions=2, max_bytes=3000)

    async def ask(session: str, request: int, size: int, forget: bool) -> None:
        with suppress(StorageError):
            turn = await store.begin(session, f"{request}-{size}", said("x" * size))
            if turn.state == "accepted":
                await checkpoint()
                await store.finish(turn, answer("y" * size), state="completed")
            if forget:
                await store.forget(session)

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            for one in asked:
                tasks.start_soon(ask, *one)
    assert store._held.bytes == weigh(store) <= 3000
    assert len(store._held.by_name) <= 2
    assert not any(held.busy for held in store._held.by_name.values())
