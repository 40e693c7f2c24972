from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import pytest
from anyio.abc import TaskGroup

from chatbots.deltas import Delta, Done, Notice, TextDelta
from chatbots.flow.channel import DEFAULT_CAPACITY, ReceiveChannel, SendChannel, open_channel

NOTICE = Notice("n", "By the way.")
DONE = Done(state="completed", reason="stop", usage=None, request_id="r", session=None)
FOREVER = 3600.0
"""A window no test waits for."""


@asynccontextmanager
async def tasks() -> AsyncGenerator[TaskGroup]:
    """Open a task group that may take ten seconds."""
    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            yield group


async def rest(receive: ReceiveChannel) -> list[Delta]:
    with anyio.fail_after(10):
        return [delta async for delta in receive]


async def after_first(window: float = FOREVER) -> tuple[SendChannel, ReceiveChannel]:
    """Open a channel whose first text has been read: now the window holds."""
    send, receive = open_channel(window)
    await send.send(TextDelta("First"))
    assert await receive.receive() == TextDelta("First")
    return send, receive


# What comes out, and when


async def test_what_is_there_is_joined_and_nothing_overtakes() -> None:
    send, receive = open_channel()
    for delta in (TextDelta("a"), TextDelta("b"), NOTICE, TextDelta("c"), TextDelta("d"), DONE):
        await send.send(delta)
    await send.aclose()
    assert await rest(receive) == [TextDelta("ab"), NOTICE, TextDelta("cd"), DONE]


async def test_the_first_text_comes_at_once_whatever_the_window() -> None:
    async with tasks() as group:
        send, receive = open_channel(FOREVER)
        group.start_soon(send.send, TextDelta("First"))
        assert await receive.receive() == TextDelta("First")


@pytest.mark.usefixtures("time_flies")
async def test_later_text_comes_when_its_window_is_over() -> None:
    send, receive = await after_first(0.02)
    before = anyio.current_time()
    for piece in "abc":
        await send.send(TextDelta(piece))
    with anyio.fail_after(10):
        assert await receive.receive() == TextDelta("abc")
    assert anyio.current_time() - before >= 0.01


@pytest.mark.usefixtures("time_flies")
async def test_later_text_is_held_until_then() -> None:
    send, receive = await after_first()
    await send.send(TextDelta("held"))
    with anyio.move_on_after(0.02):
        raise AssertionError(f"not held: {await receive.receive()}")
    await send.send(TextDelta(" on"))
    await send.aclose()
    assert await rest(receive) == [TextDelta("held on")]


@pytest.mark.parametrize(
    ("urgent", "taken"),
    [
        (TextDelta("line\n"), [TextDelta("held line\n")]),
        (NOTICE, [TextDelta("held "), NOTICE]),
        (DONE, [TextDelta("held "), DONE]),
        (TextDelta("x" * 5000), [TextDelta("held " + "x" * 5000)]),
    ],
    ids=["a line's end", "a notice", "the end", "much text"],
)
async def test_a_boundary_wakes_a_reader_that_waits_for_the_window(
    urgent: Delta, taken: list[Delta]
) -> None:
    got: list[Delta] = []
    send, receive = await after_first()

    async def read() -> None:
        while len(got) < len(taken):
            got.append(await receive.receive())

    async with tasks() as group:
        group.start_soon(read)
        await send.send(TextDelta("held "))
        await anyio.wait_all_tasks_blocked()
        assert got == []
        await send.send(urgent)
    assert got == taken


async def test_the_rest_comes_at_the_end_to_a_reader_that_waits() -> None:
    got: list[Delta] = []
    send, receive = await after_first()

    async def read() -> None:
        got.extend(await rest(receive))

    async with tasks() as group:
        group.start_soon(read)
        await send.send(TextDelta("the rest"))
        await anyio.wait_all_tasks_blocked()
        await send.aclose()
    assert got == [TextDelta("the rest")]


async def test_an_empty_channel_ends_when_its_sender_closes() -> None:
    send, receive = open_channel()
    async with tasks() as group:

        async def read() -> None:
            with pytest.raises(anyio.EndOfStream):
                await receive.receive()

        group.start_soon(read)
        await anyio.wait_all_tasks_blocked()
        await send.aclose()
    with pytest.raises(anyio.EndOfStream):
        await receive.receive()


@pytest.mark.usefixtures("time_flies")
async def test_a_reader_that_gives_up_waiting_loses_nothing() -> None:
    send, receive = open_channel()
    with anyio.move_on_after(0.01):
        await receive.receive()
    await send.send(TextDelta("still"))
    assert await receive.receive() == TextDelta("still")


async def test_a_send_costs_no_task_switch() -> None:
    switched: list[bool] = []

    async def watch() -> None:
        switched.append(True)

    async with tasks() as group:
        send, _ = open_channel()
        group.start_soon(watch)
        for _number in range(100):
            await send.send(TextDelta("x"))
        assert not switched


