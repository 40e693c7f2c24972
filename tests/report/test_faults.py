"""What is tried is what the fake server has, each once."""

from __future__ import annotations

from chatbots.testing.faults import names, tools
from report.faults import FAULTS, OWN, SMOKE, Tried
from report.scoring import Must

SPECS = [fault.spec for fault in FAULTS]


def test_every_fault_exists() -> None:
    for spec in set(SPECS) - set(OWN):
        names.find(spec)


def test_no_fault_is_tried_twice() -> None:
    assert len(SPECS) == len(set(SPECS))


def test_only_what_cannot_be_judged_by_its_text_is_left_out() -> None:
    known = {name for name in names.FAULTS if name not in tools.FAULTS}
    left_out = known - {spec.partition(":")[0] for spec in SPECS}
    spellings_of_429 = {"429-ms", "429-date", "429-bad", "429-neg"}
    assert left_out == {"refusal", "endless", "slow-first-byte"} | spellings_of_429


def test_the_smoke_run_tries_some_of_them() -> None:
    assert set(SMOKE) < set(SPECS)


def test_a_fault_that_adds_to_the_answer_has_a_longer_whole_text() -> None:
    fault = Tried("unicode", Must.ANSWER, ("!", "?"))
    assert [text[-1] for text in fault.whole] == ["!", "?"]
