"""Compares what came of a trial with what must come of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from tests.faults.expected import COMPLETED, EXIT, FAILED, INCOMPLETE, INTERRUPTED
from tests.faults.trial import Seen, Trial

MARGIN: Final = 2.0
"""Seconds beyond a deadline that a busy machine may take."""
PATH: Final = "/v1/chat/completions"
ENDS: Final = (COMPLETED, INCOMPLETE, FAILED, INTERRUPTED)
COLUMNS: Final = ("false completes", "leaks", "raw exceptions", "past the deadline", "other ends")
"""What may be wrong, in the order of a `Verdict`."""
NORMAL: Final = (COMPLETED, INCOMPLETE)


class Verdict(NamedTuple):
    """What is wrong with a turn; nothing, if all is false and empty."""

    typed: bool
    false_complete: bool
    leaks: int
    raw: bool
    late: bool
    other: tuple[str, ...]
    """Where it differs from the table."""

    @property
    def good(self) -> bool:
        """Whether nothing is wrong."""
        wrong = self.false_complete or self.leaks or self.raw or self.late or self.other
        return self.typed and not wrong


def judge(trial: Trial, seen: Seen) -> Verdict:
    """Say what is wrong with what was *seen*."""
    expected = trial.outcome
    ended_well = seen.state in NORMAL
    return Verdict(
        typed=seen.state in ENDS and not seen.raw,
        false_complete=(ended_well and expected.state not in NORMAL)
        or (seen.state == COMPLETED and (seen.text != expected.text or not seen.text)),
        leaks=len(seen.leaks),
        raw=bool(seen.raw),
        late=seen.seconds > trial.deadline + MARGIN,
        other=tuple(_differences(trial, seen)),
    )


def _differences(trial: Trial, seen: Seen) -> Iterator[str]:
    expected = trial.outcome
    if (seen.state, seen.code) != (expected.state, expected.code):
        yield f"ends {seen.state} {seen.code}, not {expected.state} {expected.code}"
    if not _same(seen.text, expected.text, and_more=expected.and_more):
        yield f"keeps {shortened(seen.text)}, not {shortened(expected.text)}"
    if len(seen.paths) != expected.requests:
        yield f"asks {len(seen.paths)} times, not {expected.requests}"
    if seen.seconds < trial.at_least:
        yield f"comes back after {seen.seconds:.2f} s, not {trial.at_least:g} s"
    if set(seen.paths) - {PATH}:
        yield "follows a redirect"
    if (
        trial.kind in ("bot", "tools")
        and trial.through != "stateless"
        and seen.stored
        != (
            seen.state,
            seen.text,
        )
    ):
        yield f"stores {seen.stored}"
    if trial.kind == "program":
        if seen.status != EXIT[expected.state]:
            yield f"exits with {seen.status}, not {EXIT[expected.state]}"
        if seen.told != (expected.state != COMPLETED):
            yield f"says {seen.told} times what is wrong"


def _same(text: str, expected: str, *, and_more: bool) -> bool:
    return text.startswith(expected) if and_more else text == expected


class Tally:
    """Counts what came of all trials."""

    def __init__(self) -> None:
        self.faults: set[str] = set()
        self.turns = 0
        self.typed = 0
        self.wrong = dict.fromkeys(COLUMNS, 0)

    def add(self, trial: Trial, verdict: Verdict) -> None:
        """Count a trial."""
        self.faults.add(trial.fault.partition(",")[0])
        self.turns += 1
        self.typed += verdict.typed
        for column, count in zip(COLUMNS, verdict[1:], strict=True):
            self.wrong[column] += count if isinstance(count, int) else bool(count)

    @property
    def good(self) -> bool:
        """Whether nothing is wrong."""
        return self.typed == self.turns and not any(self.wrong.values())

    def __str__(self) -> str:
        wrong = ", ".join(f"{column} {count}" for column, count in self.wrong.items())
        return (
            f"faults tried {len(self.faults)} in {self.turns} turns, "
            f"typed outcomes {self.typed}, {wrong}"
        )


def line(trial: Trial, seen: Seen, verdict: Verdict) -> str:
    """Return what came of a trial in a line."""
    wrong = [
        *verdict.other,
        *(["it counts as complete"] * verdict.false_complete),
        *(f"the key is in its {place}" for place in seen.leaks),
        *([f"{seen.raw} came out"] * verdict.raw),
        *(["it is late"] * verdict.late),
    ]
    asked = f"{len(seen.paths)} asked"
    facts = (
        f"{trial.fault:24} {trial.kind:7} {trial.through:9} {seen.state:11} {seen.code:21} "
        f"{asked} {seen.seconds:5.2f} s  {shortened(seen.text)}"
    )
    return f"{facts}  WRONG: {'; '.join(wrong)}" if wrong else facts


def shortened(text: str) -> str:
    """Return a text as it fits in a line."""
    return repr(text) if len(text) <= 40 else f"{text[:30]!r}… ({len(text):,} characters)"
