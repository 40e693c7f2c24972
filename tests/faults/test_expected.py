"""The table of faults: nothing the fake server can do is left out."""

from __future__ import annotations

from collections import Counter

from chatbots.testing.faults.names import FAULTS, find
from tests.faults.expected import COMPLETED, rows


def test_every_fault_is_in_the_table_once() -> None:
    assert Counter(row.name for row in rows()) == Counter(list(FAULTS))


def test_every_fault_is_written_as_the_server_reads_it() -> None:
    for row in rows():
        assert find(row.fault)


def test_no_completed_turn_is_empty() -> None:
    for row in rows():
        for outcome in (row.whole, row.stream):
            assert outcome.text or outcome.state != COMPLETED, row.fault
