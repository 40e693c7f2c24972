from __future__ import annotations

from typing import get_args

import pytest

from chatbots.messages import FinalState, TurnState
from chatbots.sessions.turn import FINAL, TRANSITIONS, advance

STATES: list[TurnState] = ["accepted", "streaming", *get_args(FinalState)]
UNDER_WAY: list[TurnState] = ["accepted", "streaming"]


def test_the_final_states_are_those_a_turn_can_end_in() -> None:
    assert set(FINAL) == {"completed", "incomplete", "failed", "interrupted", "cancelled"}


@pytest.mark.parametrize("state", UNDER_WAY)
@pytest.mark.parametrize("to", ["streaming", *sorted(FINAL)])
def test_a_turn_that_is_under_way_may_go_on_or_end(state: TurnState, to: TurnState) -> None:
    assert advance(state, to) == to


@pytest.mark.parametrize("state", UNDER_WAY)
def test_a_turn_is_accepted_once(state: TurnState) -> None:
    with pytest.raises(ValueError, match=f"A turn that is {state} cannot become accepted"):
        advance(state, "accepted")


@pytest.mark.parametrize("state", sorted(FINAL))
@pytest.mark.parametrize("to", STATES)
def test_nothing_follows_a_final_state(state: TurnState, to: TurnState) -> None:
    with pytest.raises(ValueError, match=f"A turn that is {state} cannot become {to}"):
        advance(state, to)


def test_the_table_holds_every_state_that_is_not_final() -> None:
    assert set(TRANSITIONS) == set(STATES) - FINAL
