from __future__ import annotations

import re

import pytest

from chatbots.testing.faults.names import (
    EVERY,
    FAULTS,
    OK,
    Sequences,
    find,
    listed,
    placed,
    sequence,
    shown,
)


def test_a_fault_is_found_with_its_number_or_the_usual_one() -> None:
    assert find("429-s:7").number == 7
    assert find("429-s") == find("429-s:") == find(" 429-s:1 ")
    assert find("slow-drip:.5").number == 0.5
    assert find(OK).fault.about == "no fault"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("nothing-like-it-at-all", "--fault list shows all"),
        ("midstream-rest", "did you mean midstream-reset"),
        ("midstream", "did you mean midstream-disconnect"),
        ("", "No fault is called ''"),
        ("hang:3", "hang takes no number"),
        ("429-s:soon", "a number of seconds, not 'soon'"),
        ("429-s:-1", "a number of seconds, not '-1'"),
        ("429-s:nan", "a number of seconds"),
        ("429-s:inf", "a number of seconds"),
    ],
)
def test_what_is_no_fault_is_told_what_there_is(wrong: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        find(wrong)


def test_a_sequence_is_checked_as_a_whole() -> None:
    assert sequence("500, 500:,ok") == ["500", "500:", "ok"]
    with pytest.raises(ValueError, match="'nope'"):
        sequence("500,nope")


def test_each_sequence_takes_turns_by_itself_and_starts_again() -> None:
    sequences = Sequences()
    assert [sequences.next_of("500,ok") for _ in range(3)] == ["500", "ok", "500"]
    assert sequences.next_of("ok,500") == "ok"
    with pytest.raises(ValueError, match="nope"):
        sequences.next_of("nope")


def test_after_is_the_number_of_a_fault_that_counts_pieces() -> None:
    assert placed("midstream-reset", 2) == "midstream-reset:2"
    assert placed("midstream-reset:3", None) == "midstream-reset:3"
    assert placed(None, None) is None
    for fault in (None, "hang", "429-s", "midstream-reset:3"):
        with pytest.raises(ValueError, match="after="):
            placed(fault, 1)


def test_the_list_has_a_line_for_each() -> None:
    assert len(listed()) == len(EVERY)
    assert any(re.match(r"midstream-reset:3 \(pieces\) +the connection", line) for line in listed())
    assert shown("hang") == "hang"
    assert all(len(line) <= 120 for line in listed())


def test_a_name_can_stand_in_a_sequence_and_a_model() -> None:
    assert [name for name in FAULTS if not re.fullmatch(r"[a-z0-9-]+", name)] == []
    assert [name for name in FAULTS if not FAULTS[name].about] == []
