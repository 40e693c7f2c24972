"""What is held open longer than the task that opened it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import pytest

from chatbots.errors import InvalidRequest
from chatbots.services.held_open import HeldOpen


class Thing:
    """Something with a task group inside, which only the task that entered it may leave."""

    def __init__(self) -> None:
        self.ready = anyio.Event()
        self.ready.set()
        self.entered = self.left = 0
        self.error: Exception | None = None
        self.breaks: Exception | None = None

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[str]:
        self.entered += 1
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(anyio.sleep_forever)
                await self.ready.wait()
                if self.error is not None:
                    raise self.error
                yield "open"
                if self.breaks is not None:
                    raise self.breaks
                tasks.cancel_scope.cancel()
        finally:
            self.left += 1


async def test_it_stays_open_when_the_task_that_opened_it_has_ended() -> None:
    thing = Thing()
    held = HeldOpen(thing.opened(), idle=60)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(held.open)
    assert (await held.open(), thing.entered, thing.left, held.left) == ("open", 1, 0, False)
    await held.aclose()
    await held.aclose()
    assert (thing.left, held.left) == (1, True)


async def test_it_is_left_when_it_was_unused_for_so_long_and_not_while_it_is_used() -> None:
    thing = Thing()
    held = HeldOpen(thing.opened(), idle=0.01)
    await held.open()
    held.use(done=True)
    held.use()
    await anyio.sleep(0.02)
    assert (held.left, thing.left) == (False, 0)
    held.use(done=True)
    with anyio.fail_after(20):
        while not thing.left:
            await anyio.lowlevel.checkpoint()
    assert held.left
    await held.aclose()


async def test_what_cannot_be_opened_raises_why() -> None:
    thing = Thing()
    thing.error = OSError("no")
    held = HeldOpen(thing.opened(), idle=60)
    with pytest.raises(BaseExceptionGroup) as caught:
        await held.open()
    assert caught.value.exceptions == (thing.error,)
    assert held.left
    await held.aclose()


async def test_it_can_be_closed_while_it_is_opened() -> None:
    thing = Thing()
    thing.ready = anyio.Event()
    held = HeldOpen(thing.opened(), idle=60)

    async def opens() -> None:
        with pytest.raises(InvalidRequest, match="closed before"):
            await held.open()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(opens)
        await anyio.wait_all_tasks_blocked()
        with anyio.fail_after(20):
            await held.aclose()
    assert (thing.entered, thing.left) == (1, 1)


async def test_what_breaks_while_it_is_left_is_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    logged: list[object] = []
    monkeypatch.setattr("chatbots.telemetry.emit", lambda *what, **values: logged.append(what))
    thing = Thing()
    thing.breaks = OSError("no")
    held = HeldOpen(thing.opened(), idle=60)
    await held.open()
    await held.aclose()
    assert logged == [("warning", "held.broken")]


@pytest.mark.usefixtures("time_flies")
async def test_cancelled_while_it_opens_nothing_stays_open() -> None:
    thing = Thing()
    thing.ready = anyio.Event()
    held = HeldOpen(thing.opened(), idle=60)
    with anyio.move_on_after(0.01) as scope:
        await held.open()
    assert (scope.cancelled_caught, thing.entered, thing.left) == (True, 1, 1)


async def test_what_was_never_opened_can_be_closed() -> None:
    await HeldOpen(Thing().opened(), idle=60).aclose()
