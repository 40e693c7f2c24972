from __future__ import annotations

import anyio
import pytest

from chatbots.errors import ProviderError
from chatbots.realtime.audience import CAPACITY, Audience
from chatbots.wakeup import Wakeup

BROKEN = ProviderError("stream_interrupted", "Broken.")


def audience() -> Audience[int]:
    return Audience(Wakeup())


async def test_each_reader_is_told_all_from_when_it_came() -> None:
    all_of_them = audience()
    first = all_of_them.join()
    all_of_them.tell([1, 2], 9)
    second = all_of_them.join()
    all_of_them.tell([3], 9)
    all_of_them.end(None)
    assert [one async for one in first] == [1, 2, 3]
    assert [one async for one in second] == [3]


async def test_a_reader_waits_for_what_comes() -> None:
    all_of_them = audience()
    stream = all_of_them.join()
    got: list[int] = []

    async def read() -> None:
        got.extend([one async for one in stream])

    async with anyio.create_task_group() as group:
        group.start_soon(read)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(anyio.BusyResourceError):
            await anext(stream)
        all_of_them.tell([1], 1)
        await anyio.wait_all_tasks_blocked()
        assert not got
        all_of_them.end(None)
    assert got == [1]


async def test_who_reads_to_the_end_is_told_why_it_ended() -> None:
    all_of_them = audience()
    early = all_of_them.join()
    all_of_them.tell([1], 1)
    all_of_them.end(BROKEN)
    late = all_of_them.join()
    assert await anext(early) == 1
    for stream in (early, early, late):
        with pytest.raises(ProviderError, match="Broken"):
            await anext(stream)


async def test_a_reader_far_behind_is_waited_for_until_it_reads_or_leaves() -> None:
    all_of_them = audience()
    slow, gone = all_of_them.join(), all_of_them.join()
    all_of_them.tell([1, 2], CAPACITY)
    assert all_of_them.behind == [slow, gone]
    gone.close()
    assert all_of_them.behind == [slow]
    assert await anext(slow) == 1
    assert all_of_them.behind == []


async def test_who_waits_for_a_reader_is_woken_when_it_reads_closes_or_lets_go() -> None:
    all_of_them = audience()
    reader, closing, forgotten = [all_of_them.join() for _ in range(3)]
    woken = 0

    async def wait() -> None:
        nonlocal woken
        while all_of_them.behind:
            await all_of_them.room
            woken += 1

    all_of_them.tell([1], CAPACITY)
    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        await anext(reader)
        await anyio.wait_all_tasks_blocked()
        closing.close()
        await anyio.wait_all_tasks_blocked()
        assert all_of_them.behind == [forgotten]
        del forgotten
    assert woken == 3
    assert len(all_of_them.there) == 2


async def test_who_stays_behind_is_cut_off_and_told_so() -> None:
    all_of_them = audience()
    slow, quick = all_of_them.join(), all_of_them.join()
    all_of_them.tell([1], CAPACITY)
    await anext(quick)
    all_of_them.cut()
    all_of_them.tell([2], 1)
    assert await anext(slow) == 1
    with pytest.raises(ProviderError, match="not read"):
        await anext(slow)
    assert await anext(quick) == 2


async def test_who_closes_its_stream_is_told_nothing_more() -> None:
    all_of_them = audience()
    stream = all_of_them.join()
    all_of_them.tell([1], 1)
    stream.close()
    all_of_them.tell([2], 1)
    assert [one async for one in stream] == []
