"""What `SQLiteSessions` does beyond the contract of every store: it outlives its process."""

# ruff: noqa: ASYNC240 (a test waits for nobody while it reads a file)

from __future__ import annotations

import multiprocessing
import random
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing, suppress
from multiprocessing.connection import Connection
from pathlib import Path

import anyio
import pytest

from chatbots.errors import StorageError
from chatbots.images import Image
from chatbots.messages import Message, Turn, Usage
from chatbots.sessions.sqlite import known, schema
from chatbots.sessions.sqlite.store import SQLiteSessions
from chatbots.tool_calls import ToolCall
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
            with anyio.fail_after(20):
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
        with anyio.fail_after(20):
            begun.append(await store.begin("s", "last", HI))
        kept = [turn.request_id for turn in await store.load("s")]
        assert kept == [turn.request_id for turn in begun]
        assert begun[-1].seq == len(begun)
        assert len(begun) < 40


async def test_an_end_that_is_cancelled_on_its_way_is_kept(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known, "MOMENT", float("inf"))
    async with opened(path) as store:
        turn = await store.begin("s", "r", HI)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: store.finish(turn, HELLO, state="completed"))
            await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
        with anyio.fail_after(20):
            while (await store.load("s"))[0].state == "accepted":
                await anyio.lowlevel.checkpoint()
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


# Deleted


async def test_what_is_forgotten_is_in_no_byte_of_what_is_on_the_disk(path: Path) -> None:
    secret = "Xylophonist"
    async with opened(path) as store:
        for number in range(30):
            said = [Message("user", f"{secret}{number} " * 300)]
            turn = await store.begin("secret", f"{secret}-{number}", said)
            await store.checkpoint(turn, [Message("assistant", secret)])
            answer = [Message("assistant", f"My {secret}{number}! " * 200)]
            await store.finish(turn, answer, state="completed")
            await store.begin(f"kept {number}", "r", [Message("user", "plain words " * 50)])
        await store.mark("secret", 3, summary=f"All about the {secret}.")
        assert secret.lower() in bytes_of(path).lower()
        assert await store.search(secret)
        await store.forget("secret")
        assert secret.lower() not in bytes_of(path).lower()
        assert not await store.search(secret)
        assert len(await store.load("kept 3")) == 1
    assert secret.lower() not in bytes_of(path).lower()


async def test_no_copy_is_left_of_rows_that_have_moved_between_pages(path: Path) -> None:
    chance = random.Random(1)  # noqa: S311 - the same each time
    secrets: dict[str, list[str]] = {}

    def padded(secret: str) -> str:
        return f"{secret} {'x' * chance.choice((10, 300, 900))}"

    async with opened(path) as store:
        for number in range(400):
            session, secret = f"s{chance.randrange(40)}", f"n{chance.getrandbits(64):016x}"
            turn = await store.begin(session, f"r{number}", [Message("user", padded(secret))])
            answer = [Message("assistant", padded(secret))]
            if number % 2:
                await store.checkpoint(turn, answer)
            await store.finish(turn, answer, state="completed")
            secrets.setdefault(session, []).append(secret)
        left = []
        for session in sorted(secrets)[:20]:
            await store.forget(session)
            left += [secret for secret in secrets[session] if secret in bytes_of(path)]
    assert not left


def bytes_of(path: Path) -> str:
    files = [file for file in path.parent.rglob("*") if file.is_file()]
    return "".join(file.read_bytes().decode("latin-1") for file in files)


# A disk that is full, a file that is locked, a file that is damaged


async def limit(store: SQLiteSessions, pages: int) -> None:
    """Let the file grow to so many *pages*, which to SQLite is a full disk."""
    await store._db.write(lambda db: db.execute(f"PRAGMA max_page_count = {pages}").close())


async def test_where_the_disk_is_full_no_turn_begins_and_later_all_goes_on(path: Path) -> None:
    async with opened(path) as store:
        turn = await store.begin("s", "r", HI)
        await limit(store, 1)
        long = [Message("assistant", "x" * 100_000)]
        for refused in (
            store.begin("other", "r", [Message("user", "x" * 100_000)]),
            store.checkpoint(turn, long),
            store.finish(turn, long, state="completed"),
        ):
            with pytest.raises(StorageError, match="the disk is full") as raised:
                await refused
            assert raised.value.code == "storage_unavailable"
            assert str(path) in raised.value.message
        assert [turn.state for turn in await store.load("s")] == ["accepted"]
        await limit(store, 2**30)
        # What could not be kept then is kept now, and the session is free.
        assert (await store.begin("s", "r2", HI)).seq == 2
        assert (await store.load("s"))[0].text == long[0].content


