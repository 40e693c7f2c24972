from __future__ import annotations

import json
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, strategies as st
from msgspec.structs import replace
from openai.types.chat import ChatCompletionMessageParam
from pydantic import TypeAdapter

from chatbots.messages import Message, ModelRequest, Turn, TurnState
from chatbots.provider.wire import encode_request
from chatbots.sampling import Sampling
from chatbots.sessions.alike import selected
from chatbots.sessions.tokens import PER_MESSAGE, tokens_of
from chatbots.sessions.turn import FINAL, SPOKEN_INTO
from chatbots.sessions.window import (
    ASK_FOR_SUMMARY,
    CANCELLED,
    CRASHED,
    LeftOut,
    Past,
    Window,
    fit,
    room_for_answer,
    sizes_in,
    visible,
    wants_more,
)
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


@pytest.mark.parametrize("answer", [(), (Message("assistant", "", heard_ms=0, unheard="Well"),)])
def test_what_was_said_before_one_spoke_on_is_carried(answer: tuple[Message, ...]) -> None:
    cut = replace(turn(1, "incomplete"), reason=SPOKEN_INTO, answer=answer)
    assert texts(cut, turn(2, "completed", "Yes.")) == ["Question 1", "...", "Question 2", "Yes."]
    assert texts(replace(cut, state="streaming")) == []


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


def test_a_call_that_a_crash_broke_off_was_not_run_again() -> None:
    crashed = Turn(
        session="s",
        request_id="r",
        seq=1,
        state="interrupted",
        said=(Message("user", "Hi"),),
        answer=(called("a"),),
        reason="crashed",
    )
    assert visible([crashed])[-1] == result("a", CRASHED)


# What fits


ROOM = 20
"""Tokens of a turn below, if a token is a character."""


def turns(*numbers: int, pinned: Sequence[int] = (), summed: int = 0) -> list[Turn]:
    each = ROOM // 2 - PER_MESSAGE
    return [
        Turn(
            session="s",
            request_id=f"r{number}",
            seq=number,
            state="completed",
            said=(Message("user", "q" * each),),
            answer=(Message("assistant", "a" * each),),
            pinned=number in pinned,
            summary="They met." if number == summed else None,
        )
        for number in numbers
    ]


def seqs(past: Past) -> list[int]:
    return [turn.seq for turn in past.turns]


def test_all_that_fits_is_shown_and_need_not_be_measured() -> None:
    past = fit(turns(1, 2, 3), 3 * ROOM, count=len)
    assert (seqs(past), past.left_out, past.tokens) == ([1, 2, 3], (), None)
    assert past.messages == tuple(visible(turns(1, 2, 3)))


