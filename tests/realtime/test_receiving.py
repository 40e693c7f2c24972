from __future__ import annotations

import json

import pytest

from chatbots.deltas import TextDelta
from chatbots.errors import InvalidRequest
from chatbots.realtime.conversation import Conversation
from chatbots.realtime.events import responses, server
from chatbots.realtime.events.client import (
    ConversationItemDelete,
    InputAudioBufferClear,
    ResponseCreate,
)
from chatbots.realtime.events.event import ServerEvent
from chatbots.realtime.events.items import encoded, user_text
from chatbots.realtime.events.session import Audio, AudioInput, Session
from chatbots.realtime.outcomes import (
    Began,
    Called,
    Ended,
    Interrupted,
    Outcome,
    Refused,
    Updated,
    UserSaid,
)
from chatbots.realtime.receiving import Standing
from chatbots.realtime.turns import Illegal
from chatbots.tool_calls import ToolCall
from tests.realtime import said
from tests.realtime.said import audio, created, done, growing, speech_started, text

VOICE = server.ApiError(code="cannot_update_voice", message="No.")
USAGE = responses.ResponseUsage(total_tokens=9)


def standing(*events: ServerEvent) -> Standing:
    now = Standing(Conversation(), "ga")
    for event in events:
        now.take_in(event)
    return now


def last(now: Standing) -> Outcome:
    return now.outcomes[-1]


@pytest.mark.checklist(77)
def test_an_answer_is_told_piece_by_piece_and_then_as_a_whole() -> None:
    now = standing(created(), growing(), text("Hel"), text(""), text("lo."), done())
    assert now.outcomes == [
        Began("resp_1", None),
        TextDelta("Hel"),
        TextDelta("lo."),
        Ended("resp_1", "completed", None, "Hello.", USAGE),
    ]
    assert (now.turns.model, now.conversation.entries["item_1"].text) == ("idle", "Hello.")


@pytest.mark.checklist(77)
def test_a_transcript_is_text_and_audio_is_passed_on_as_it_came() -> None:
    transcript = responses.ResponseAudioTranscriptDelta(delta="Hi", item_id="item_1")
    now = standing(created(), growing(), transcript, audio(20))
    assert now.outcomes[1:] == [TextDelta("Hi"), audio(20)]
    assert now.conversation.entries["item_1"].audio == 960


def test_the_servers_own_text_of_a_response_is_the_one_that_counts() -> None:
    now = standing(created(), growing(), text("Hell"), done(said.said("Hello.")))
    assert last(now) == Ended("resp_1", "completed", None, "Hello.", USAGE)
    assert now.conversation.context == (said.said("Hello."),)


@pytest.mark.parametrize(
    "events",
    [
        [text("ghost")],
        [audio(20)],
        [created(), text("no item")],
        [created(), growing(), text("other", response="resp_0")],
        [created(), growing(), speech_started(), text("late")],
        [created(), growing(), done(), text("later")],
        [created(), created("resp_2")],
        [done()],
        [created(), done(), done()],
        [created(), done(response_id="resp_0")],
        [said.speech_stopped()],
    ],
)
def test_what_comes_out_of_turn_changes_nothing(events: list[ServerEvent]) -> None:
    now = standing(*events[:-1])
    before = ([*now.outcomes], now.turns.user, now.turns.model, [*now.frames])
    with pytest.raises(Illegal):
        now.take_in(events[-1])
    assert ([*now.outcomes], now.turns.user, now.turns.model, now.frames) == before


def test_calls_are_told_when_the_response_has_ended_and_only_if_it_is_whole() -> None:
    call = Called(ToolCall("call_1", "multiply", '{"a": 6, "b": 7}'))
    now = standing(created(), done(said.call(), said.said("One moment.")))
    assert now.outcomes[1:-1] == [call]
    assert now.turns.model == "calling"
    cut = standing(created(), done(said.call(), status="incomplete"))
    assert [type(outcome) for outcome in cut.outcomes] == [Began, Ended]
    assert cut.turns.model == "idle"