async def test_one_that_does_not_fit_fails_alone(path: Path) -> None:
    async with opened(path) as store:
        await store.begin("s", "r", HI)
        await limit(store, await store._db.write(pages_of) + 2)
        failed: list[str] = []

        async def begin(session: str, size: int) -> None:
            try:
                await store.begin(session, "r", [Message("user", "x" * size)])
            except StorageError:
                failed.append(session)

        async with anyio.create_task_group() as tasks:
            for session, size in (("a", 10), ("large", 100_000), ("b", 10)):
                tasks.start_soon(begin, session, size)
        assert failed == ["large"]
        assert {info.name for info in await store.sessions()} == {"s", "a", "b"}


def pages_of(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA page_count").fetchone()[0])


async def test_a_file_that_stays_locked_is_an_error_and_the_loop_goes_on(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "BUSY_TIMEOUT", 0.2)
    async with opened(path) as store:
        turn = await store.begin("s", "r", HI)
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            rounds = 0
            async with anyio.create_task_group() as tasks:

                async def count() -> None:
                    nonlocal rounds
                    while True:
                        rounds += 1
                        await anyio.sleep(0.01)

                tasks.start_soon(count)
                with pytest.raises(StorageError, match="another program has it locked"):
                    await store.begin("s2", "r", HI)
                with pytest.raises(StorageError, match="another program has it locked"):
                    await store.finish(turn, HELLO, state="completed")
                tasks.cancel_scope.cancel()
            assert rounds > 10
            assert [turn.state for turn in await store.load("s")] == ["accepted"]
            other.execute("ROLLBACK")
        assert (await store.begin("s", "r2", HI)).seq == 2
        assert (await store.load("s"))[0].state == "completed"


@pytest.mark.parametrize("content", [b"My diary. " * 1000, b"SQLite format 3\0" + b"x" * 9000])
async def test_what_is_not_ours_is_refused_each_time_and_left_as_it_is(
    path: Path, content: bytes
) -> None:
    path.write_bytes(content)
    async with opened(path) as store:
        for _ in range(2):
            with pytest.raises(StorageError) as raised:
                await store.begin("s", "r", HI)
            assert raised.value.code == "storage_unusable"
            assert str(path) in raised.value.message
        with pytest.raises(StorageError):
            await store.sessions()
    assert path.read_bytes() == content


async def test_damage_inside_is_told_and_nothing_is_made_anew(path: Path) -> None:
    async with opened(path) as store:
        for number in range(50):
            turn = await store.begin(f"s{number}", "r", [Message("user", "x" * 3000)])
            await store.finish(turn, HELLO, state="completed")
    content = bytearray(path.read_bytes())
    content[4096 * 3 :] = b"\x55" * (len(content) - 4096 * 3)
    path.write_bytes(content)
    async with opened(path) as store:
        with pytest.raises(StorageError) as raised:
            await store.load("s7")
        assert raised.value.code == "storage_unusable"
        assert "damaged" in raised.value.message
    assert path.read_bytes()[4096 * 3 :] == content[4096 * 3 :]


async def test_a_folder_that_cannot_be_made_is_an_error_until_it_can(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    async with opened(tmp_path / "taken" / "s.db") as store:
        with pytest.raises(StorageError, match="cannot be opened"):
            await store.begin("s", "r", HI)
        (tmp_path / "taken").unlink()
        await store.begin("s", "r", HI)


# Of other versions


async def test_every_released_version_is_read(path: Path) -> None:
    for golden in sorted((Path(__file__).parent / "golden").glob("schema-*.db")):
        path.write_bytes(golden.read_bytes())
        async with opened(path) as store:
            done, cut, died = await store.load("Ada's talk")
            assert done == Turn(
                session="Ada's talk",
                request_id="r1",
                seq=1,
                state="completed",
                said=(
                    Message("user", "Wo liegt Zürich? 👍", (Image("https://example.com/a.png"),)),
                ),
                answer=(
                    Message("assistant", "", tool_calls=(ToolCall("c1", "find", '{"a":1}'),)),
                    Message("tool", "47° N", tool_call_id="c1"),
                    Message("assistant", "In der Schweiz."),
                ),
                reason="stop",
                usage=Usage(10, 20, 30, 4, 5),
                began_at=1000.5,
                pinned=True,
                summary="About Zürich.",
            )
            assert (cut.state, cut.reason, cut.text) == ("incomplete", "length", "Once")
            assert (died.state, died.reason, died.text) == ("interrupted", "crashed", "Upon")
            assert [one.role for one in await store.search("zurich")] == ["user"]
            (info,) = await store.sessions()
            assert (info.turns, info.tokens, info.title) == (3, 30, "Wo liegt Zürich? 👍")
            assert (await store.begin("Ada's talk", "r4", HI)).seq == 4


async def test_a_file_has_the_same_owners_by_whichever_link_it_is_called(path: Path) -> None:
    link = path.with_name("link.db")
    link.symlink_to(path)
    async with opened(path) as store, opened(link) as other:
        turn = await store.begin("s", "r", HI)
        assert [turn.state for turn in await other.load("s")] == ["accepted"]
        await store.finish(turn, HELLO, state="completed")
        assert [turn.state for turn in await other.load("s")] == ["completed"]


async def test_a_turn_that_cannot_be_read_is_refused_by_whatever_meets_it(path: Path) -> None:
    async with opened(path) as store:
        turn = await store.begin("s", "r", HI)
        await store.finish(turn, HELLO, state="completed")
        await store.mark("s", 1, pinned=True)  # what has notes is read each time
        for _ in range(2):  # the second time in the loop itself
            await store.load("s")
        with closing(sqlite3.connect(path)) as db:
            db.execute("UPDATE turns SET said = x'7b7d'")
            db.commit()
        for use in (
            lambda: store.load("s"),
            lambda: store.begin("s", "r", HI),
            lambda: store.fork("s", "t"),
            lambda: store.search("Hi"),
        ):
            with pytest.raises(StorageError, match="a turn in it cannot be read"):
                await use()


async def test_what_another_process_does_to_a_session_is_seen_by_its_next_turn(path: Path) -> None:
    async def told(store: SQLiteSessions, name: str) -> list[tuple[str, bool]]:
        turn = await store.begin("s", name, HI)
        loaded = await store.load("s")
        await store.finish(turn, HELLO, state="completed")
        return [(turn.request_id, turn.pinned) for turn in loaded]

    async with opened(path) as ours, opened(path) as other:
        await told(ours, "1")
        await told(ours, "2")
        await told(other, "3")
        assert await told(ours, "4") == [(name, False) for name in "1234"]
        assert await told(ours, "5") == [(name, False) for name in "12345"]
        await other.mark("s", 1, pinned=True)
        assert (await told(ours, "6"))[0] == ("1", True)
        await other.forget("s")
        assert await told(other, "7") == [("7", False)]
        assert await told(ours, "8") == [("7", False), ("8", False)]
        await other.rename("s", "t")
        assert await told(ours, "9") == [("9", False)]
        assert [turn.request_id for turn in await ours.load("t")] == ["7", "8"]


async def test_what_was_noted_just_now_is_known_by_the_turn_that_runs(path: Path) -> None:
    async with opened(path) as store:
        turn = await store.begin("s", "1", HI)
        await store.finish(turn, HELLO, state="completed")
        await store.begin("s", "2", HI)
        await store.mark("s", 1, summary="They said hello.")
        assert (await store.load("s"))[0].summary == "They said hello."


async def test_a_conversation_that_goes_on_is_not_read_anew(path: Path) -> None:
    def read(*_: object) -> None:
        raise AssertionError

    async with opened(path) as store:
        for number in range(3):
            turn = await store.begin("s", str(number), HI)
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr(store._db, "read_session", read)
                assert len(await store.load("s")) == number + 1
            await store.finish(turn, HELLO, state="completed")


async def test_who_uses_it_while_it_is_closed_is_answered_or_refused(path: Path) -> None:
    async def use(number: int) -> None:
        await anyio.sleep(number / 5000)
        with suppress(StorageError):
            await store.load("s")
            await store.begin(f"s{number}", "r", HI)

    for _ in range(5):
        async with opened(path) as store:
            await store.load("s")
            with anyio.fail_after(20):
                async with anyio.create_task_group() as tasks:
                    for number in range(10):
                        tasks.start_soon(use, number)
                    await store.aclose()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # since 3.12
def test_in_a_forked_process_it_is_refused_and_the_turns_of_the_other_go_on(path: Path) -> None:
    async def begin() -> Turn:
        turn = await store.begin("s", "r", HI)
        await store.load("s")
        return turn

    async def finish(turn: Turn) -> Turn:
        async with opened(path) as other:
            assert [turn.state for turn in await other.load("s")] == ["accepted"]
        ended = await store.finish(turn, HELLO, state="completed")
        await store.aclose()
        return ended

    async def use() -> str:
        said = ""
        with anyio.move_on_after(5):
            for use in (lambda: store.load("s"), store.sessions, lambda: store.forget("s")):
                try:
                    await use()
                except StorageError as error:
                    said = error.message
            await store.aclose()
            return said
        return "hangs"

    def child(say: Connection) -> None:
        say.send(anyio.run(use))

    store = SQLiteSessions(path)
    turn = anyio.run(begin)
    hear, say = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=child, args=(say,))
    process.start()
    process.join(20)
    with hear, say:
        assert "was forked" in hear.recv()
    assert anyio.run(finish, turn).state == "completed"
