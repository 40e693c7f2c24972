from __future__ import annotations

import pytest

from chatbots.testing.answers import Answer, echo
from chatbots.testing.desk import Desk
from chatbots.testing.http1 import Exchange
from chatbots.testing.requests import ChatRequest, Said


def asked(model: str = "any") -> ChatRequest:
    return ChatRequest(model, [Said("user", "Hi")])


def test_what_is_queued_comes_first_then_the_rule_with_its_faults() -> None:
    desk = Desk(echo, "500,ok")
    desk.queue.extend([Answer(text="One."), "429"])
    assert desk.answer(asked()) == Answer(text="One.")
    assert desk.answer(asked()) == Answer(text="Hi", fault="429")
    assert [desk.answer(asked()).fault for _ in range(3)] == ["500", "ok", "500"]
    assert Desk(echo).answer(asked()).fault is None


def test_a_model_fails_as_it_is_called() -> None:
    desk = Desk(echo)
    desk.queue.append(Answer(text="One."))
    assert desk.answer(asked("fault:500,ok")).fault == "500"
    assert desk.fault("fault:500,ok") == "ok"
    with pytest.raises(ValueError, match="nonsense"):
        desk.next(asked("fault:nonsense"))


async def _player(_: Exchange) -> None:
    raise NotImplementedError


def test_the_next_fault_can_be_seen_and_taken() -> None:
    desk = Desk(echo, "503,ok")
    assert (desk.fault("any"), desk.fault("any", take=True)) == ("503", "503")
    assert desk.fault("any") == "ok"
    desk.queue.extend([Answer(fault="500"), "429", _player, Answer()])
    assert desk.fault("any") == "500"
    taken = [desk.fault("any", take=True) for _ in range(4)]
    assert taken == ["500", "429", "ok", "ok"]
    assert Desk(echo).fault("any") == "ok"


def test_a_realtime_response_is_no_call_over_http() -> None:
    desk = Desk(echo)
    desk.queue.extend([_player, Answer(text="One.")])
    assert desk.answer(asked()).text == "One."


def test_the_user_says_what_is_queued_then_hello() -> None:
    desk = Desk(echo)
    desk.transcripts.append("Good evening.")
    assert [desk.transcript(), desk.transcript()] == ["Good evening.", "Hello"]
