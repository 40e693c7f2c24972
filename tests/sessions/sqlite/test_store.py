"""What `SQLiteSessions` does beyond the contract of every store: it outlives its process."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from chatbots.errors import StorageError
from chatbots.messages import Message, Turn, Usage
from chatbots.sessions.sqlite.store import SQLiteSessions
from tests.sessions.sqlite.processes import begun_elsewhere

HI = [Message("user", "Hi")]
HELLO = [Message("assistant", "Hello.")]


@asynccontextmanager
async def opened(path: Path) -> AsyncGenerator[SQLiteSessions]:
    store = SQLiteSessions(path)
    try:
        yield store
    finally:
        await store.aclose()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a 'name' with %3f?.db"


async def test_what_was_finished_is_there_when_it_is_opened_again(path: Path) -> None:
    async with opened(path) as store:
        turn = await store.begin("s", "r", HI)
        final = await store.finish(turn, HELLO, state="completed", usage=Usage(1, 2, 3))
        await store.aclose()
        assert await store.load("s") == [final]
    async with opened(path) as store:
        assert await store.load("s") == [final]


async def test_nothing_is_left_but_the_file_when_it_is_closed(path: Path) -> None:
    async with opened(path) as store:
        await store.begin("s", "r", HI)
    folder = path.with_name(f"{path.name}-owners")
    assert set(path.parent.iterdir()) == {path, folder}
    assert not list(folder.iterdir())


async def test_a_turn_left_open_is_interrupted_when_the_file_is_opened_again(path: Path) -> None:
    async with opened(path) as store:
        turn = await store.begin("s", "r", HI)
        await store.checkpoint(turn, [Message("assistant", "Hel")])
    async with opened(path) as store:
        (turn,) = await store.load("s")
        assert (turn.state, turn.reason, turn.text) == ("interrupted", "crashed", "Hel")
        assert [one.role for one in await store.search("hel")] == ["assistant"]


async def test_a_turn_of_a_living_process_is_waited_for(path: Path) -> None:
    async with opened(path) as store:
        with begun_elsewhere(path) as process:
            assert [turn.state for turn in await store.load("s")] == ["accepted"]
            with anyio.move_on_after(0.25) as waited:
                await store.begin("s", "r2", HI)
            assert waited.cancelled_caught
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
            with anyio.fail_after(10):
                turn = await store.begin("s", "r3", HI)
        assert turn.seq == 2
        assert [turn.state for turn in await store.load("s")] == ["completed", "accepted"]


async def test_a_turn_of_a_killed_process_is_interrupted_on_demand(path: Path) -> None:
    async with opened(path) as store:
        with begun_elsewhere(path, partial="Let me see.") as process:
            (turn,) = await store.load("s")
            assert turn.state == "waiting_for_tools"
            process.kill()
            process.wait()
            with anyio.fail_after(5):
                again = await store.begin("s", "r", HI)
        assert (again.state, again.reason, again.text) == ("interrupted", "crashed", "Let me see.")
        assert again.answer[0].tool_calls[0].name == "book_hotel"
        assert (await store.begin("s", "r2", HI)).seq == 2


async def test_loading_sees_that_a_process_was_killed(path: Path) -> None:
    async with opened(path) as store:
        with begun_elsewhere(path) as process:
            process.kill()
            process.wait()
            (turn,) = await store.load("s")
        assert (turn.state, turn.reason) == ("interrupted", "crashed")


async def test_who_was_taken_for_dead_ends_nothing(path: Path) -> None:
    async with opened(path) as first, opened(path) as second:
        turn = await first.begin("s", "r", HI)
        # Its lock is lost, as with somebody who tidies up.
        (path.with_name(f"{path.name}-owners") / first._db.owner.name).unlink()
        (stolen,) = await second.load("s")
        assert stolen.state == "interrupted"
        await first.checkpoint(turn, HELLO)
        with pytest.raises(StorageError) as raised:
            await first.finish(turn, HELLO, state="completed")
        assert raised.value.code == "turn_lost"
        assert await second.load("s") == [stolen]


# Cancelled


async def test_a_beginning_that_is_cancelled_on_its_way_has_begun_nothing(path: Path) -> None:
    async with opened(path) as store:
        begun: list[Turn] = []

        async def begin(number: int) -> None:
            begun.append(await store.begin("s", f"r{number}", HI))

        for number in range(40):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(begin, number)
                await anyio.sleep(0.0005 * number)
                tasks.cancel_scope.cancel()
            if begun and begun[-1].request_id == f"r{number}":
                await store.finish(begun[-1], HELLO, state="completed")
        with anyio.fail_after(5):
            begun.append(await store.begin("s", "last", HI))
        kept = [turn.request_id for turn in await store.load("s")]
        assert kept == [turn.request_id for turn in begun]
        assert begun[-1].seq == len(begun)
        assert len(begun) < 40


async def test_an_end_that_is_cancelled_on_its_way_is_kept(path: Path) -> None:
    async with opened(path) as store:
        turn = await store.begin("s", "r", HI)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: store.finish(turn, HELLO, state="completed"))
            await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
        with anyio.fail_after(5):
            assert (await store.begin("s", "r2", HI)).seq == 2
        assert (await store.load("s"))[0].text == "Hello."


async def test_who_waits_when_the_store_is_closed_is_told(path: Path) -> None:
    store = SQLiteSessions(path)
    await store.begin("s", "r", HI)
    told: list[str] = []

    async def wait() -> None:
        try:
            await store.begin("s", "r2", HI)
        except StorageError as error:
            told.append(error.message)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await anyio.sleep(0.05)
        await store.aclose()
    assert told == ["The store was closed."]
