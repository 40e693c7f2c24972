from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from chatbots.messages import Message, Turn, TurnState
from chatbots.sessions.turn import FINAL
from chatbots.sessions.window import CANCELLED, newest, share_that_fits, visible
from chatbots.tool_calls import ToolCall


def turn(number: int, state: TurnState, answer: str = "") -> Turn:
    return Turn(
        session="s",
        request_id=f"r{number}",
        seq=number,
        state=state,
        said=(Message("user", f"Question {number}"),),
        answer=(Message("assistant", answer),) if answer else (),
    )


def texts(*turns: Turn) -> list[str]:
    return [message.content for message in visible(turns)]


def test_without_a_past_there_is_nothing() -> None:
    assert visible([]) == []


def test_the_past_is_carried_in_order() -> None:
    past = [turn(1, "completed", "Answer 1"), turn(2, "completed", "Answer 2")]
    assert visible(past) == [
        Message("user", "Question 1"),
        Message("assistant", "Answer 1"),
        Message("user", "Question 2"),
        Message("assistant", "Answer 2"),
    ]


@pytest.mark.parametrize("state", sorted(FINAL))
def test_what_was_shown_is_carried_however_the_turn_ended(state: TurnState) -> None:
    assert texts(turn(1, state, "Answ")) == ["Question 1", "Answ"]


@pytest.mark.parametrize("state", sorted(FINAL))
def test_a_turn_nothing_came_of_is_not_carried(state: TurnState) -> None:
    past = [turn(1, "completed", "Answer 1"), turn(2, state), turn(3, "completed", "Answer 3")]
    assert texts(*past) == ["Question 1", "Answer 1", "Question 3", "Answer 3"]


@pytest.mark.parametrize("state", ["accepted", "streaming"])
def test_a_turn_that_is_under_way_is_not_carried(state: TurnState) -> None:
    assert texts(turn(1, state, "Answ")) == []


def test_all_that_was_said_in_a_turn_is_carried() -> None:
    said = (Message("developer", "Be brief."), Message("user", "Hi"))
    past = Turn(
        session="s",
        request_id="r",
        seq=1,
        state="completed",
        said=said,
        answer=(Message("assistant", "Hel"), Message("assistant", "lo")),
    )
    assert visible([past]) == [*said, Message("assistant", "Hel"), Message("assistant", "lo")]


def test_a_turn_whose_answer_is_not_the_assistants_is_not_carried() -> None:
    past = Turn(
        session="s",
        request_id="r",
        seq=1,
        state="completed",
        said=(Message("user", "Hi"),),
        answer=(Message("tool", "{}"),),
    )
    assert visible([past]) == []


# Calls of tools: a server refuses a call without its result, and a result without its call


def called(*ids: str, text: str = "") -> Message:
    return Message("assistant", text, tool_calls=tuple(ToolCall(one, "f", "{}") for one in ids))


def result(call_id: str | None, content: str = "42") -> Message:
    return Message("tool", content, tool_call_id=call_id)


def carried(*answer: Message, state: TurnState = "cancelled") -> list[Message]:
    past = Turn(
        session="s",
        request_id="r",
        seq=1,
        state=state,
        said=(Message("user", "Hi"),),
        answer=answer,
    )
    return visible([past])[1:]


def test_a_turn_with_tools_is_carried_as_it_was() -> None:
    answer = (called("a", "b"), result("a"), result("b"), called("a"), result("a", "43"))
    said = Message("assistant", "Done.")
    assert carried(*answer, said, state="completed") == [*answer, said]


def test_a_call_without_its_result_gets_one_that_says_so() -> None:
    unknown = CANCELLED
    assert carried(called("a", "b"), result("b")) == [
        called("a", "b"),
        result("a", unknown),
        result("b"),
    ]
    assert carried(called("a"), called("b")) == [
        called("a"),
        result("a", unknown),
        called("b"),
        result("b", unknown),
    ]


def test_a_result_without_its_call_is_left_out() -> None:
    said = Message("assistant", "Done.")
    assert carried(result("a"), called("b"), result("c"), result("b"), said, result("b")) == [
        called("b"),
        result("b"),
        said,
    ]


def test_results_are_put_in_the_order_of_their_calls() -> None:
    assert carried(called("a", "b"), result("b", "2"), result("a", "1")) == [
        called("a", "b"),
        result("a", "1"),
        result("b", "2"),
    ]


@given(
    st.lists(
        st.one_of(
            st.builds(called, st.sampled_from("abc")),
            st.builds(called, st.sampled_from("abc"), st.sampled_from("def"), text=st.just("x")),
            st.builds(result, st.sampled_from([*"abcdef", None])),
            st.just(Message("assistant", "Done.")),
        )
    )
)
def test_whatever_is_stored_every_call_has_its_result_and_every_result_its_call(
    answer: list[Message],
) -> None:
    owed: list[str] = []
    for message in carried(*answer):
        if message.role == "tool":
            assert message.tool_call_id == owed.pop(0)
        else:
            assert not owed
            owed = [call.id for call in message.tool_calls]
    assert not owed


THREE = [turn(number, "completed", "x" * 90) for number in (1, 2, 3)]


@pytest.mark.parametrize(
    ("share", "kept"), [(1.0, [1, 2, 3]), (0.99, [2, 3]), (0.67, [2, 3]), (0.5, [3]), (0.1, [])]
)
def test_the_newest_turns_are_kept_whole(share: float, kept: list[int]) -> None:
    assert [turn.seq for turn in newest(THREE, share)] == kept


def test_a_turn_that_is_not_carried_takes_no_room() -> None:
    assert newest([*THREE, turn(4, "failed")], 0.34)[0].seq == 3


@pytest.mark.parametrize(
    ("said", "share"),
    [
        ("(status 400): maximum context length is 8192 tokens, yours has 16,384.", 0.45),
        ("The request (10000 tokens) exceeds the context size (5000 tokens)", 0.45),
        ("gpt-4-0613 reads no more than 8192", 0.5),
        ("The prompt is too long", 0.5),
        ("2048 of 2048", 0.5),
    ],
)
def test_what_fits_is_what_the_server_says_or_half(said: str, share: float) -> None:
    assert share_that_fits(said) == pytest.approx(share)
