"""A turn to be tried: a fault, what it goes through, its deadlines; and what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from tests.faults.expected import Outcome, Row

THROUGH: Final = " through "
"""What a prompt has between the fault and the bot or program it goes through."""
BOTS: Final = ("stateless", "memory", "streaming")
PROGRAMS: Final = ("nomem", "memory", "stream")
STREAMING: Final = ("streaming", "stream")
OFFERING: Final = ("tools", "program")
"""The kinds that offer tools: bots that were given some, and programs by themselves."""

SILENCE: Final = 0.5
"""Seconds without content that are waited for, where the outcome is about that."""
SHORT_TURN: Final = 0.5
"""Seconds for the turn, where the outcome is that they were over."""
LONG: Final = 20.0
"""Seconds that are never over, unless something is wrong."""
HUNG: Final = 25.0
"""Seconds after which a turn that has no end is given up."""


class Trial(NamedTuple):
    """A fault, what it goes through, and what must come of it.

    `kind` is `program`, `bot`, `tools`: a bot that offers some, or `sdk`: a bot with an
    application's own client.
    """

    fault: str
    kind: str
    through: str
    outcome: Outcome

    @property
    def prompt(self) -> str:
        """What is said: it tells the server what to do."""
        return f"{self.fault}{THROUGH}{self.kind} {self.through}"

    @property
    def streams(self) -> bool:
        return self.through in STREAMING

    @property
    def waits(self) -> bool:
        """Whether the outcome is that some time was over."""
        return self.outcome.code in ("upstream_timeout", "stream_stalled")

    @property
    def limits(self) -> dict[str, float]:
        """The settings' deadlines."""
        silence, turn = LONG, LONG
        if self.waits:
            silence = SILENCE
            over = not self.streams or self.outcome.text != ""
            turn = SHORT_TURN if over and self.outcome.code == "upstream_timeout" else LONG
        return {
            "chatbots_first_token_timeout": silence,
            "chatbots_gap_timeout": silence,
            "chatbots_timeout": turn,
        }

    @property
    def at_least(self) -> float:
        """The seconds that the server asks to wait, over all tries."""
        name, _, number = self.fault.partition(",")[0].partition(":")
        unit = {"429-s": 1.0, "429-ms": 0.001}.get(name)
        return unit * float(number) * (self.outcome.requests - 1) if unit else 0.0

    @property
    def hung_after(self) -> float:
        """The seconds after which it is given up."""
        return HUNG

    @property
    def deadline(self) -> float:
        """The seconds it may take."""
        limits = self.limits
        return min(limits["chatbots_timeout"], 2 * limits["chatbots_gap_timeout"])


class Seen(NamedTuple):
    """What came of a trial.

    `told` is how often an error, or a cut, was said in a line; None where nobody says it.
    `stored` is what a session holds of it, None where there is none.
    `leaks` names the places that show the key, `raw` an exception that is no `ChatError`.
    """

    state: str
    code: str
    text: str
    seconds: float
    status: int | None = None
    told: int | None = None
    stored: tuple[str, str] | None = None
    leaks: tuple[str, ...] = ()
    raw: str = ""
    paths: tuple[str, ...] = ()


def trials(rows: Iterable[Row], kinds: Mapping[str, tuple[str, ...]]) -> list[Trial]:
    """Return every row through each of *kinds*."""
    return [
        Trial(row.fault, kind, one, _outcome(row, kind, one))
        for row in rows
        for kind, through in kinds.items()
        for one in through
    ]


def _outcome(row: Row, kind: str, through: str) -> Outcome:
    if kind in OFFERING and row.offered is not None:
        return row.offered
    return row.stream if through in STREAMING else row.whole
