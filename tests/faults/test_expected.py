"""The table of faults: nothing the fake server can do is left out."""

from __future__ import annotations

from collections import Counter

from chatbots.testing.faults.names import FAULTS, find
from tests.faults.expected import COMPLETED, OFFERED, more_rows, rows


def test_every_fault_is_in_the_table_once() -> None:
    assert Counter(row.name for row in rows()) == Counter(list(FAULTS))


def test_every_fault_is_written_as_the_server_reads_it() -> None:
    for row in rows():
        assert find(row.fault)


def test_no_completed_turn_is_empty() -> None:
    for row in rows():
        for outcome in (row.whole, row.stream, row.offered or row.whole):
            assert outcome.text or outcome.state != COMPLETED, row.fault


def test_every_fault_of_a_call_has_an_outcome_where_tools_are_offered() -> None:
    named = {row.fault for row in (*rows(), *more_rows()) if row.name.startswith("tool-")}
    assert named == {row.fault for row in (*rows(), *more_rows()) if row.offered is not None}
    assert named == OFFERED.keys()
