from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import anyio
import pytest

from chatbots.errors import InvalidRequest, StorageError
from chatbots.sessions.sqlite import writer as module
from chatbots.sessions.sqlite.worker import Job
from chatbots.sessions.sqlite.writer import Busy, Writer
from chatbots.wakeup import Awaited, post

Act = Callable[[sqlite3.Connection], int]


class Traced(Writer):
    """A writer whose statements are seen."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, self._open, "test-writer")
        self.statements: list[str] = []
        self.opened = 0
        self.busy = ""

    def _open(self) -> sqlite3.Connection:
        self.opened += 1
        db = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        db.execute("CREATE TABLE IF NOT EXISTS t (a UNIQUE)")
        db.set_trace_callback(self.statements.append)
        return db

    def count(self, word: str) -> int:
        return sum(statement.startswith(word) for statement in self.statements)


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Traced]:
    made = Traced(tmp_path / "s.db")
    yield made
    made.close()


def put(value: int, db: sqlite3.Connection) -> int:
    db.execute("INSERT INTO t VALUES (?)", (value,))
    return value


def values(db: sqlite3.Connection) -> list[int]:
    return [value for (value,) in db.execute("SELECT a FROM t ORDER BY a")]


async def settle_all(jobs: list[Job[int]]) -> list[object]:
    """Wait for all; return what came of each."""
    results: list[object] = [None] * len(jobs)

    async def wait(number: int) -> None:
        try:
            results[number] = await jobs[number].result()
        except Exception as error:
            results[number] = error

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            for number in range(len(jobs)):
                tasks.start_soon(wait, number)
    return results


async def test_what_came_in_meanwhile_is_one_commit(writer: Traced) -> None:
    await writer.submit(Job(values)).result()
    jobs = [writer.submit(Job(partial(put, number))) for number in range(50)]
    assert await settle_all(jobs) == list(range(50))
    assert writer.count("COMMIT") < 10


async def test_one_that_fails_fails_alone_and_the_others_are_kept(writer: Traced) -> None:
    def refuse(_: sqlite3.Connection) -> int:
        raise InvalidRequest("session_busy", "Busy.")

    def bug(_: sqlite3.Connection) -> int:
        raise KeyError("bug")

    await writer.submit(Job(partial(put, 1))).result()
    acts: list[Act] = [partial(put, 2), partial(put, 1), refuse, bug, partial(put, 3)]
    two, double, refused, broken, three = await settle_all(
        [writer.submit(Job(act)) for act in acts]
    )
    assert (two, three) == (2, 3)
    assert isinstance(double, StorageError)
    assert isinstance(refused, InvalidRequest)
    assert isinstance(broken, KeyError)
    assert await writer.submit(Job(values)).result() == [1, 2, 3]


async def test_who_has_to_wait_goes_on_when_it_is_freed_in_order(writer: Traced) -> None:
    order: list[int] = []

    def take(number: int, _: sqlite3.Connection) -> int:
        if writer.busy:
            raise Busy("s", foreign=False)
        writer.busy = "s"
        order.append(number)
        return number

    def free(_: sqlite3.Connection) -> int:
        writer.busy = ""
        return 0

    jobs = [writer.submit(Job(partial(take, number))) for number in range(3)]
    for number in range(3):
        assert await jobs[number].result() == number
        await writer.submit(Job(free, frees="s")).result()
    assert order == [0, 1, 2]


async def test_what_another_store_uses_is_looked_at_again_and_again(
    writer: Traced, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "POLL", 0.005)
    looks: list[int] = []

    def look(_: sqlite3.Connection) -> int:
        looks.append(1)
        if len(looks) < 5:
            raise Busy("s", foreign=True)
        return len(looks)

    with anyio.fail_after(20):
        assert await writer.submit(Job(look)).result() == 5


async def test_who_gave_up_waiting_is_asked_no_more(
    writer: Traced, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "POLL", 0.005)
    looks: list[int] = []

    def look(_: sqlite3.Connection) -> int:
        looks.append(1)
        raise Busy("s", foreign=True)

    with anyio.move_on_after(0.05):
        await writer.submit(Job(look)).result()
    await writer.submit(Job(values)).result()
    seen = len(looks)
    await anyio.sleep(0.05)
    assert len(looks) <= seen + 1
    assert not writer._waiting


async def test_what_is_owed_is_done_when_the_disk_allows_it(
    writer: Traced, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY", 0.01)
    full, kept = True, anyio.Event()

    def end(db: sqlite3.Connection) -> int:
        if full:
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error
        post(loop, kept.set)
        return put(7, db)

    loop = Awaited[None]().loop
    with pytest.raises(StorageError, match="the disk is full"):
        await writer.submit(Job(end, owed=True)).result()
    assert writer.opened == 1
    full = False
    with anyio.fail_after(20):
        await kept.wait()
    assert await writer.submit(Job(values)).result() == [7]


async def test_after_a_failure_that_does_not_pass_the_file_is_opened_anew(writer: Traced) -> None:
    def fail(_: sqlite3.Connection) -> int:
        raise sqlite3.DatabaseError("malformed")

    with pytest.raises(StorageError):
        await writer.submit(Job(fail)).result()
    assert await writer.submit(Job(values)).result() == []
    assert writer.opened == 2


async def test_what_follows_a_commit_sees_it_and_is_no_part_of_it(writer: Traced) -> None:
    seen: list[tuple[list[int], bool]] = []

    def after(db: sqlite3.Connection) -> None:
        seen.append((values(db), db.in_transaction))

    await writer.submit(Job(partial(put, 1), after=after)).result()
    assert seen == [([1], False)]


async def test_what_is_owed_is_tried_once_more_in_the_end(writer: Traced) -> None:
    tries: list[int] = []

    def end(_: sqlite3.Connection) -> int:
        tries.append(1)
        raise PermissionError

    with pytest.raises(StorageError):
        await writer.submit(Job(end, owed=True)).result()
    writer.close()
    assert len(tries) == 2


async def test_a_chore_is_done_after_so_many_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHORE_EVERY", 3)
    chores: list[bool] = []

    def open_it() -> sqlite3.Connection:
        return sqlite3.connect(tmp_path / "s.db", isolation_level=None, check_same_thread=False)

    def chore(db: sqlite3.Connection) -> None:
        chores.append(db.in_transaction)

    made = Writer(tmp_path / "s.db", open_it, "test-writer", chore=chore)
    for number in range(8):
        await made.submit(Job(lambda _: 1, owed=number != 5)).result()
    made.close()
    assert chores == [True, True]


async def test_a_commit_waits_a_moment_for_others_and_for_nobody_who_is_alone(
    writer: Traced, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(module, "sleep", waits.append)

    async def alone() -> int:
        waits.clear()
        await writer.submit(Job(values)).result()
        return len(waits)

    assert await alone() == 0
    writer._work([Job(values, waited=False) for _ in range(5)])
    assert await alone() == 2
    assert sum(waits) == pytest.approx(module.GATHER)
    assert await alone() == 2
    assert await alone() == 0
