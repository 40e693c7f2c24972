from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import anyio
import pytest

from chatbots.testing.promises import opened, promised, settle


def test_a_promise_that_was_kept_says_nothing() -> None:
    promised(True, "one is one")


def test_a_promise_that_was_broken_is_named() -> None:
    with pytest.raises(AssertionError, match="one is two"):
        promised(False, "one is two")


async def test_a_plain_thing_is_given_as_it_is() -> None:
    thing = object()
    async with opened(thing, patience=5) as given:
        assert given is thing


async def test_a_thing_to_be_entered_is_entered_and_left() -> None:
    steps: list[str] = []

    @asynccontextmanager
    async def make() -> AsyncGenerator[str]:
        steps.append("in")
        yield "thing"
        steps.append("out")

    made: AbstractAsyncContextManager[str] | str = make()
    async with opened(made, patience=5) as given:
        assert given == "thing"
        assert steps == ["in"]
    assert steps == ["in", "out"]


async def test_patience_ends() -> None:
    with pytest.raises(TimeoutError):
        async with opened("thing", patience=0.01):
            await anyio.sleep_forever()


async def test_a_promise_broken_in_a_task_group_comes_out_as_itself() -> None:
    with pytest.raises(AssertionError, match="broken"):
        async with opened("thing", patience=5), anyio.create_task_group():
            promised(False, "broken")


async def test_settling_lets_others_go_on() -> None:
    done: list[bool] = []

    async def work() -> None:
        for _ in range(5):
            await anyio.lowlevel.checkpoint()
        await anyio.to_thread.run_sync(lambda: done.append(True))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work)
        await settle()
        assert done
