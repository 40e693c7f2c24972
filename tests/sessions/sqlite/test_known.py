from __future__ import annotations

import pytest
from msgspec.structs import replace

from chatbots.messages import Message, Turn, TurnState
from chatbots.sessions.sqlite import known as module
from chatbots.sessions.sqlite.known import Known


def turn(seq: int, state: TurnState = "completed", *, session: str = "s") -> Turn:
    said = (Message("user", "Hi"),)
    return Turn(session=session, request_id=f"r{seq}", seq=seq, state=state, said=said)


class File:
    """What a session has in the file, and after how many turns it was read."""

    def __init__(self, known: Known, *turns: Turn, number: int = 1) -> None:
        self.known = known
        self.turns = list(turns)
        self.number = number
        self.read: list[int] = []

    def load(self, first: int, session: str = "s") -> list[int]:
        def read(after: int) -> list[Turn]:
            self.read.append(after)
            return [turn for turn in self.turns if turn.seq > after]

        return [turn.seq for turn in self.known.turns(session, self.number, first, read)]


def now(known: Known, last: int | None = None) -> list[int] | None:
    turns = known.at_once("s", last)
    return None if turns is None else [turn.seq for turn in turns]


def test_only_what_is_new_is_read() -> None:
    file = File(Known(), turn(1), turn(2), turn(3, "streaming"))
    assert file.load(0) == [1, 2, 3]
    file.turns[2:] = [turn(3), turn(4)]
    assert file.load(1) == [2, 3, 4]
    assert file.load(0) == [1, 2, 3, 4]
    assert file.read == [0, 2, 4]


def test_what_is_older_than_what_is_known_is_read_with_all_that_follows() -> None:
    file = File(Known(), *map(turn, range(1, 6)))
    assert file.load(3) == [4, 5]
    assert file.load(1) == [2, 3, 4, 5]
    assert file.load(2) == [3, 4, 5]
    assert file.read == [3, 1, 5]


def test_what_comes_after_a_gap_is_known_without_what_was_before() -> None:
    file = File(Known(), turn(1))
    file.load(0)
    file.turns += [turn(2), turn(3), turn(4)]
    assert file.load(3) == [4]
    assert file.load(0) == [1, 2, 3, 4]
    file.turns.append(turn(7))  # no store leaves a gap: it is not remembered
    assert file.load(0) == [1, 2, 3, 4, 7]
    assert file.load(0) == [1, 2, 3, 4, 7]
    assert file.read == [0, 3, 0, 4, 4]


def test_another_session_of_the_name_is_another() -> None:
    known = Known()
    File(known, turn(1), turn(2)).load(0)
    assert File(known, turn(1), number=2).load(0) == [1]


def test_what_begins_here_is_known_until_a_moment_later(monkeypatch: pytest.MonkeyPatch) -> None:
    known = Known()
    assert now(known) is None
    File(known, turn(1), turn(2)).load(0)
    assert now(known) is None
    known.begun(turn(3, "accepted"), 1)
    assert (now(known), now(known, 2), now(known, 1)) == ([1, 2, 3], [2, 3], [3])
    monkeypatch.setattr(module, "monotonic", lambda: float("inf"))
    assert now(known) is None


def test_what_is_not_known_so_far_back_is_not_said_at_once() -> None:
    known = Known()
    File(known, *map(turn, range(1, 4))).load(1)
    known.begun(turn(4, "accepted"), 1)
    assert (now(known, 3), now(known, 4)) == ([2, 3, 4], None)


def test_where_others_have_written_too_that_is_read_once() -> None:
    known = Known()
    file = File(known, turn(1))
    file.load(0)
    known.begun(turn(4, "accepted"), 1)
    assert now(known) is None
    file.turns += [turn(2), turn(3), turn(4, "accepted")]
    assert file.load(0) == [1, 2, 3, 4]
    assert now(known) == [1, 2, 3, 4]
    known.ended(turn(4))
    file.turns[3:] = []
    assert file.load(0) == [1, 2, 3, 4]
    assert file.read == [0, 1, 4]


def test_where_nothing_is_known_what_was_before_is_read_once() -> None:
    known = Known()
    known.begun(turn(3, "accepted"), 1)
    assert (now(known, 1), now(known, 2)) == ([3], None)
    assert File(known, turn(1), turn(2), turn(3, "accepted")).load(0) == [1, 2, 3]
    assert now(known) == [1, 2, 3]


def test_of_another_session_of_the_name_nothing_is_mixed_in() -> None:
    known = Known()
    File(known, turn(1)).load(0)
    known.begun(turn(2, "accepted"), 2)
    assert (now(known, 1), now(known)) == ([2], None)


def test_what_ends_here_need_not_be_read() -> None:
    known = Known()
    known.begun(turn(1, "accepted"), 1)
    known.ended(turn(1))
    known.ended(turn(1))
    known.begun(turn(2, "accepted"), 1)
    assert now(known) == [1, 2]
    known.ended(turn(2, session="t"))
    known.ended(replace(turn(2), seq=0))  # so a store says that its session is gone
    known.begun(Turn(session="s", request_id="other", seq=2, state="accepted", said=()), 1)
    known.ended(turn(2))
    file = File(known, turn(1), turn(2))
    assert file.load(0) == [1, 2]
    assert file.read == [1]


def test_what_is_doubted_is_read_and_its_end_known() -> None:
    known = Known()
    known.doubt("s")
    known.begun(turn(1, "accepted"), 1)
    known.doubt("s")
    assert now(known) is None
    known.ended(turn(1))
    file = File(known, turn(1))
    assert (file.load(0), file.read) == ([1], [1])


def test_what_is_forgotten_is_read_again() -> None:
    known = Known()
    file = File(known, turn(1))
    file.load(0)
    file.load(0, "t")
    known.forget("s")
    file.load(0)
    known.forget()
    file.load(0, "t")
    assert file.read == [0, 0, 0, 0]


def test_only_so_much_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 2 * (module.AROUND + len("Hi")))
    file = File(Known(), turn(1))
    for session in ("s", "t", "s", "u", "t"):  # what was read first goes first
        file.load(0, session)
    assert file.read == [0, 0, 1, 0, 1]
    file.turns += [turn(2), turn(3)]
    file.load(0)
    file.load(0)
    assert file.read[-2:] == [0, 0]
