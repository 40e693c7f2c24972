"""The checker sees each fault it has a column for, and nothing where nothing is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from chatbots.messages import Message, Turn
from chatbots.tool_calls import ToolCall
from tests.chaos.asked import BEFORE_TOOL, TOOL, Asked, Note
from tests.chaos.checking import FAULTS, Rules, check, check_stored
from tests.chaos.clients import Attempt, History
from tests.chaos.poison import why_refused
from tests.chaos.upstream import Read

ASKED = Asked("s", "r", "streaming", "r 3 words by tool")
CALL = Message("assistant", BEFORE_TOOL, tool_calls=(ToolCall("c1", TOOL, "{}"),))
RESULT = Message("tool", "noted", tool_call_id="c1")
TURN = Turn(
    session="s",
    request_id="r",
    seq=1,
    state="completed",
    said=(Message("user", ASKED.prompt),),
    answer=(CALL, RESULT, Message("assistant", "r.0 r.1 r.2")),
)
SHOWN = Attempt(texts=[BEFORE_TOOL, "r.0 ", "r.1 ", "r.2"], at=[1.0, 1.1, 1.2, 1.3])
DONE = replace(SHOWN, end="completed")
READS = [Read(ASKED.prompt, again=False, refused=None), Read(ASKED.prompt, True, None)]


def faults(
    *attempts: Attempt,
    turns: Sequence[Turn] = (TURN,),
    reads: Sequence[Read] = READS,
    ran: int = 1,
    ended: bool = True,
) -> set[str]:
    history = History(ASKED, list(attempts), ended)
    tally = check([history], {"s": turns}, reads, ["r"] * ran, Rules(slack=0.0))
    assert tally.good is not bool(tally.examples)
    assert tally.examples.keys() <= set(FAULTS)
    return set(tally.examples)


def crashed(*answer: Message, **more: Any) -> Turn:
    return replace(TURN, answer=answer, **{"state": "interrupted", "reason": "crashed"} | more)


def test_nothing_is_wrong_with_what_was_shown_stored_and_told_again() -> None:
    replayed = Attempt(texts=[ASKED.text], at=[9.0], replayed=True, end="completed")
    assert faults(SHOWN, DONE, replayed) == set()


def test_a_crash_may_cost_a_second_of_what_was_shown() -> None:
    slow = replace(SHOWN, at=[1.0, 1.1, 2.0, 2.05])
    assert faults(slow, turns=[crashed(CALL)]) == set()
    assert faults(slow, turns=[crashed(replace(CALL, content=""))]) == {"prefix"}


@pytest.mark.parametrize(
    ("column", "seen"),
    [
        ("lost", {"turns": (), "ran": 0}),
        ("lost", {"turns": (crashed(*TURN.answer),)}),
        ("duplicated", {"turns": (TURN, replace(TURN, seq=2, request_id="r2"))}),
        ("duplicated", {"reads": [*READS, READS[0]]}),
        ("gaps", {"turns": (replace(TURN, seq=2),)}),
        ("poisoned", {"reads": [READS[0], Read(ASKED.prompt, True, "no result")]}),
        ("unanswered", {"ended": False}),
        ("tools twice", {"ran": 2}),
        ("tools untold", {"turns": (replace(TURN, answer=(Message("assistant", ASKED.text),)),)}),
    ],
)
def test_a_fault_is_counted(column: str, seen: dict[str, Any]) -> None:
    assert faults(DONE, **seen) == {column}


def test_an_answer_that_is_not_whole_is_not_done() -> None:
    part = Attempt(texts=[BEFORE_TOOL], at=[1.0], end="completed")
    assert faults(part, turns=[replace(TURN, answer=(CALL,))]) == {"false-complete"}


def test_a_turn_may_not_be_told_in_two_ways() -> None:
    told = Attempt(texts=[BEFORE_TOOL], at=[1.0], replayed=True, end="failed")
    assert faults(told) == {"duplicated"}


def test_what_is_stored_may_not_be_another_text() -> None:
    assert faults(SHOWN, turns=[crashed(CALL, Message("assistant", "no"))]) == {"prefix"}


def test_a_turn_may_not_stay_open() -> None:
    assert faults(SHOWN, turns=[crashed(*TURN.answer, state="streaming")]) == {"left open"}


def test_an_answer_that_was_not_stored_is_lost_unless_the_disk_was_to_blame() -> None:
    late = replace(DONE, stored=False)
    assert faults(late) == {"lost"}
    history = History(ASKED, [late], ended=True)
    rules = Rules(disk_failed=True)
    assert check([history], {"s": [TURN]}, READS, ["r"], rules).good
    assert not check([history], {"s": [crashed(CALL)]}, READS, ["r"], rules).good


def test_what_was_told_before_the_power_went_is_there() -> None:
    begun, done = Note(ASKED.prompt), Note(ASKED.prompt, ASKED.text)
    assert check_stored([begun, done], {"s": [TURN]}).good
    assert check_stored([begun], {"s": [crashed(CALL)]}).good
    assert set(check_stored([begun, done], {"s": [crashed(CALL)]}).examples) == {"lost"}
    assert set(check_stored([begun], {"s": []}).examples) == {"lost"}


CALLS = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
HI: dict[str, Any] = {"role": "user", "content": "Hi"}
CALLING: dict[str, Any] = {"role": "assistant", "content": None, "tool_calls": [CALLS]}
ANSWER: dict[str, Any] = {"role": "tool", "content": "", "tool_call_id": "c1"}


def test_a_conversation_that_a_server_takes_is_not_poisoned() -> None:
    assert why_refused([HI, CALLING, ANSWER, HI]) is None


@pytest.mark.parametrize(
    ("messages", "why"),
    [
        ([HI, CALLING, HI], "there are calls without their results: c1"),
        ([HI, CALLING], "the last calls have no results: c1"),
        ([HI, ANSWER], "there is a result without its call: c1"),
        ([HI, CALLING | {"tool_calls": [CALLS, CALLS]}, ANSWER, ANSWER], "two calls have one id"),
        ([HI, {"role": "assistant", "content": ""}, HI], "a message of the assistant says nothing"),
        ([{"role": "nobody", "content": "Hi"}], "validation error"),
    ],
)
def test_a_conversation_that_a_server_refuses_is_poisoned(
    messages: list[dict[str, Any]], why: str
) -> None:
    assert why in (why_refused(messages) or "")