@pytest.mark.checklist(101)
@pytest.mark.parametrize(
    ("status", "why", "state", "reason"),
    [
        ("completed", None, "completed", None),
        ("incomplete", responses.ResponseStatus(reason="content_filter"), "incomplete",
         "content_filter"),
        ("cancelled", responses.ResponseStatus(reason="turn_detected"), "cancelled",
         "turn_detected"),
        ("failed", responses.ResponseStatus(error=responses.ResponseFailure(code="rate_limit")),
         "failed", "rate_limit"),
        ("failed", responses.ResponseStatus(error=responses.ResponseFailure(type="server_error")),
         "failed", "server_error"),
        ("failed", responses.ResponseStatus(), "failed", None),
        ("new", None, "completed", None),
    ],
)  # fmt: skip
def test_how_a_response_ended_is_told_with_why(
    status: str, why: responses.ResponseStatus | None, state: str, reason: str | None
) -> None:
    ended = last(standing(created(), done(status=status, why=why)))
    assert isinstance(ended, Ended)
    assert (ended.state, ended.reason) == (state, reason)


def test_a_response_beside_the_conversation_is_told_at_its_end_and_touches_nothing() -> None:
    now = standing(
        created(),
        created("resp_2", aside="event_1"),
        growing("item_2", "resp_2"),
        done(said.said("Aside.", "item_2"), response_id="resp_2", aside="event_1"),
    )
    assert last(now) == Ended("resp_2", "completed", None, "Aside.", USAGE, {"aside": "event_1"})
    assert (now.turns.model, now.responding.active) == ("answering", "resp_1")
    assert now.conversation.context == ()


@pytest.mark.checklist(93)
def test_who_speaks_into_an_answer_interrupts_it_and_what_was_not_heard_is_cut() -> None:
    now = standing(created(), growing(), audio(500))
    now.playback.played("item_1", 200)
    now.take_in(speech_started())
    assert last(now) == Interrupted("item_1", 200)
    (frame,) = map(json.loads, now.frames)
    assert (frame["type"], frame["audio_end_ms"]) == ("conversation.item.truncate", 200)
    assert now.turns.model == "stopping"
    now.take_in(done(status="cancelled"))
    now.take_in(said.speech_stopped())
    now.take_in(said.committed())
    assert (now.turns.user, now.turns.model) == ("silent", "idle")


def test_who_may_not_cut_in_interrupts_nothing() -> None:
    now = standing(said.updated(interrupt=False), created(), growing(), audio(500))
    now.playback.played("item_1", 0)
    now.take_in(speech_started())
    assert Interrupted not in map(type, now.outcomes)
    assert (now.turns.user, now.turns.model) == ("speaking", "answering")
    now.take_in(server.SessionUpdated(session=Session(audio=Audio(input=AudioInput()))))
    assert now.turns.interruptible


def test_what_was_said_before_a_call_is_cut_while_its_result_is_owed() -> None:
    now = standing(created(), growing(), audio(500))
    now.playback.played("item_1", 100)
    now.take_in(done(said.call()))
    now.take_in(speech_started())
    assert last(now) == Interrupted("item_1", 100)
    assert now.turns.model == "calling"
    quiet = standing(created(), done(said.call()), speech_started())
    assert Interrupted not in map(type, quiet.outcomes)


def test_a_response_that_was_asked_for_is_stopped_if_the_user_speaks_as_it_begins() -> None:
    now = standing(speech_started())
    now.responding.ask(ResponseCreate())
    now.responding.due()
    now.take_in(created())
    assert now.turns.model == "stopping"
    assert [json.loads(frame)["type"] for frame in now.frames] == ["response.cancel"]


@pytest.mark.parametrize("owed", [False, True])
def test_a_response_of_the_servers_own_means_that_the_users_turn_has_ended(owed: bool) -> None:
    before = [created("resp_0"), done(said.call(), response_id="resp_0")] if owed else []
    now = standing(*before, speech_started(), created(), growing(), text("Hi"))
    assert last(now) == TextDelta("Hi")
    assert (now.turns.user, now.turns.model) == ("silent", "answering")


def test_a_response_that_was_cancelled_before_it_began_is_stopped_as_it_begins() -> None:
    now = standing()
    now.responding.ask(ResponseCreate(event_id="event_1"))
    now.responding.due()
    now.turns.does("cancel")
    now.take_in(created())
    assert (last(now), now.turns.model) == (Began("resp_1", "event_1"), "stopping")
    assert [json.loads(frame)["type"] for frame in now.frames] == ["response.cancel"]


def test_what_still_sounds_when_its_response_has_ended_can_be_interrupted() -> None:
    now = standing(created(), growing(), audio(500))
    now.playback.played("item_1", 0)
    now.take_in(done())
    states = []
    for ms in (499, 500):
        now.playback.played("item_1", ms)
        now.silent()
        states.append(now.turns.model)
    assert states == ["sounding", "idle"]


