from __future__ import annotations

import anyio
from anyio.lowlevel import checkpoint

from chatbots.wakeup import Wakeup


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
