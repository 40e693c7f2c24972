"""The life of a turn, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias, get_args

from msgspec import Struct
from msgspec.structs import replace

from chatbots.messages import FinalState, Message, Turn, TurnState, UnderWay, Usage

FINAL: Final[frozenset[TurnState]] = frozenset(get_args(FinalState))
OPEN: Final[frozenset[TurnState]] = frozenset({"accepted", *get_args(UnderWay)})

CRASHED: Final = "crashed"
"""The reason of a turn whose process died."""

SPOKEN_INTO: Final = "interrupted"
"""The reason of an answer into which the user spoke. It is incomplete."""

Deed: TypeAlias = Literal["begin", "checkpoint", "finish", "recover"]
"""What is done to a turn; `recover` ends one that nobody runs any more."""


class Rule(Struct, frozen=True, kw_only=True):
    """When a deed may be done, what may come of it, and which fields of the turn it writes."""

    of: frozenset[TurnState]
    to: frozenset[TurnState]
    writes: tuple[str, ...]


TABLE: Final[dict[Deed, Rule]] = {
    "begin": Rule(
        of=frozenset(),
        to=frozenset({"accepted"}),
        writes=("session", "request_id", "seq", "said", "began_at", "state"),
    ),
    "checkpoint": Rule(of=OPEN, to=frozenset(get_args(UnderWay)), writes=("state", "answer")),
    "finish": Rule(of=OPEN, to=FINAL, writes=("state", "answer", "reason", "usage")),
    "recover": Rule(of=OPEN, to=frozenset({"interrupted"}), writes=("state", "reason")),
}
"""What may be done to a turn; what is not here may not, and to a final turn nothing may."""


def check(state: TurnState, deed: Deed, to: TurnState) -> None:
    """Raise `ValueError` unless *deed* may take a turn that is *state* to *to*."""
    rule = TABLE[deed]
    if state not in rule.of or to not in rule.to:
        raise ValueError(f"A turn that is {state} cannot become {to} by {deed}.")


def begun(
    session: str, request_id: str, said: Sequence[Message], *, seq: int, began_at: float
) -> Turn:
    """Return the turn that begins."""
    return Turn(
        session=session,
        request_id=request_id,
        seq=seq,
        state="accepted",
        said=tuple(said),
        began_at=began_at,
    )


def checkpointed(turn: Turn, answer: Sequence[Message], state: UnderWay) -> Turn:
    """Return *turn* with its answer so far; raises `ValueError` where it has ended."""
    check(turn.state, "checkpoint", state)
    return replace(turn, state=state, answer=tuple(answer))


def finished(
    turn: Turn,
    answer: Sequence[Message],
    *,
    state: FinalState,
    reason: str | None,
    usage: Usage | None,
) -> Turn:
    """Return *turn* as it ended; raises `ValueError` where it had."""
    check(turn.state, "finish", state)
    return replace(turn, state=state, answer=tuple(answer), reason=reason, usage=usage)


def recovered(turn: Turn) -> Turn:
    """Return *turn* as it is after its process died: what was kept of its answer stands.

    Raises `ValueError` where it had ended.
    """
    check(turn.state, "recover", "interrupted")
    return replace(turn, state="interrupted", reason=CRASHED)


def diagram() -> str:
    """Return the table as a state diagram, in the language of Mermaid."""
    lines = ["stateDiagram-v2", "    [*] --> accepted: begin"]
    for deed in ("checkpoint", "finish", "recover"):
        rule = TABLE[deed]
        for state in sorted(rule.of):
            lines += [f"    {state} --> {to}: {deed}" for to in sorted(rule.to)]
    return "\n".join([*lines, *(f"    {state} --> [*]" for state in sorted(FINAL))])