async def test_the_text_of_an_answer_is_kept_until_its_terminal() -> None:
    send, receive = open_channel(capacity=3)
    said = send.said
    await send.send(TextDelta("Hel"))
    with pytest.raises(anyio.WouldBlock):
        send.send_nowait(TextDelta("never"))
    assert await receive.receive() == TextDelta("Hel")
    for delta in (NOTICE, TextDelta("lo")):
        await send.send(delta)
    assert said.text == "Hello"
    await receive.receive()
    await receive.receive()
    await send.send(DONE)
    await receive.receive()
    await send.send(TextDelta("Next"))
    assert (said.text, send.said.text) == ("Hello", "Next")


# A full channel


async def test_a_sender_waits_while_the_channel_is_full() -> None:
    sent: list[int] = []
    send, receive = open_channel(capacity=10)

    async def write() -> None:
        async with send:
            for number in range(10):
                await send.send(TextDelta("12345"))
                sent.append(number)

    async with tasks() as group:
        group.start_soon(write)
        await anyio.wait_all_tasks_blocked()
        assert len(sent) == 2
        assert await receive.receive() == TextDelta("12345" * 2)
        await anyio.wait_all_tasks_blocked()
        assert len(sent) == 4
        assert await rest(receive) == [TextDelta("12345" * 2)] * 4


@pytest.mark.usefixtures("time_flies")
async def test_one_send_may_exceed_the_capacity_by_its_own_size() -> None:
    send, receive = open_channel(capacity=3)
    await send.send(TextDelta("12"))
    await send.send(TextDelta("x" * 100))
    with anyio.move_on_after(0.01) as waited:
        await send.send(TextDelta("!"))
    assert waited.cancelled_caught
    assert await receive.receive() == TextDelta("12" + "x" * 100)


@pytest.mark.usefixtures("time_flies")
async def test_what_is_no_text_fills_a_channel_too() -> None:
    send, _ = open_channel(capacity=3)
    for _number in range(3):
        await send.send(NOTICE)
    with anyio.move_on_after(0.01) as waited:
        await send.send(NOTICE)
    assert waited.cancelled_caught


@pytest.mark.parametrize("capacity", [1, 3, DEFAULT_CAPACITY])
async def test_a_full_channel_does_not_wait_for_the_window(capacity: int) -> None:
    send, receive = open_channel(FOREVER, capacity=capacity)
    pieces = [TextDelta("x" * (1 + capacity // 10))] * 50

    async def write() -> None:
        async with send:
            for piece in pieces:
                await send.send(piece)

    async with tasks() as group:
        group.start_soon(write)
        got = await rest(receive)
    said = "".join(delta.text for delta in got if isinstance(delta, TextDelta))
    assert said == "".join(piece.text for piece in pieces)


@pytest.mark.parametrize("capacity", [0, -1])
def test_a_channel_nothing_fits_in_is_refused(capacity: int) -> None:
    with pytest.raises(ValueError, match=f"at least 1 character, not {capacity}"):
        open_channel(capacity=capacity)


# Leaving


async def test_a_closed_sender_sends_no_more() -> None:
    send, _ = open_channel()
    await send.aclose()
    with pytest.raises(anyio.ClosedResourceError):
        await send.send(DONE)


async def test_a_reader_that_left_is_told_to_the_sender() -> None:
    send, receive = open_channel()
    await receive.aclose()
    with pytest.raises(anyio.BrokenResourceError):
        await send.send(DONE)


async def test_a_sender_that_waits_is_told_too() -> None:
    send, receive = open_channel(capacity=1)
    await send.send(NOTICE)
    async with tasks() as group:

        async def write() -> None:
            with pytest.raises(anyio.BrokenResourceError):
                await send.send(NOTICE)

        group.start_soon(write)
        await anyio.wait_all_tasks_blocked()
        receive.close()


async def test_a_sender_that_is_being_cancelled_is_cancelled_not_broken() -> None:
    send, receive = open_channel()
    receive.close()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await send.send(DONE)
    assert scope.cancelled_caught


async def test_a_closed_reader_reads_no_more_not_even_what_it_had_taken() -> None:
    send, receive = open_channel()
    for delta in (TextDelta("a"), DONE):
        await send.send(delta)
    assert await receive.receive() == TextDelta("a")
    await receive.aclose()
    with pytest.raises(anyio.ClosedResourceError):
        await receive.receive()


async def test_a_reader_closed_while_it_waits_is_told() -> None:
    _, receive = open_channel()
    async with tasks() as group:

        async def read() -> None:
            with pytest.raises(anyio.ClosedResourceError):
                await receive.receive()

        group.start_soon(read)
        await anyio.wait_all_tasks_blocked()
        receive.close()
