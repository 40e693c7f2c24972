from __future__ import annotations

from threading import Thread

import anyio
import pytest
from anyio.lowlevel import checkpoint

from chatbots.wakeup import Awaited, Wakeup, post


async def test_a_task_waits_until_it_is_woken() -> None:
    wakeup = Wakeup()
    woken = 0

    async def wait() -> None:
        nonlocal woken
        for _ in range(3):
            await wakeup.wait()
            woken += 1

    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            for number in range(3):
                await anyio.wait_all_tasks_blocked()
                assert woken == number
                wakeup.wake()
                wakeup.wake()
    assert woken == 3


async def test_waking_nobody_counts_for_nothing() -> None:
    wakeup = Wakeup()
    wakeup.wake()
    with anyio.move_on_after(0.01) as scope:
        await wakeup.wait()
    assert scope.cancelled_caught
    wakeup.wake()


async def test_a_task_that_is_woken_and_cancelled_at_once_is_cancelled() -> None:
    wakeup = Wakeup()
    went_on: list[bool] = []

    async def wait() -> None:
        await wakeup.wait()
        await checkpoint()
        went_on.append(True)

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        wakeup.wake()
        group.cancel_scope.cancel()
    assert not went_on


# From another thread


async def test_what_another_thread_brings_is_what_the_task_gets() -> None:
    awaited, refused = Awaited[str](), Awaited[str]()

    def bring() -> None:
        assert awaited.settle("here", None)
        assert refused.settle(None, KeyError("why"))
        assert not awaited.settle("again", None)

    thread = Thread(target=post, args=(awaited.loop, bring))
    thread.start()
    with anyio.fail_after(5):
        assert await awaited == "here"
        with pytest.raises(KeyError):
            await refused
    thread.join()
    assert awaited.value == "here"
    assert refused.value is None


async def test_what_comes_after_its_task_was_cancelled_is_refused() -> None:
    awaited = Awaited[str]()
    with anyio.move_on_after(0.01):
        await awaited
    assert not awaited.settle("late", None)
    assert awaited.value is None


def test_a_loop_that_is_closed_takes_nothing() -> None:
    async def loop_of_it() -> object:
        return Awaited[str]().loop

    assert not post(anyio.run(loop_of_it), lambda: None)