def test_a_text_that_may_not_fit_is_measured() -> None:
    past = fit(turns(1, 2, 3), 3 * ROOM - 1, count=lambda text: len(text) // 2)
    assert (seqs(past), past.tokens) == ([1, 2, 3], 3 * (2 * PER_MESSAGE + 6))


@pytest.mark.parametrize(
    ("room", "kept"), [(59.9, [2, 3]), (40, [2, 3]), (39, [3]), (20, [3]), (19, []), (-5, [])]
)
def test_the_newest_turns_are_kept_whole(room: float, kept: list[int]) -> None:
    past = fit(turns(1, 2, 3), room, count=len)
    assert seqs(past) == kept
    assert past.tokens == ROOM * len(kept)
    assert past.left_out == (LeftOut(1, 3 - len(kept), "no_room"),)
    assert past.overflows
    assert past.without_room == 3 - len(kept)


def test_nothing_older_is_shown_beside_a_gap() -> None:
    small, large = turns(1)[0], replace(turns(2)[0], said=(Message("user", "q" * 99),))
    assert seqs(fit([small, large, *turns(3)], 2 * ROOM, count=len)) == [3]


def test_of_the_last_turns_those_count_from_which_something_came() -> None:
    past = fit([*turns(1, 2, 3), turn(4, "failed"), *turns(5)], 999, last=2, count=len)
    assert seqs(past) == [3, 5]
    assert past.left_out == (LeftOut(1, 2, "older"), LeftOut(4, 4, "no_answer"))
    assert past.overflows
    assert past.without_room == 0


def test_of_the_last_turns_those_are_shown_that_fit() -> None:
    past = fit(turns(1, 2, 3, 4), 2 * ROOM, last=3, count=len)
    assert seqs(past) == [3, 4]
    assert past.left_out == (LeftOut(1, 1, "older"), LeftOut(2, 2, "no_room"))


def test_fewer_turns_than_the_last_are_all_shown() -> None:
    assert fit(turns(1, 2), 999, last=3, count=len).left_out == ()


def test_what_is_pinned_comes_first_and_stays_in_its_place() -> None:
    past = fit(turns(1, 2, 3, 4, 5, pinned=[2]), 3 * ROOM, count=len)
    assert seqs(past) == [2, 4, 5]
    assert past.left_out == (LeftOut(1, 1, "no_room"), LeftOut(3, 3, "no_room"))


def test_what_is_pinned_is_shown_beside_the_last() -> None:
    past = fit(turns(1, 2, 3, 4, pinned=[1, 4]), 999, last=2, count=len)
    assert seqs(past) == [1, 3, 4]
    assert past.left_out == (LeftOut(2, 2, "older"),)


def test_of_what_is_pinned_the_newest_is_shown_if_not_all_fits() -> None:
    past = fit(turns(1, 2, 3, pinned=[1, 2]), 1.5 * ROOM, last=1, count=len)
    assert seqs(past) == [2]
    assert past.left_out == (LeftOut(1, 1, "no_room"), LeftOut(3, 3, "no_room"))


def test_a_summary_stands_for_the_turns_up_to_it() -> None:
    past = fit(turns(1, 2, 3, 4, pinned=[1], summed=2), 999, sums_up=True, count=len)
    assert seqs(past) == [1, 3, 4]
    assert past.left_out == (LeftOut(2, 2, "summed_up"),)
    assert past.messages[:2] == (
        Message("user", ASK_FOR_SUMMARY),
        Message("assistant", "They met."),
    )
    assert not past.overflows


def test_a_summary_that_is_not_asked_for_is_not_shown() -> None:
    assert seqs(fit(turns(1, 2, 3, summed=2), 999, count=len)) == [1, 2, 3]


def test_a_summary_takes_room() -> None:
    summary = 2 * PER_MESSAGE + len(ASK_FOR_SUMMARY) + len("They met.")
    past = fit(turns(1, 2, 3, 4, summed=2), summary + ROOM, sums_up=True, count=len)
    assert (seqs(past), past.tokens) == ([4], summary + ROOM)
    assert past.left_out == (LeftOut(1, 2, "summed_up"), LeftOut(3, 3, "no_room"))


def test_what_is_pinned_comes_before_a_summary() -> None:
    summary = 2 * PER_MESSAGE + len(ASK_FOR_SUMMARY) + len("They met.")
    several = turns(1, 2, 3, pinned=[1], summed=2)
    past = fit(several, summary, sums_up=True, count=len)
    assert (past.summary, seqs(past)) == ((), [1, 3])
    past = fit(several, summary + ROOM, sums_up=True, count=len)
    assert (len(past.summary), seqs(past)) == (2, [1])
    assert past.left_out == (LeftOut(2, 2, "summed_up"), LeftOut(3, 3, "no_room"))


def test_a_summary_that_does_not_fit_is_left_out() -> None:
    past = fit(turns(1, 2, 3, summed=2), ROOM, sums_up=True, count=len)
    assert (past.summary, seqs(past)) == ((), [3])
    assert past.left_out == (LeftOut(1, 2, "no_room"),)


# What is loaded


@pytest.mark.parametrize(
    ("loaded", "room", "last", "more"),
    [
        ([], 999, None, False),
        ([1, 2, 3], 999, None, False),
        ([4, 5, 6], 999, None, True),
        ([4, 5, 6], 2 * ROOM, None, False),
        ([4, 5, 6], 999, 2, False),
        ([4, 5, 6], 999, 3, True),
        ([1, 2, 4, 5, 6], 999, None, True),
    ],
)
def test_older_turns_are_wanted_as_long_as_there_is_room(
    loaded: list[int], room: int, last: int | None, more: bool
) -> None:
    held = turns(*loaded)
    assert wants_more(held, fit(held, room, last=last, count=len)) is more


def test_what_is_not_loaded_is_left_out_for_the_same_reason() -> None:
    held = turns(2, 8, 9, 10, pinned=[2])
    assert fit(held, 3 * ROOM, count=len).left_out == (
        LeftOut(1, 1, "no_room"),
        LeftOut(3, 8, "no_room"),
    )
    assert fit(held, 999, last=2, count=len).left_out == (
        LeftOut(1, 1, "older"),
        LeftOut(3, 8, "older"),
    )


def test_a_turn_nothing_came_of_ends_no_search() -> None:
    held = [*turns(4, 5), turn(6, "failed")]
    assert wants_more(held, fit(held, 999, count=len))


def test_what_a_summary_stands_for_is_not_loaded() -> None:
    held = turns(4, 5, 6, summed=4)
    past = fit(held, 999, sums_up=True, count=len)
    assert past.left_out == (LeftOut(1, 4, "summed_up"),)
    assert not wants_more(held, past)


def test_turns_between_a_summary_and_the_newest_are_loaded() -> None:
    held = turns(2, 8, 9, summed=2)
    past = fit(held, 999, sums_up=True, count=len)
    assert seqs(past) == [8, 9]
    assert wants_more(held, past)


# Numbers


@pytest.mark.parametrize(
    ("context", "bound", "room"),
    [(8192, None, 2048), (922_000, None, 16_384), (8192, 1000, 1000), (8192, 8192, 4096)],
)
def test_there_is_room_for_the_answer(context: int, bound: int | None, room: int) -> None:
    assert room_for_answer(context, bound) == room


@pytest.mark.parametrize(
    ("said", "sizes"),
    [
        ("(status 400): maximum context length is 8192 tokens, yours has 16,384.", (8192, 16384)),
        ("The request (10000 tokens) exceeds the context size (5000 tokens)", (5000, 10000)),
        ("reads 8192, you asked for 9000 (8000 in the messages, 1000 to come)", (8192, 9000)),
        ("gpt-4-0613 reads no more than 8192", None),
        ("The prompt is too long", None),
        ("2048 of 2048", None),
    ],
)
def test_what_a_server_says_is_read_in_its_refusal(
    said: str, sizes: tuple[int, int] | None
) -> None:
    assert sizes_in(said) == sizes


def test_of_a_window_nothing_is_known_but_what_is_said() -> None:
    window = Window()
    assert (window.context("m"), window.last, window.sums_up) == (None, None, False)
    assert window.calibration is not Window().calibration


# Promise P6: whatever is stored, and however little fits, the provider takes it


MESSAGES = TypeAdapter[list[ChatCompletionMessageParam]](list[ChatCompletionMessageParam])

ANSWERS = st.lists(
    st.one_of(
        st.builds(called, st.sampled_from("abc"), st.sampled_from("def"), text=st.text(max_size=9)),
        st.builds(result, st.sampled_from([*"abcdef", None])),
        st.builds(Message, st.just("assistant"), st.text(max_size=30)),
    ),
    max_size=4,
)


@st.composite
def histories(draw: st.DrawFn) -> list[Turn]:
    found = []
    for seq in range(1, draw(st.integers(0, 8)) + 1):
        state: TurnState = draw(st.sampled_from(sorted(FINAL)))
        found.append(
            replace(
                turn(seq, state),
                answer=tuple(draw(ANSWERS)),
                reason=draw(st.sampled_from([None, "crashed"])),
                pinned=draw(st.booleans()),
                summary=draw(st.sampled_from([None, None, "They met."])),
            )
        )
    return found


@given(histories(), st.integers(0, 300), st.sampled_from([None, 1, 3]), st.booleans(), st.data())
def test_what_fits_is_taken_by_the_provider(
    held: list[Turn], room: int, last: int | None, sums_up: bool, data: st.DataObject
) -> None:
    number = data.draw(st.integers(1, 9))
    held = list(selected(held, number))
    past = fit(held, room, last=last, sums_up=sums_up, count=len)
    request = ModelRequest(
        messages=(Message("system", "s"), *past.messages, Message("user", "?")),
        stream=False,
        request_id="r",
    )
    body = encode_request(request, model="m", default=Sampling(), dialect="openai")
    wire = json.loads(msgspec.json.encode(body))["messages"]
    MESSAGES.validate_python(wire)
    owed: list[str] = []
    for before, message in zip([None, *wire], wire, strict=False):
        if message["role"] == "tool":
            assert message["tool_call_id"] == owed.pop(0)
            continue
        assert not owed
        owed = [call["id"] for call in message.get("tool_calls", ())]
        assert message["role"] != "user" or before["role"] != "user"
        assert message["content"] or owed
    # Every turn of the session is shown or has its reason, and no more is shown than fits.
    missing = {seq for gap in past.left_out for seq in range(gap.first, gap.last + 1)}
    assert sorted([*missing, *seqs(past)]) == list(range(1, held[-1].seq + 1 if held else 1))
    assert tokens_of(past.messages, len) <= room or past.tokens is None or not past.messages
