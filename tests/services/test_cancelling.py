"""A turn that is cancelled, wherever it is just then, leaves nothing behind and can be followed.

Not drawn but swept: cancelled after no round of the event loop, after one, after two, and so on,
until it comes to its end before. Each wait lasts a round at least, so none is left out.
"""

from __future__ import annotations

import asyncio  # noqa: TID251 (cancelled as by asyncio, too)
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from chatbots.deltas import TextDelta
from chatbots.flow.bot import Bot
from chatbots.interfaces import Sink
from chatbots.messages import FinalState, Message, ModelAnswer, ModelRequest, SessionId, Turn, Usage
from chatbots.sessions.in_memory import InMemorySessions
from chatbots.sessions.turn import FINAL
from tests.provider.bots import KINDS, Kind, Talk, bot_of, talk

DESCRIPTORS = Path("/proc/self/fd")
SAID = "one two three"

every_loop = pytest.mark.parametrize("use_uvloop", [False, True], ids=["asyncio", "uvloop"])
every_kind = pytest.mark.parametrize("kind", KINDS)


def descriptors() -> int:
    """Count what this process has open; 0 where nobody can tell."""
    return len(list(DESCRIPTORS.iterdir())) if DESCRIPTORS.exists() else 0


# Turns, and cancelling them


class Shown:
    """What the caller of a turn has seen of it."""

    def __init__(self) -> None:
        self.text = ""


Turning = Callable[[Bot, Shown], Awaitable[None]]


async def ask(bot: Bot, shown: Shown) -> None:
    shown.text = (await bot.ask(SAID)).text


async def stream(bot: Bot, shown: Shown) -> None:
    async with bot.stream(SAID) as s:
        async for text in s.text:
            shown.text += text


every_way = pytest.mark.parametrize("way", [ask, stream])


async def cancelled(turn: Awaitable[None], rounds: int, *, natively: bool) -> bool:
    """Cancel *turn* after so many *rounds* of the loop; return whether it had not ended before."""

    async def run() -> None:
        await turn

    task = asyncio.ensure_future(run()) if natively else None
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:

            async def strike() -> None:
                for _ in range(rounds):
                    await checkpoint()
                if task is not None:
                    task.cancel()
                else:
                    scope.cancel()

            group.start_soon(strike)
            if task is None:
                await turn
            else:
                await asyncio.wait([task])
            group.cancel_scope.cancel()
            return task is not None and task.cancelled()
    return scope.cancelled_caught


# Over real sockets


class Watch:
    """Knows what there was before the first turn, and finds what a turn has left."""

    def __init__(self, on: Talk) -> None:
        self._on = on
        self._tasks = self._descriptors = 0

    async def begin(self) -> None:
        """Count what there is, after a turn: an event loop opens some things on first use."""
        await self._on.bot().ask(SAID)
        self.hang_up()
        await self._on.fake.until(lambda: not self._on.fake.open_connections)
        await checkpoint()
        self._tasks, self._descriptors = len(anyio.get_running_tasks()), descriptors()

    async def check(self) -> None:
        on, pool = self._on, self._on.pool
        with anyio.fail_after(20):
            await on.fake.until(lambda: on.fake.open_connections == len(pool._idle))
        for _ in range(3):
            await checkpoint()  # what has just ended is gone by then
        held = len(pool._idle)
        assert pool._free.value == pool._limits.max_connections, "a place in the pool is lost"
        tasks = anyio.get_running_tasks()
        assert len(tasks) == self._tasks + held, tasks  # the server's, one for each connection
        assert descriptors() <= self._descriptors + 2 * held

    def hang_up(self) -> None:
        """Close the connections that are kept: the next turn makes its own."""
        while self._on.pool._idle:
            self._on.pool._idle.pop().abort()


