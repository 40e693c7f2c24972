from __future__ import annotations

import asyncio  # noqa: TID251 (what is tested stands on it)
from contextvars import ContextVar
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
            await wakeup
            woken += 1

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            for number in range(3):
                await anyio.wait_all_tasks_blocked()
                assert woken == number
                wakeup.wake()
                wakeup.wake()
    assert woken == 3


@pytest.mark.usefixtures("time_flies")
async def test_waking_nobody_counts_for_nothing() -> None:
    wakeup = Wakeup()
    wakeup.wake()
    with anyio.move_on_after(0.01) as scope:
        await wakeup
    assert scope.cancelled_caught
    wakeup.wake()


async def test_a_task_that_is_woken_and_cancelled_at_once_is_cancelled() -> None:
    wakeup = Wakeup()
    went_on: list[bool] = []

    async def wait() -> None:
        await wakeup
        await checkpoint()
        went_on.append(True)

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        wakeup.wake()
        group.cancel_scope.cancel()
    assert not went_on


async def test_a_callback_of_the_loop_wakes_within_its_own_call() -> None:
    wakeup = Wakeup()
    seen: list[str] = []
    name = ContextVar("name", default="loop's")

    async def wait() -> None:
        name.set("task's")
        await wakeup
        seen.append(name.get())

    def called() -> None:
        wakeup.wake()
        seen.append(name.get())

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            asyncio.get_running_loop().call_soon(called)
    assert seen == ["task's", "loop's"]


async def test_a_task_wakes_another_in_its_turn() -> None:
    wakeup = Wakeup()
    seen: list[str] = []

    async def wait() -> None:
        await wakeup
        seen.append("woken")

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            wakeup.wake()
            seen.append("waker")
    assert seen == ["waker", "woken"]


@pytest.mark.parametrize("woken", [False, True])
async def test_a_task_that_is_cancelled_goes_on_once(woken: bool) -> None:
    wakeup = Wakeup()
    ended: list[bool] = []

    async def wait() -> None:
        try:
            await wakeup
        except asyncio.CancelledError:
            ended.append(True)
            raise

    task = asyncio.get_running_loop().create_task(wait())
    await anyio.wait_all_tasks_blocked()
    task.cancel("no more")
    if woken:
        asyncio.get_running_loop().call_soon(wakeup.wake)
    with pytest.raises(asyncio.CancelledError, match="no more"):
        await task
    assert ended == [True]
    wakeup.wake()


async def test_a_task_that_was_cancelled_before_it_waits_does_not_wait() -> None:
    wakeup = Wakeup()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await wakeup
    assert scope.cancelled_caught


# From another thread


async def test_what_another_thread_brings_is_what_the_task_gets() -> None:
    awaited, refused = Awaited[str](), Awaited[str]()

    def bring() -> None:
        assert awaited.settle("here", None)
        assert refused.settle(None, KeyError("why"))
        assert not awaited.settle("again", None)

    thread = Thread(target=post, args=(awaited.loop, bring))
    thread.start()
    with anyio.fail_after(20):
        assert await awaited == "here"
        with pytest.raises(KeyError):
            await refused
    thread.join()
    assert awaited.value == "here"
    assert refused.value is None


@pytest.mark.usefixtures("time_flies")
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
