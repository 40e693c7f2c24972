from __future__ import annotations

import pytest

from chatbots.speech.clauses import LONGEST, Clauses


def cut(text: str, size: int) -> list[str]:
    clauses = Clauses()
    found: list[str] = []
    for start in range(0, len(text), size):
        found += clauses.push(text[start : start + size])
    return found + clauses.end()


TEXTS = [
    ("Paris.", ["Paris."]),
    ("Yes, of course. Paris is in France.", ["Yes, ", "of course. ", "Paris is in France."]),
    ("It is 3.14, not 2,000.50 or so. Mr. J. Smith knows.", [
        "It is 3.14, ", "not 2,000.50 or so. ", "Mr. J. Smith knows."]),
    ("One two three four five six seven eight nine ten", [
        "One two three four five six seven eight ", "nine ten"]),
    ("Well: one short, two short, three, and only here is it long enough, so it ends.", [
        "Well: ", "one short, two short, three, and only here is it long enough, ", "so it ends."]),
    ('He said "no!" And left.', ['He said "no!" ', "And left."]),
    ("1. First\n2. Second", ["1. First\n", "2. Second"]),
    ("\n\n Hello there. ", ["\n\n Hello there. "]),
]  # fmt: skip


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize(("text", "clauses"), TEXTS)
def test_text_is_cut_where_a_voice_may_pause_however_it_arrives(
    text: str, clauses: list[str], size: int
) -> None:
    found = cut(text, size)
    assert "".join(found).rstrip() == text.rstrip()
    # A piece may arrive before it is known that the space goes on.
    assert [clause.strip() for clause in found] == [one.strip() for one in clauses]


def test_a_text_without_a_stop_is_cut_at_a_space() -> None:
    later = cut("Yes. " + "word " * 200, 1)[1:]
    assert all(len(clause) <= LONGEST + len("word ") for clause in later)
    assert len(later) == 5


def test_nothing_is_no_clause() -> None:
    assert cut("  \n ", 1) == []
