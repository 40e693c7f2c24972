from __future__ import annotations

import anyio
import pytest

from chatbots.services.floor import Floor

pytestmark = pytest.mark.usefixtures("time_flies")


async def settles(floor: Floor) -> bool:
    with anyio.move_on_after(0.01):
        await floor.settled()
        return True
    return False


async def test_what_is_said_and_what_is_written_is_answered_in_order_to_the_end() -> None:
    floor = Floor()
    floor.committed("a")
    floor.written("a", "One")
    floor.wrote("Two")
    floor.written("b", None)
    floor.close()
    assert [await floor.next() for _ in range(4)] == [
        ("a", "One"),
        ("", "Two"),
        ("b", None),
        None,
    ]


async def test_who_waits_for_the_next_is_told() -> None:
    floor = Floor()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(floor.next)
        await anyio.wait_all_tasks_blocked()
        floor.wrote("Hi")


async def test_noise_is_nothing_and_words_come_once() -> None:
    floor = Floor()
    floor.written("a", " \n")
    floor.written("a", None)
    floor.written("b", "Yes")
    floor.written("b", None)
    floor.close()
    assert await floor.next() == ("b", "Yes")
    assert await floor.next() is None


async def test_it_is_settled_when_all_that_was_said_is_written_down() -> None:
    floor = Floor()
    assert await settles(floor)
    floor.speaks()
    assert not await settles(floor)
    floor.committed("a")
    assert not await settles(floor)
    floor.written("a", "Hi")
    assert await settles(floor)
    floor.written("b", "It came first")
    floor.committed("b")
    assert await settles(floor)


async def test_it_is_answered_when_the_next_is_asked_for() -> None:
    floor = Floor()
    floor.wrote("Hi")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(floor.answered)
        await floor.next()
        await anyio.wait_all_tasks_blocked()
        over = anyio.Event()

        async def wait() -> None:
            await floor.answered()
            over.set()

        tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        assert not over.is_set()
        tasks.start_soon(floor.next)
        await over.wait()
        floor.close()


@pytest.mark.parametrize("answered", ["committed", "lost"])
async def test_a_turn_that_was_ended_is_waited_for(answered: str) -> None:
    floor = Floor()
    floor.commits()
    assert not await settles(floor)
    if answered == "lost":
        floor.lost()
    else:
        floor.committed("a")
        assert not await settles(floor)
        floor.written("a", "Hi")
    assert await settles(floor)
