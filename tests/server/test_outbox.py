from __future__ import annotations

from contextlib import suppress
from typing import Any

import anyio
import pytest

from chatbots.server.outbox import Outbox


async def test_frames_go_out_as_they_are_put_until_the_end() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    outbox = Outbox(send, within=5, cut=lambda: None)
    await outbox.put("a")
    await outbox.close(1001)
    await outbox.put("b")
    assert sent == [
        {"type": "websocket.send", "text": "a"}, {"type": "websocket.close", "code": 1001},
    ]  # fmt: skip
    assert outbox.gone


async def test_a_client_that_has_gone_is_sent_nothing_more() -> None:
    tried: list[Any] = []

    async def send(message: Any) -> None:
        tried.append(message)
        raise OSError

    outbox = Outbox(send, within=5, cut=lambda: None)
    await outbox.put("a")
    await outbox.put("b")
    assert outbox.gone
    assert len(tried) == 1


async def test_a_client_that_reads_again_in_time_has_lost_nothing() -> None:
    room, sent = anyio.Event(), []

    async def send(message: Any) -> None:
        await room.wait()
        await anyio.lowlevel.checkpoint()
        sent.append(message["text"])

    outbox = Outbox(send, within=5, cut=lambda: None)
    async with anyio.create_task_group() as tasks:
        for text in "abc":
            tasks.start_soon(outbox.put, text)
        await anyio.wait_all_tasks_blocked()
        room.set()
    assert (sent, outbox.gone) == (["a", "b", "c"], False)


async def test_a_send_that_is_cut_may_still_clean_up() -> None:
    cleaned = []

    async def send(_: Any) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.lowlevel.checkpoint()
            cleaned.append(1)

    async def ends_well(_: Any) -> None:
        with suppress(BaseException):
            await anyio.sleep_forever()

    for way, times in ((send, 1), (ends_well, 1)):
        outbox = Outbox(way, within=0.01, cut=lambda: None)
        await outbox.put("a")
        assert len(cleaned) == times
    assert outbox.gone is False  # it was sent in the end


async def test_a_frame_goes_out_at_once_where_nobody_would_have_to_wait() -> None:
    sent: list[str] = []
    room = True

    async def send(_: Any) -> None:
        raise AssertionError("it waits")

    def now(frame: str) -> bool:
        if room:
            sent.append(frame)
        return room

    outbox = Outbox(send, within=5, cut=lambda: None, now=now)
    outbox.put_nowait("a")
    room = False
    with pytest.raises(anyio.WouldBlock):
        outbox.put_nowait("b")
    room = outbox.gone = True
    with pytest.raises(anyio.WouldBlock):
        outbox.put_nowait("c")
    with pytest.raises(anyio.WouldBlock):
        Outbox(send, within=5, cut=lambda: None).put_nowait("d")
    assert sent == ["a"]


async def test_a_client_that_does_not_read_is_cut_once() -> None:
    cuts: list[int] = []

    async def send(_: Any) -> None:
        await anyio.sleep_forever()

    outbox = Outbox(send, within=0.01, cut=lambda: cuts.append(1))
    async with anyio.create_task_group() as tasks:
        for text in "abc":
            tasks.start_soon(outbox.put, text)
    assert outbox.gone
    assert cuts == [1]
