from __future__ import annotations

import anyio
import pytest

from chatbots.deltas import Notice, TextDelta
from chatbots.errors import ProviderError
from chatbots.realtime.audience import CAPACITY
from chatbots.realtime.failures import Peer
from chatbots.realtime.telling import Telling
from tests.realtime.said import text

BROKEN = ProviderError("stream_interrupted", "Broken.")


def telling(patience: float = 5.0) -> Telling:
    return Telling(lambda: Peer("host"), lambda _: False, patience)


async def test_what_comes_in_one_go_is_told_in_one_go() -> None:
    told, rounds = telling(), 0

    def after() -> None:
        nonlocal rounds
        rounds += 1

    told.after = after
    outcomes, events = told.outcomes.join(), told.events.join()
    async with anyio.create_task_group() as group:
        group.start_soon(told.run)
        await anyio.wait_all_tasks_blocked()
        for number in range(3):
            told.tell(text(str(number)), [TextDelta(str(number))], 1)
        told.notice("reconnecting", "Wait.")
        assert [await anext(outcomes) for _ in range(4)] == [
            *(TextDelta(str(number)) for number in range(3)),
            Notice("reconnecting", "Wait."),
        ]
        assert [await anext(events) for _ in range(3)] == [text(str(n)) for n in range(3)]
        assert rounds == 1
        told.tell(None, [TextDelta("late")], 1)
        assert await anext(outcomes) == TextDelta("late")
        group.cancel_scope.cancel()


async def test_a_reader_far_behind_is_waited_for() -> None:
    told = telling()
    events = told.events.join()
    told.tell(text("x"), (), CAPACITY)
    told.hand_over()
    assert told.tell(None, (), 0)
    async with anyio.create_task_group() as group:
        group.start_soon(told.catch_up)
        await anyio.wait_all_tasks_blocked()
        await anext(events)
    assert not told.tell(None, (), 0)


async def test_no_more_comes_in_one_go_than_readers_may_leave() -> None:
    told = telling()
    assert not told.tell(None, [TextDelta("x")], CAPACITY - 1)
    assert told.tell(None, [TextDelta("x")], 1)
    outcomes = told.outcomes.join()
    async with anyio.create_task_group() as group:
        group.start_soon(told.catch_up)
        assert await anext(outcomes) == TextDelta("x")
    assert not told.tell(None, (), 0)


async def test_a_reader_who_stays_behind_is_cut_off() -> None:
    told = telling(0.01)
    outcomes = told.outcomes.join()
    told.tell(None, [TextDelta("x")], CAPACITY)
    told.hand_over()
    await told.catch_up()
    assert not told.tell(None, (), 0)
    assert await anext(outcomes) == TextDelta("x")
    with pytest.raises(ProviderError, match="not read"):
        await anext(outcomes)


@pytest.mark.parametrize("error", [BROKEN, None])
async def test_the_end_is_told_after_all_else(error: ProviderError | None) -> None:
    told = telling()
    outcomes, events = told.outcomes.join(), told.events.join()
    told.tell(text("x"), [TextDelta("x")], 1)
    told.end(error)
    assert await anext(outcomes) == TextDelta("x")
    assert await anext(events) == text("x")
    for stream in (outcomes, events):
        with pytest.raises(StopAsyncIteration if error is None else ProviderError):
            await anext(stream)