async def check_history(on: Talk, bot: Bot, shown: Shown) -> None:
    """What is stored is an end, and the next request can be accepted."""
    turns = await on.store.load("s")
    assert all(turn.state in FINAL for turn in turns), turns
    assert all(SAID.startswith(turn.text) for turn in turns)
    assert not turns or turns[-1].text.startswith(shown.text), "shown, but not stored"
    assert (await bot.ask("and then?", timeout=30)).text == "and then?"
    roles = [message["role"] for message in on.fake.calls[-1].json["messages"]]
    assert roles == ["user", "assistant"] * (len(roles) // 2) + ["user"]


def combinations() -> Iterator[object]:
    """Yield every combination; a quarter of them, any two values once together, is not slow."""
    for use_uvloop, kind, way, natively, kept in itertools.product(
        (False, True), KINDS, (ask, stream), (False, True), (False, True)
    ):
        streams = way is stream
        fast = use_uvloop == (natively ^ kept) and streams == natively ^ (KINDS.index(kind) == 1)
        words = f"{kind}-{way.__name__}", "by asyncio" if natively else "by anyio"
        name = "-".join((*words, "kept" if kept else "own", "uvloop" if use_uvloop else "asyncio"))
        marks = () if fast else pytest.mark.slow
        yield pytest.param(use_uvloop, kind, way, natively, kept, id=name, marks=marks)


@pytest.mark.parametrize(("use_uvloop", "kind", "way", "natively", "kept"), [*combinations()])
def test_cancelled_anywhere_over_a_socket(
    use_uvloop: bool, kind: Kind, way: Turning, natively: bool, kept: bool
) -> None:
    async def sweep() -> None:
        async with talk() as on:
            watch = Watch(on)
            await watch.begin()
            for rounds in itertools.count():
                bot, shown = on.bot(kind), Shown()
                struck = await cancelled(way(bot, shown), rounds, natively=natively)
                await watch.check()
                await check_history(on, bot, shown)
                if not kept:
                    watch.hang_up()
                await watch.check()
                if not struck:
                    break
            assert rounds > 2, "it had no time to be cancelled"

    anyio.run(sweep, backend_options={"use_uvloop": use_uvloop})


@every_loop
@pytest.mark.parametrize("read", range(5))
def test_left_after_any_delta(use_uvloop: bool, read: int) -> None:
    async def leave() -> None:
        async with talk() as on:
            watch = Watch(on)
            await watch.begin()
            for by_text in (True, False):
                bot, shown = on.bot(), Shown()
                pieces, answer = anyio.create_memory_object_stream[str](9)
                on.fake.answer(answer)
                async with pieces, bot.stream(SAID) as s:
                    source: AsyncIterator[Any] = s.text if by_text else s
                    for piece in SAID.split()[:read]:
                        await pieces.send(f"{piece} " if piece != "three" else piece)
                        await anext(source)
                    shown.text = s.partial
                await watch.check()
                answer.close()
                on.fake._desk.queue.clear()  # left at once, it may not even have asked
                await check_history(on, bot, shown)
                await watch.check()

    anyio.run(leave, backend_options={"use_uvloop": use_uvloop})


# Where the model and the store take their time


class Pensive:
    """A model that waits before each word, and at the end."""

    async def complete(self, request: ModelRequest, out: Sink) -> ModelAnswer:
        said = request.messages[-1].content
        for piece in (said[:4], said[4:]):
            await checkpoint()
            if request.stream:
                await out.send(TextDelta(piece))
        await checkpoint()
        if not request.stream:
            await out.send(TextDelta(said))
        return ModelAnswer(text=said, state="completed", reason="stop")


class Slow(InMemorySessions):
    """A store whose transactions take a while."""

    async def begin(self, session: SessionId, request_id: str, said: Sequence[Message]) -> Turn:
        await checkpoint()
        return await super().begin(session, request_id, said)

    async def finish(
        self,
        turn: Turn,
        answer: Sequence[Message],
        *,
        state: FinalState,
        reason: str | None = None,
        usage: Usage | None = None,
    ) -> Turn:
        for _ in range(2):
            await checkpoint()
        ended = await super().finish(turn, answer, state=state, reason=reason, usage=usage)
        await checkpoint()
        return ended

    async def load(self, session: SessionId, *, last: int | None = None) -> Sequence[Turn]:
        await checkpoint()
        return await super().load(session, last=last)


@every_loop
@every_kind
@every_way
def test_cancelled_anywhere_with_a_slow_store(use_uvloop: bool, kind: Kind, way: Turning) -> None:
    async def sweep() -> None:
        tasks = len(anyio.get_running_tasks())
        for rounds in itertools.count():
            store, shown = Slow(), Shown()
            bot = bot_of(kind, Pensive(), store)
            struck = await cancelled(way(bot, shown), rounds, natively=False)
            await checkpoint()
            assert len(anyio.get_running_tasks()) == tasks
            turns = await store.load("s")
            assert all(turn.state in FINAL for turn in turns), turns
            assert not turns or turns[-1].text.startswith(shown.text)
            assert (await bot.ask("and then?", timeout=30)).text == "and then?"
            if not struck:
                break
        assert rounds > 2, "it had no time to be cancelled"

    anyio.run(sweep, backend_options={"use_uvloop": use_uvloop})
