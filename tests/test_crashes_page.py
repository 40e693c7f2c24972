"""The page on crashes names every scenario, every guard and every column, and no others."""

from __future__ import annotations

import re
from pathlib import Path

from tests.chaos.breaks import BREAKS
from tests.chaos.checking import FAULTS
from tests.chaos.scenarios import SCENARIOS

PAGE = (Path(__file__).parent.parent / "docs/crashes.md").read_text("utf-8")


def test_the_page_lists_the_scenarios_and_the_guards() -> None:
    listed = re.findall(r"^\| `([a-z-]+)` \|", PAGE, re.MULTILINE)
    assert listed == [*SCENARIOS, *BREAKS]


def test_the_table_on_the_page_is_the_one_that_is_printed() -> None:
    header, *rows = PAGE.split("```\n")[3].splitlines()
    assert header.split() == list(SCENARIOS)
    numbers = {row[:24].strip(): row[24:].split() for row in rows}
    assert {column: numbers[column] for column in FAULTS} == {
        column: ["0"] * len(SCENARIOS) for column in FAULTS
    }
