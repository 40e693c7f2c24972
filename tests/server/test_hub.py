from __future__ import annotations

import anyio
import pytest
from anyio.lowlevel import checkpoint

from chatbots.errors import AccessDenied
from chatbots.server.hub import Hub


class Client:
    """A client that leaves when the test says so, or when it is stopped."""

    def __init__(self, hub: Hub, *, stays: bool = False, lingers: bool = False) -> None:
        self.hub, self.stays, self.lingers = hub, stays, lingers
        self.told: list[float] = []
        self.stopped = 0
        hub.join(self)

    async def go_away(self, seconds: float) -> None:
        self.told.append(seconds)
        if not self.stays:
            self.hub.leave(self)

    def stop(self) -> None:
        self.stopped += 1
        if not self.lingers:
            self.hub.leave(self)


@pytest.mark.checklist(211)
def test_clients_are_counted_by_their_sockets() -> None:
    hub = Hub()
    one, other = Client(hub), Client(hub)
    assert len(hub) == 2
    hub.lost(one)
    hub.lost(one)
    assert len(hub) == 1
    hub.leave(one)
    hub.leave(other)
    assert len(hub) == 0


async def test_nobody_comes_in_while_it_ends() -> None:
    hub = Hub()
    await hub.drain(1)
    with pytest.raises(AccessDenied, match="about to stop") as caught:
        Client(hub)
    assert caught.value.code == "going_away"


async def test_everybody_is_told_and_what_ends_in_time_is_left_alone() -> None:
    hub = Hub()
    idle, busy = Client(hub), Client(hub, stays=True)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(hub.drain, 30)
        while not busy.told:
            await checkpoint()
        hub.leave(busy)
    assert (idle.told, busy.told) == ([30], [30])
    assert (idle.stopped, busy.stopped) == (0, 0)


async def test_what_does_not_end_in_time_is_stopped() -> None:
    hub = Hub()
    busy = Client(hub, stays=True)
    hub.lost(busy)  # its socket has gone; what it asked has not
    await hub.drain(0.01)
    assert busy.stopped == 1


async def test_what_is_stopped_has_time_to_be_told() -> None:
    hub = Hub()
    busy, ended = Client(hub, stays=True, lingers=True), []

    async def drain() -> None:
        await hub.drain(0.01)
        ended.append(1)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(drain)
        while not busy.stopped:
            await checkpoint()
        for _ in range(10):
            await checkpoint()
        assert ended == []
        hub.leave(busy)
