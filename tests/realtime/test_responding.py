from __future__ import annotations

import pytest

from chatbots.errors import InvalidRequest
from chatbots.realtime.events.client import ConversationItemCreate, ResponseCreate
from chatbots.realtime.events.items import function_output
from chatbots.realtime.responding import Responding
from chatbots.realtime.turns import Illegal, Turns
from chatbots.tool_calls import ToolCall
from tests.realtime.said import call


def begun(*, calls: int = 0) -> tuple[Responding, Turns]:
    """Return a responding with one response under way, or after it with results owed."""
    turns = Turns()
    responding = Responding(turns)
    responding.ask(ResponseCreate(event_id="event_1"))
    assert responding.due() == [ResponseCreate(event_id="event_1")]
    assert responding.began("resp_1") == "event_1"
    if calls:
        responding.ended([call(f"call_{n}") for n in range(calls)], sounding=False)
    return responding, turns


def test_one_response_at_a_time_is_asked_for() -> None:
    responding, turns = begun()
    responding.ask(ResponseCreate(event_id="event_2"))
    responding.ask(ResponseCreate(event_id="event_3"))
    assert responding.due() == []
    assert responding.ended([], sounding=False) == []
    assert responding.due() == [ResponseCreate(event_id="event_2")]
    assert responding.due() == []
    assert turns.model == "asked"


def test_a_response_that_nobody_asked_for_has_nobodys_event() -> None:
    responding = Responding(Turns())
    assert responding.began("resp_1") is None
    assert responding.is_active("resp_1")
    assert responding.is_active(None)
    assert not responding.is_active("resp_0")
    with pytest.raises(Illegal):
        responding.began("resp_2")
    assert responding.active == "resp_1"


def test_no_response_is_active_before_one_begins_and_after_it_ends() -> None:
    responding, _ = begun()
    responding.ended([], sounding=False)
    assert not responding.is_active(None)
    assert not responding.is_active("resp_1")
    assert responding.began("resp_2") is None


def test_all_results_come_first_and_then_one_response() -> None:
    responding, turns = begun(calls=2)
    assert [*responding.owed] == ["call_0", "call_1"]
    assert turns.model == "calling"
    sent = responding.answer("call_1", "42")
    assert sent == ConversationItemCreate(function_output("call_1", "42"))
    assert responding.due() == []
    responding.answer("call_0", "43")
    (asked,) = responding.due()
    assert isinstance(asked, ResponseCreate)
    assert asked.event_id
    assert responding.began("resp_2") == asked.event_id
    assert responding.due() == []


def test_a_response_that_waits_already_is_the_one_for_the_results() -> None:
    responding, _ = begun(calls=1)
    responding.ask(ResponseCreate(event_id="event_2"))
    assert responding.due() == []
    responding.answer("call_0", "42")
    assert responding.due() == [ResponseCreate(event_id="event_2")]
    responding.began("resp_2")
    responding.ended([], sounding=False)
    assert responding.due() == []


def test_a_call_is_answered_once() -> None:
    responding, _ = begun(calls=1)
    responding.answer("call_0", "42")
    for name in ("call_0", "ghost"):
        with pytest.raises(InvalidRequest, match="was not made, or was answered") as caught:
            responding.answer(name, "42")
        assert caught.value.param == "call_id"
    assert len(responding.due()) == 1


@pytest.mark.checklist(113)
def test_a_call_is_known_as_the_model_wrote_it() -> None:
    responding, _ = begun()
    made = responding.ended([call("call_1"), call("")], sounding=True)
    assert made == [ToolCall("call_1", "multiply", '{"a": 6, "b": 7}')]


def test_a_response_that_was_stopped_has_made_no_calls() -> None:
    responding, turns = begun()
    turns.does("cancel")
    assert responding.ended([call()], sounding=True) == []
    assert (turns.model, responding.owed, responding.active) == ("idle", {}, None)


def test_a_response_ends_and_its_audio_goes_on() -> None:
    responding, turns = begun()
    responding.ended([], sounding=True)
    assert turns.model == "sounding"
    responding.ask(ResponseCreate())
    assert len(responding.due()) == 1


def test_what_is_refused_is_known_by_its_event_and_the_next_is_asked_for() -> None:
    turns = Turns()
    responding = Responding(turns)
    responding.ask(ResponseCreate(event_id="event_1"))
    responding.ask(ResponseCreate(event_id="event_2"))
    responding.due()
    assert not responding.refused(None)
    assert not responding.refused("event_2")
    assert turns.model == "asked"
    assert responding.refused("event_1")
    assert not responding.refused("event_1")
    assert responding.due() == [ResponseCreate(event_id="event_2")]


def test_a_request_that_lost_to_the_servers_own_response_is_refused_while_that_goes_on() -> None:
    responding, turns = begun()
    assert responding.refused("event_1")
    assert (turns.model, responding.active) == ("answering", "resp_1")


def test_with_the_connection_all_is_gone() -> None:
    responding, turns = begun(calls=1)
    responding.ask(ResponseCreate())
    responding.lost()
    assert (turns.model, responding.owed, responding.active) == ("idle", {}, None)
    assert responding.due() == []


def test_what_was_not_sent_yet_can_be_forgotten() -> None:
    responding, _ = begun()
    responding.ask(ResponseCreate())
    responding.forget()
    responding.ended([], sounding=False)
    assert responding.due() == []