@pytest.mark.checklist(115)
def test_the_session_is_known_in_todays_words_and_how_long_its_audio_is() -> None:
    before = Session(voice="alloy", output_audio_format="g711_ulaw")
    now = standing(server.SessionCreated(session=before), created(), growing(), audio(100))
    assert isinstance(now.session.audio, Audio)
    now.playback.played("item_1", 300)
    assert now.playback.unheard
    limits = (server.RateLimit(name="tokens", remaining=3),)
    now.take_in(server.RateLimitsUpdated(rate_limits=limits))
    assert now.rate_limits == limits


@pytest.mark.parametrize("event", [said.committed(), server.InputAudioBufferCleared()])
def test_audio_that_is_committed_or_cleared_cannot_be_committed(event: ServerEvent) -> None:
    session = Session(audio=Audio(input=AudioInput(turn_detection=None)))
    now = standing(server.SessionUpdated(session=session))
    now.listening.hears(encoded(bytes(4800)))
    now.listening.check()
    now.take_in(event)
    with pytest.raises(InvalidRequest):
        now.listening.check()


@pytest.mark.checklist(97, 98, 99)
def test_the_conversation_is_what_the_server_says_it_is() -> None:
    now = standing(
        server.ConversationItemCreated(item=user_text("Hi", id="a")),
        server.ConversationItemAdded(item=said.user_item("c"), previous_item_id="a"),
        server.ConversationItemDone(item=user_text("Ho", id="b"), previous_item_id="a"),
        server.ConversationItemInputAudioTranscriptionCompleted(item_id="c", transcript="Hm"),
        server.ConversationItemInputAudioTranscriptionFailed(
            item_id="c", error=server.ApiError(code="unclear")
        ),
        server.ConversationItemDeleted(item_id="a"),
    )
    assert [(entry.item.id, entry.text) for entry in now.conversation] == [
        ("a", "Hi"),
        ("b", "Ho"),
        ("c", "Hm"),
    ]
    assert [item.id for item in now.conversation.context] == ["b", "c"]
    assert now.outcomes == [UserSaid("c", "Hm"), UserSaid("c", None)]


@pytest.mark.checklist(96)
def test_what_the_server_has_cut_was_not_said() -> None:
    now = standing(created(), growing(), text("one two six"), audio(110))
    now.take_in(server.ConversationItemTruncated(item_id="item_1", audio_end_ms=80))
    assert now.conversation.entries["item_1"].text.strip() == "one two"


@pytest.mark.checklist(114)
def test_an_error_is_told_with_the_event_it_is_about() -> None:
    now = standing()
    now.responding.ask(ResponseCreate(event_id="event_1"))
    now.responding.due()
    error = said.refused("event_1")
    now.take_in(error)
    assert (now.outcomes, now.turns.model) == ([Refused("event_1", error.error)], "idle")


def test_a_response_too_many_is_refused_by_a_server_that_does_not_say_which() -> None:
    now = standing()
    now.responding.ask(ResponseCreate(event_id="event_1"))
    now.responding.due()
    now.take_in(said.refused(None))
    assert now.turns.model == "asked"
    error = server.ApiError(code="conversation_already_has_active_response")
    now.take_in(server.ErrorEvent(error=error))
    assert last(now) == Refused("event_1", error)
    now.responding.ask(ResponseCreate())
    assert len(now.responding.due()) == 1


def test_an_event_that_means_nothing_here_changes_nothing() -> None:
    assert standing(server.McpListToolsCompleted(item_id="item_1")).outcomes == []


def test_what_is_sent_is_checked_first() -> None:
    now = standing()
    now.write(InputAudioBufferClear())
    assert now.frames == [b'{"type":"input_audio_buffer.clear"}']
    with pytest.raises(InvalidRequest):
        now.check(ConversationItemDelete(7))  # type: ignore[arg-type]  # on purpose


def test_a_change_of_the_session_is_confirmed_or_refused_and_waits_no_more() -> None:
    now = standing()
    now.updates += ["a", "b", "c"]
    for event in (
        server.SessionUpdated(session=Session()),
        said.refused("c"),
        server.ErrorEvent(error=VOICE),
        server.SessionUpdated(session=Session()),
    ):
        now.take_in(event)
    confirmed, refused, voice = now.outcomes
    assert isinstance(confirmed, Updated)
    assert isinstance(refused, Refused)
    assert (confirmed.event_id, refused.event_id) == ("a", "c")
    assert voice == Refused("b", VOICE)
