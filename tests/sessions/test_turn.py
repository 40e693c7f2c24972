from __future__ import annotations

from typing import Any, get_args

import pytest
from msgspec.structs import asdict

from chatbots.messages import FinalState, Message, Turn, TurnState, UnderWay, Usage
from chatbots.sessions.turn import (
    FINAL,
    OPEN,
    TABLE,
    Deed,
    begun,
    check,
    checkpointed,
    diagram,
    finished,
    recovered,
)

STATES: list[TurnState] = ["accepted", *get_args(UnderWay), *get_args(FinalState)]
DEEDS: list[Deed] = list(get_args(Deed))
HI = [Message("user", "Hi")]
HELLO = [Message("assistant", "Hello.")]


def turn_that_is(state: TurnState) -> Turn:
    return Turn(session="s", request_id="r", seq=1, state=state, said=tuple(HI), answer=())


def do(deed: Deed, turn: Turn, to: Any) -> Turn:
    if deed == "checkpoint":
        return checkpointed(turn, HELLO, to)
    if deed == "finish":
        return finished(turn, HELLO, state=to, reason="why", usage=Usage(1, 2, 3))
    return recovered(turn)


def test_a_state_is_final_or_the_turn_is_under_way() -> None:
    assert set(FINAL) == {"completed", "incomplete", "failed", "interrupted", "cancelled"}
    assert set(OPEN) == {"accepted", "streaming", "waiting_for_tools"}


def test_a_turn_begins_accepted_with_what_the_table_says_is_written() -> None:
    turn = begun("s", "r", HI, seq=3, began_at=7.0)
    wanted = Turn(
        session="s", request_id="r", seq=3, state="accepted", said=tuple(HI), began_at=7.0
    )
    assert turn == wanted


@pytest.mark.parametrize("deed", ["checkpoint", "finish", "recover"])
def test_a_deed_writes_what_the_table_says_and_nothing_else(deed: Deed) -> None:
    for state in TABLE[deed].of:
        for to in TABLE[deed].to:
            before = turn_that_is(state)
            after = do(deed, before, to)
            assert after.state == to
            old = asdict(before)
            changed = {name for name, value in asdict(after).items() if value != old[name]}
            assert changed | {"state"} == set(TABLE[deed].writes)


@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize("state", STATES)
def test_what_the_table_does_not_allow_raises(deed: Deed, state: TurnState) -> None:
    for to in STATES:
        if state in TABLE[deed].of and to in TABLE[deed].to:
            check(state, deed, to)
        else:
            with pytest.raises(ValueError, match=f"is {state} cannot become {to} by {deed}"):
                check(state, deed, to)


@pytest.mark.parametrize("state", sorted(FINAL))
def test_nothing_is_done_to_a_turn_that_has_ended(state: TurnState) -> None:
    for deed, to in (("checkpoint", "streaming"), ("finish", "failed"), ("recover", "interrupted")):
        with pytest.raises(ValueError, match=f"A turn that is {state}"):
            do(deed, turn_that_is(state), to)  # type: ignore[arg-type]  # from the table above


def test_a_crashed_turn_keeps_its_answer_and_says_why() -> None:
    turn = checkpointed(turn_that_is("accepted"), HELLO, "waiting_for_tools")
    after = recovered(turn)
    assert (after.state, after.reason, after.text) == ("interrupted", "crashed", "Hello.")


def test_the_diagram_draws_every_way_of_the_table() -> None:
    lines = diagram().splitlines()
    assert lines[:2] == ["stateDiagram-v2", "    [*] --> accepted: begin"]
    assert "    waiting_for_tools --> interrupted: recover" in lines
    assert "    completed --> [*]" in lines
    ways = sum(len(rule.of) * len(rule.to) for rule in TABLE.values())
    assert len(lines) == 2 + ways + len(FINAL)
