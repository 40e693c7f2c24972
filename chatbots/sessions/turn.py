"""The life of a turn, as a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, get_args

from chatbots.messages import FinalState, TurnState

FINAL: Final[frozenset[TurnState]] = frozenset(get_args(FinalState))

_STREAMING: Final[frozenset[TurnState]] = frozenset({"streaming"})

TRANSITIONS: Final[Mapping[TurnState, frozenset[TurnState]]] = {
    "accepted": FINAL | _STREAMING,
    "streaming": FINAL | _STREAMING,
}
"""From each state, the states that may follow; none follows a final one."""


def advance(state: TurnState, to: TurnState) -> TurnState:
    """Return *to* if it may follow *state*; raises `ValueError` otherwise."""
    if to not in TRANSITIONS.get(state, ()):
        raise ValueError(f"A turn that is {state} cannot become {to}.")
    return to
