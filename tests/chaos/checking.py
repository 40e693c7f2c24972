"""What clients, model and tools have seen, held against what is stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from chatbots.messages import Turn
from chatbots.sessions.turn import FINAL
from tests.chaos.asked import Note, id_in, wants_tool
from tests.chaos.clients import Attempt, History
from tests.chaos.upstream import Read

LOSS: Final = 1.0
"""Seconds of output a crash may cost (P3)."""
SLACK: Final = 1.0
"""Seconds by which a busy machine may show a piece late."""

COUNTS: Final = (
    "requests",
    "accepted",
    "acked",
    "cut short",
    "refused",
    "stored late",
    "ping in calm, ms",
    "slowest ping, ms",
    "recovery of 10,000, ms",
)
"""Columns that say how much was tried: with the model, answered, broken off; how quick."""
FAULTS: Final = (
    "lost",
    "duplicated",
    "gaps",
    "false-complete",
    "prefix",
    "poisoned",
    "left open",
    "unanswered",
    "tools twice",
    "tools untold",
)
"""Columns that have to be 0."""


class Tally:
    """How often what was seen, and the first of each fault in words."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.examples: dict[str, str] = {}

    def fault(self, column: str, why: str) -> None:
        """Count a fault."""
        self.counts[column] += 1
        self.examples.setdefault(column, why)

    @property
    def good(self) -> bool:
        """Whether nothing is wrong."""
        return not any(self.counts[column] for column in FAULTS)

    def take(self, other: Tally) -> None:
        """Add what another has counted."""
        self.counts.update(other.counts)
        self.examples = other.examples | self.examples


class Rules(NamedTuple):
    """What else is allowed: pieces *slack* seconds late, and answers that could not be stored."""

    slack: float = SLACK
    disk_failed: bool = False


def check(
    histories: Iterable[History],
    stored: Mapping[str, Sequence[Turn]],
    reads: Sequence[Read],
    runs: Iterable[str],
    rules: Rules | None = None,
) -> Tally:
    """Return what is wrong, by the *rules*."""
    tally = Tally()
    by_prompt = _by_prompt(tally, stored)
    first_reads = Counter(read.prompt for read in reads if not read.again)
    for read in reads:
        if read.refused is not None:
            tally.fault("poisoned", f"{read.prompt}: {read.refused}")
    ran = Counter(runs)
    for history in histories:
        prompt = history.asked.prompt
        times, turns = first_reads[prompt], by_prompt.get(prompt, [])
        tally.counts["requests"] += 1
        tally.counts["accepted"] += bool(times)
        _check_one(tally, history, turns, times, rules or Rules())
        _check_tools(tally, prompt, turns, ran[id_in(prompt)])
    return tally


def check_stored(told: Iterable[Note], stored: Mapping[str, Sequence[Turn]]) -> Tally:
    """Return what is wrong with what is *stored* after all that was *told*."""
    tally = Tally()
    by_prompt = _by_prompt(tally, stored)
    for one in told:
        turns = by_prompt.get(one.prompt, [])
        tally.counts["accepted" if one.answer is None else "acked"] += 1
        if len(turns) > 1:
            tally.fault("duplicated", f"{one.prompt}: {len(turns)} turns")
        if not turns:
            tally.fault("lost", f"{one.prompt}: accepted, and not there")
        elif one.answer is not None and (turns[0].state, turns[0].text) != (
            "completed",
            one.answer,
        ):
            tally.fault("lost", f"{one.prompt}: done, but {turns[0].state} is stored")
    return tally


def _by_prompt(tally: Tally, stored: Mapping[str, Sequence[Turn]]) -> dict[str, list[Turn]]:
    """Look at each session for itself; return the turns by what was asked."""
    by_prompt: dict[str, list[Turn]] = {}
    for session, turns in stored.items():
        if [turn.seq for turn in turns] != list(range(1, len(turns) + 1)):
            tally.fault("gaps", f"{session}: {[turn.seq for turn in turns]}")
        for turn in turns:
            by_prompt.setdefault(turn.said[-1].content, []).append(turn)
            if turn.state not in FINAL:
                tally.fault("left open", f"{session} {turn.seq}: {turn.state}")
    return by_prompt


def _check_one(
    tally: Tally, history: History, turns: Sequence[Turn], read: int, rules: Rules
) -> None:
    asked = history.asked
    shown_any = any(attempt.texts for attempt in history.attempts)
    if len(turns) > 1 or read > 1:
        tally.fault("duplicated", f"{asked.prompt}: {len(turns)} turns, {read} times read")
    if not turns:
        if read or shown_any:
            tally.fault("lost", f"{asked.prompt}: accepted, and not there")
        return
    turn = turns[0]
    if turn.state == "completed" and turn.text != asked.text:
        tally.fault("false-complete", f"{asked.prompt}: {turn.text!r} is stored as whole")
    tally.counts["cut short"] += turn.state != "completed"
    answered = False
    for attempt in history.attempts:
        _check_attempt(tally, asked.prompt, attempt, turn, asked.text, rules)
        answered |= attempt.end == "completed"
    tally.counts["acked"] += answered
    if not history.ended:
        tally.fault(
            "unanswered", f"{asked.prompt}: no end after so many times: {len(history.attempts)}"
        )


def _check_attempt(
    tally: Tally, prompt: str, attempt: Attempt, turn: Turn, whole: str, rules: Rules
) -> None:
    shown, kept = attempt.shown, turn.text
    if not (kept.startswith(shown) or shown.startswith(kept)):
        tally.fault("prefix", f"{prompt}: shown {shown!r}, stored {kept!r}")
    if attempt.end == "completed":
        if shown != whole:
            tally.fault("false-complete", f"{prompt}: {shown!r} was shown as whole")
        if not attempt.stored and not rules.disk_failed:
            tally.fault("lost", f"{prompt}: the answer was not stored, and the disk was well")
        if (attempt.stored or rules.disk_failed) and (turn.state != "completed" or kept != shown):
            tally.fault("lost", f"{prompt}: done, but {turn.state} with {kept!r} is stored")
    elif attempt.replayed and attempt.end == "failed" and shown != kept:
        tally.fault("duplicated", f"{prompt}: replayed as {shown!r}, stored {kept!r}")
    elif attempt.at and not attempt.replayed:
        until = attempt.at[-1] - LOSS - rules.slack
        pieces = zip(attempt.texts, attempt.at, strict=True)
        early = "".join(text for text, at in pieces if at < until)
        if len(kept) < len(early):
            lost = attempt.at[-1] - attempt.at[0]
            why = f"{prompt}: {turn.state} {turn.reason}, {len(kept)} characters are stored of"
            tally.fault("prefix", f"{why} {len(shown)} shown in {lost:.1f} s")


def _check_tools(tally: Tally, prompt: str, turns: Sequence[Turn], ran: int) -> None:
    if not wants_tool(prompt):
        return
    if ran > 1:
        tally.fault("tools twice", f"{prompt}: {ran} times")
    called = any(message.tool_calls for turn in turns for message in turn.answer)
    if ran and not called:
        tally.fault("tools untold", f"{prompt}: it ran, and the turn does not tell")
