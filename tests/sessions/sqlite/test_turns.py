"""The steps of a transaction, one by one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from chatbots.errors import InvalidRequest, StorageError
from chatbots.messages import Message, Turn, Usage
from chatbots.sessions.sqlite import turns
from chatbots.sessions.sqlite.owners import Owner
from chatbots.sessions.sqlite.schema import open_writer
from chatbots.sessions.sqlite.writer import Busy

HI = (Message("user", "Hi"),)
HELLO = (Message("assistant", "Hello."),)


class Two:
    """Two stores on one file."""

    def __init__(self, path: Path) -> None:
        self.db = open_writer(path)
        self.me = Owner(path.with_name("owners"))
        self.other = Owner(path.with_name("owners"))

    def begin(
        self, session: str, name: str, *, owner: Owner | None = None, now: float = 7.0
    ) -> Turn:
        return turns.accept(self.db, session, name, HI, now=now, owner=owner or self.me)[0]

    def end(self, turn: Turn, *, usage: Usage | None = None) -> Turn:
        return turns.end(
            self.db, turn, HELLO, state="completed", reason="stop", usage=usage, now=9.0
        )

    def load(self, session: str, last: int | None = None) -> list[Turn]:
        return turns.load(self.db, session, last)[0]


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Two]:
    made = Two(tmp_path / "s.db")
    with closing(made.db):
        yield made
    made.me.close()


def test_a_turn_runs_until_it_ends(two: Two) -> None:
    turn = two.begin("s", "r")
    with pytest.raises(Busy) as raised:
        two.begin("s", "r2")
    assert (raised.value.session, raised.value.foreign) == ("s", False)
    with pytest.raises(Busy) as raised:
        two.begin("s", "r", owner=two.other)
    assert raised.value.foreign
    turns.keep(two.db, turn, HELLO, "waiting_for_tools")
    ended = two.end(turn, usage=Usage(1, 2, 3))
    assert two.load("s") == [ended]
    assert two.begin("s", "r") == ended
    assert two.begin("s", "r2").seq == 2
    two.other.close()


def test_other_words_are_a_conflict(two: Two) -> None:
    two.begin("s", "r")
    with pytest.raises(InvalidRequest, match="asked something else"):
        turns.accept(two.db, "s", "r", HELLO, now=1.0, owner=two.me)
    two.other.close()


def test_nothing_is_done_to_a_turn_that_has_ended(two: Two) -> None:
    ended = two.end(two.begin("s", "r"))
    with pytest.raises(ValueError, match="cannot become streaming"):
        turns.keep(two.db, ended, (), "streaming")
    with pytest.raises(ValueError, match="cannot become completed"):
        two.end(ended)
    turns.withdraw(two.db, ended)
    assert two.load("s") == [ended]
    two.other.close()


def test_what_the_dead_left_is_ended_by_whoever_needs_the_session(two: Two) -> None:
    ours = two.begin("ours", "r")
    dead = [two.begin(name, "r", owner=two.other) for name in ("a", "b", "c")]
    two.other.close()
    again = two.begin("a", "r")
    assert (again.state, again.reason) == ("interrupted", "crashed")
    assert two.begin("a", "r2").seq == 2
    turns.recover_one(two.db, "b", two.me)
    assert two.load("b")[0].state == "interrupted"
    assert two.load("c")[0].state == "accepted"
    turns.recover_all(two.db, two.me)
    assert two.load("c")[0].state == "interrupted"
    assert two.load("ours") == [ours]
    turns.recover_one(two.db, "nobody's", two.me)
    turns.keep(two.db, dead[0], HELLO, "streaming")
    assert two.load("a")[0] == again
    with pytest.raises(StorageError, match="taken for dead"):
        two.end(dead[0])


def test_what_was_forgotten_is_ended_into_nothing(two: Two) -> None:
    turn = two.begin("s", "r")
    turns.forget(two.db, "s")
    turns.forget(two.db, "s")
    turns.keep(two.db, turn, HELLO, "streaming")
    assert two.end(turn).text == "Hello."
    turns.withdraw(two.db, turn)
    assert two.load("s") == []
    new = two.begin("s", "r", now=8.0)
    turns.keep(two.db, turn, HELLO, "streaming")
    two.end(turn)
    turns.withdraw(two.db, turn)
    assert two.load("s") == [new]
    two.other.close()


def test_a_beginning_is_taken_back_without_a_trace(two: Two) -> None:
    turns.withdraw(two.db, two.begin("s", "r"))
    assert two.db.execute("SELECT count(*) FROM sessions").fetchone() == (0,)
    first = two.end(two.begin("s", "r"))
    turns.withdraw(two.db, two.begin("s", "r2"))
    assert two.load("s") == [first]
    assert two.begin("s", "r3").seq == 2
    two.other.close()


def test_the_last_turns_come_with_what_was_noted(two: Two) -> None:
    for number in range(1, 8):
        two.end(two.begin("s", f"r{number}"))
    turns.mark(two.db, "s", 1, True, None)
    turns.mark(two.db, "s", 2, None, "Old.")
    turns.mark(two.db, "s", 4, None, "New.")
    assert [turn.seq for turn in two.load("s", 2)] == [1, 4, 6, 7]
    assert [turn.seq for turn in two.load("s", 0)] == [1, 4]
    turns.mark(two.db, "s", 7, None, "Newest.")
    assert [turn.seq for turn in two.load("s", 2)] == [1, 6, 7]
    with pytest.raises(InvalidRequest, match="no turn 9"):
        turns.mark(two.db, "s", 9, True, None)
    two.other.close()


def test_the_last_turns_of_many_are_read_by_their_index(two: Two) -> None:
    plans = [
        row[3]
        for query, values in ((turns._LAST, (1, 5)), (turns._NOTED, (1, 5, 1)))
        for row in two.db.execute(f"EXPLAIN QUERY PLAN {query}", values)
    ]
    assert not [plan for plan in plans if plan.startswith("SCAN")]
    assert sum("turns_noted" in plan for plan in plans) == 2
    two.other.close()


def test_a_row_that_is_no_turn_is_an_error(two: Two) -> None:
    two.begin("s", "r")
    two.db.execute("UPDATE turns SET said = 'no JSON'")
    with pytest.raises(Exception, match="malformed"):
        two.load("s")
    two.other.close()
