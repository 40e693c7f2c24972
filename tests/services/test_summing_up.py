from __future__ import annotations

from chatbots.flow.calling import make_prompt
from chatbots.messages import Message, ModelRequest, Turn
from chatbots.services.summing_up import (
    INSTRUCTIONS,
    LONGEST_QUOTE,
    SUMMARY_TOKENS,
    request_for_summary,
)

PROMPT = make_prompt("Hi", session="s", request_id="r", model="m", max_tokens=5)
ROOM = len(INSTRUCTIONS)


def turn(seq: int, *, question: str = "Q", summary: str | None = None) -> Turn:
    return Turn(
        session="s",
        request_id=f"r{seq}",
        seq=seq,
        state="completed",
        said=(Message("user", f"{question}{seq}"),),
        answer=(Message("assistant", f"A{seq}"),),
        summary=summary,
    )


def request(*turns: Turn, room: float = 9999) -> ModelRequest:
    return request_for_summary(turns, ROOM + room, PROMPT, len)


def quoted(*turns: Turn, room: float = 9999) -> str:
    return request(*turns, room=room).messages[1].content


def test_the_model_of_the_turn_is_asked_for_a_short_text() -> None:
    asked = request(turn(1))
    assert (asked.model, asked.request_id, asked.stream) == ("m", "r", False)
    assert asked.sampling.max_tokens == SUMMARY_TOKENS
    assert asked.messages[0] == Message("system", INSTRUCTIONS)


def test_what_was_said_is_quoted_in_order() -> None:
    assert quoted(turn(1), turn(2)) == "user: Q1\n\nassistant: A1\n\nuser: Q2\n\nassistant: A2"


def test_a_summary_stands_for_what_was_before() -> None:
    before = "What was before, summed up: They met."
    turns = (turn(1), turn(2, summary="They met."), turn(3))
    assert quoted(*turns) == f"{before}\n\nuser: Q3\n\nassistant: A3"
    assert quoted(*turns, room=len(before) + 13) == f"{before}\n\nassistant: A3"


def test_of_too_much_the_newest_is_quoted() -> None:
    assert quoted(turn(1), turn(2), room=8 + 13) == "user: Q2\n\nassistant: A2"
    assert quoted(turn(1), turn(2), room=8 + 12) == "assistant: A2"
    assert quoted(turn(1), turn(2), room=-99) == "assistant: A2", "something has to be said"


def test_a_long_message_is_cut() -> None:
    text = quoted(turn(1, question="x" * 9999))
    assert text == f"user: {'x' * LONGEST_QUOTE}\n\nassistant: A1"
