from __future__ import annotations

import sqlite3
import threading
import time
from pathlib import Path

import anyio
import pytest

from chatbots.errors import InvalidRequest, StorageError
from chatbots.sessions.sqlite.worker import Job, Worker, tell


def connect() -> sqlite3.Connection:
    return sqlite3.connect(":memory:", check_same_thread=False)


def one(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT 1").fetchone()[0])


def refuse(_: sqlite3.Connection) -> int:
    raise InvalidRequest("session_busy", "Busy.")


def break_sql(db: sqlite3.Connection) -> int:
    return int(db.execute("no SQL").fetchone()[0])


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "test-worker"]


def worker() -> Worker:
    return Worker(Path("s.db"), connect, "test-worker")


async def test_a_worker_answers_and_goes_on_after_errors_until_it_is_closed() -> None:
    made = worker()
    assert not threads()
    with pytest.raises(InvalidRequest, match="Busy"):
        await made.submit(Job(refuse)).result()
    with pytest.raises(StorageError, match="SQLite says: near"):
        await made.submit(Job(break_sql)).result()
    assert await made.submit(Job(one)).result() == 1
    assert threads() == ["test-worker"]
    made.close()
    made.close()
    assert not threads()
    assert await made.submit(Job(one)).result() == 1
    made.close()


async def test_a_file_that_cannot_be_opened_is_tried_again() -> None:
    def fail_once() -> sqlite3.Connection:
        tries.append(1)
        if len(tries) == 1:
            raise FileNotFoundError
        return connect()

    tries: list[int] = []
    made = Worker(Path("s.db"), fail_once, "test-worker")
    with pytest.raises(StorageError, match="cannot be opened"):
        await made.submit(Job(one)).result()
    assert await made.submit(Job(one)).result() == 1
    made.close()


async def test_what_was_asked_before_it_is_closed_is_done() -> None:
    made, done = worker(), threading.Event()
    waiting = made.submit(Job(one))
    made.submit(Job(lambda _: done.set(), waited=False))
    made.close()
    assert done.is_set()
    assert await waiting.result() == 1
    with pytest.raises(RuntimeError, match="Nobody was to wait"):
        await Job(one, waited=False).result()


async def test_a_result_nobody_waits_for_is_lost_wherever_it_is() -> None:
    lost: list[int] = []
    given_up = Job(one, undo=lost.append)
    with anyio.move_on_after(0):
        await given_up.result()
    assert given_up.abandoned
    tell([(given_up, 1, None)])
    await anyio.wait_all_tasks_blocked()
    assert lost == [1]
    told = Job(one, undo=lost.append)
    told.settle(2, None)
    with anyio.CancelScope() as scope:
        scope.cancel()
        await told.result()
    assert lost in ([1], [1, 2])


def test_a_result_for_a_loop_that_is_gone_is_lost() -> None:
    async def ask() -> Job[int]:
        return Job(one, undo=lost.append)

    lost: list[int] = []
    tell([(anyio.run(ask), 3, None)])
    assert lost == [3]


async def test_what_comes_while_it_is_closed_twice_at_once_is_refused() -> None:
    made, going, on = worker(), threading.Event(), threading.Event()

    def hold(_: sqlite3.Connection) -> None:
        going.set()
        on.wait()

    def close_twice() -> None:
        going.wait()
        for thread in closing:
            thread.start()
        while made._queue.empty():
            time.sleep(0.001)

    made.submit(Job(hold, waited=False))
    closing = [threading.Thread(target=made.close) for _ in range(2)]
    await anyio.to_thread.run_sync(close_twice)
    late = made.submit(Job(one))
    on.set()
    with pytest.raises(StorageError, match="was closed"), anyio.fail_after(20):
        await late.result()
    for thread in closing:
        await anyio.to_thread.run_sync(thread.join)
    assert await made.submit(Job(one)).result() == 1
    made.close()
