from __future__ import annotations

from typing import Any

import anyio

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
