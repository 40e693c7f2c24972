from __future__ import annotations

import json
from collections.abc import Iterable
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from chatbots.deltas import TextDelta
from chatbots.errors import InvalidRequest, ProviderError
from chatbots.realtime.conversation import Conversation
from chatbots.realtime.events import client, server
from chatbots.realtime.events.event import Dialect, ServerEvent
from chatbots.realtime.events.items import function_output, user_text
from chatbots.realtime.events.registry import write
from chatbots.realtime.events.session import Audio, AudioInput, ResponseParams, Session
from chatbots.realtime.events.unknown import UnknownEvent
from chatbots.realtime.outcomes import Began, Called, Ended, Interrupted, Refused, Updated
from chatbots.realtime.protocol import Protocol
from chatbots.tool_calls import ToolCall
from tests.realtime import said
from tests.realtime.events.sdk import BETA_SERVER, GA_SERVER, examples
from tests.realtime.said import audio, created, done, growing, speech_started, text


def told(protocol: Protocol, *events: ServerEvent) -> Protocol:
    for event in events:
        protocol.receive(write(event))
    return protocol


def sent(protocol: Protocol) -> list[Any]:
    return [json.loads(frame) for frame in protocol.data_to_send()]


def kinds(protocol: Protocol) -> list[str]:
    return [frame["type"] for frame in sent(protocol)]


def test_a_turn_of_text_goes_back_and_forth() -> None:
    protocol = Protocol()
    protocol.send(client.ConversationItemCreate(user_text("Hi")))
    asked = protocol.send(client.ResponseCreate())
    assert kinds(protocol) == ["conversation.item.create", "response.create"]
    assert kinds(protocol) == []
    event = protocol.receive(write(created()))
    assert event == created()
    told(protocol, growing(), text("Hello."), done())
    began, delta, ended = protocol.outcomes()
    assert (began, delta) == (Began("resp_1", asked), TextDelta("Hello."))
    assert isinstance(ended, Ended)
    assert protocol.outcomes() == []


@pytest.mark.checklist(6, 7)
@pytest.mark.parametrize("dialect", ["ga", "beta"])
def test_what_is_said_around_calls_is_heard_and_the_calls_are_answered_once(
    dialect: Dialect,
) -> None:
    protocol = Protocol(dialect=dialect)
    for event in said.mixed():
        protocol.receive(write(event, dialect))
    calls = [ToolCall(name, "multiply", '{"a": 6, "b": 7}') for name in ("call_1", "call_2")]
    ended = protocol.outcomes()
    assert ended[:-1] == [
        Began("resp_1", None),
        TextDelta("Let me see: "),
        TextDelta("one moment. "),
        *map(Called, calls),
    ]
    assert isinstance(ended[-1], Ended)
    assert ended[-1].text == "Let me see: one moment. "
    assert protocol.ignored == 0
    protocol.send(client.ResponseCreate())
    assert kinds(protocol) == []
    protocol.output("call_2", "42")
    protocol.output("call_1", "42")
    assert kinds(protocol) == ["conversation.item.create"] * 2 + ["response.create"]
    kinds_said = [item.type for item in protocol.now.conversation.context]
    assert kinds_said == ["message", "function_call", "function_call", "message"]


def test_a_turn_with_tools_sends_all_results_and_then_asks_once() -> None:
    protocol = told(Protocol(), created(), done(said.call("call_1"), said.call("call_2")))
    assert [type(outcome) for outcome in protocol.outcomes()] == [Began, Called, Called, Ended]
    protocol.output("call_2", "42")
    assert kinds(protocol) == ["conversation.item.create"]
    protocol.output("call_1", "42")
    assert kinds(protocol) == ["conversation.item.create", "response.create"]
    with pytest.raises(InvalidRequest):
        protocol.output("call_1", "42")


def test_results_may_be_sent_by_hand_and_so_may_the_response_after_them() -> None:
    protocol = told(Protocol(), created(), done(said.call("call_1")))
    protocol.send(client.ResponseCreate())
    assert kinds(protocol) == []
    protocol.send(client.ConversationItemCreate(function_output("call_1", "42")))
    assert kinds(protocol) == ["conversation.item.create", "response.create"]


def test_an_event_that_comes_twice_counts_once() -> None:
    protocol = told(Protocol(), created(), growing())
    frame = '{"type":"response.text.delta","event_id":"event_7","item_id":"item_1","delta":"Hi"}'
    assert protocol.receive(frame) is not None
    assert protocol.receive(frame) is None
    assert protocol.outcomes()[1:] == [TextDelta("Hi")]
    assert protocol.ignored == 1


def test_what_comes_late_is_not_heard_but_counted() -> None:
    protocol = told(Protocol(), created(), growing(), text("Hel"), speech_started(), text("lo"))
    assert protocol.outcomes()[1:] == [TextDelta("Hel"), Interrupted(None, None)]
    assert protocol.ignored == 1


def test_a_new_event_is_passed_on_and_what_is_no_event_is_not() -> None:
    protocol = Protocol()
    assert isinstance(protocol.receive('{"type":"new"}'), UnknownEvent)
    with pytest.raises(ProviderError):
        protocol.receive("{")
    assert (protocol.outcomes(), protocol.ignored) == ([], 0)


def test_what_is_refused_fails_who_asked_and_lets_the_next_one_go() -> None:
    protocol = Protocol()
    first = protocol.send(client.ResponseCreate())
    second = protocol.send(client.ResponseCreate())
    assert [frame["event_id"] for frame in sent(protocol)] == [first]
    error = said.refused(first)
    told(protocol, error)
    assert protocol.outcomes() == [Refused(first, error.error)]
    assert [frame["event_id"] for frame in sent(protocol)] == [second]


def test_changes_of_the_session_are_confirmed_in_order_and_the_refused_one_is_left_out() -> None:
    protocol = Protocol()
    first, second, third = (protocol.send(client.SessionUpdate(Session())) for _ in range(3))
    confirmed = server.SessionUpdated(session=Session())
    told(protocol, confirmed, said.refused(second), confirmed, confirmed)
    outcomes = protocol.outcomes()
    assert [
        (type(one), one.event_id) for one in outcomes if isinstance(one, Updated | Refused)
    ] == [
        (Updated, first),
        (Refused, second),
        (Updated, third),
    ]
    assert len(outcomes) == 3


@pytest.mark.parametrize(
    "error",
    [
        server.ApiError(code="cannot_update_voice", message="No."),
        server.ApiError(code="invalid_value", param="session.voice", message="No."),
        server.ApiError(code="cannot_update_voice", message="No.", event_id=""),
    ],
)
def test_a_change_that_is_refused_without_the_event_s_id_is_the_one_that_waits_first(
    error: server.ApiError,
) -> None:
    protocol = Protocol()
    name = protocol.send(client.SessionUpdate(Session(voice="ash")))
    told(protocol, server.ErrorEvent(error=error), server.ErrorEvent(error=error))
    assert protocol.outcomes() == [Refused(name, error), Refused(None, error)]


def test_that_a_session_has_begun_confirms_no_change_of_it() -> None:
    protocol = Protocol()
    name = protocol.send(client.SessionUpdate(Session(instructions="Be brief.")))
    told(protocol, server.SessionCreated(session=Session()))
    assert protocol.outcomes() == []
    told(protocol, server.SessionUpdated(session=Session(instructions="Be brief.")))
    (confirmed,) = protocol.outcomes()
    assert isinstance(confirmed, Updated)
    assert (confirmed.event_id, confirmed.session.instructions) == (name, "Be brief.")


def test_each_event_gets_an_id_but_audio_which_is_many_and_one_that_has_its_own() -> None:
    protocol = Protocol()
    name = protocol.send(client.SessionUpdate(Session(instructions="Be brief.")))
    assert name is not None
    assert protocol.send(client.InputAudioBufferAppend.of(b"\0\0")) is None
    assert protocol.send(client.InputAudioBufferCommit(event_id="mine")) == "mine"
    assert [frame.get("event_id") for frame in sent(protocol)] == [name, None, "mine"]


def test_what_cannot_be_right_is_refused_when_it_is_said() -> None:
    protocol = Protocol()
    wrong = ResponseParams(max_output_tokens=0.5)  # type: ignore[arg-type]  # on purpose
    with pytest.raises(InvalidRequest):
        protocol.send(client.ResponseCreate(wrong))
    with pytest.raises(InvalidRequest):
        protocol.send(client.ConversationItemTruncate("ghost", 0, 5))
    assert kinds(protocol) == []


def test_a_response_beside_the_conversation_does_not_wait() -> None:
    protocol = told(Protocol(), created())
    params = ResponseParams(conversation="none", metadata={"why": "title"})
    name = protocol.send(client.ResponseCreate(params))
    bare = protocol.send(client.ResponseCreate(ResponseParams(conversation="none")))
    first, second = sent(protocol)
    assert first["response"]["metadata"] == {"why": "title", "aside": name}
    assert second["response"]["metadata"] == {"aside": bare}


@pytest.mark.checklist(87)
def test_a_response_is_cancelled_once_and_only_if_there_is_one() -> None:
    protocol = Protocol()
    protocol.send(client.ResponseCancel())
    assert kinds(protocol) == []
    told(protocol, created())
    protocol.send(client.ResponseCancel())
    protocol.send(client.ResponseCancel())
    assert kinds(protocol) == ["response.cancel"]


@pytest.mark.checklist(87)
def test_a_response_is_cancelled_by_its_name_even_one_beside_the_conversation() -> None:
    protocol = told(Protocol(), created("resp_1"))
    protocol.send(client.ResponseCancel("resp_2"))
    assert protocol.now.turns.model == "answering"
    protocol.send(client.ResponseCancel("resp_1"))
    assert [frame["response_id"] for frame in sent(protocol)] == ["resp_2", "resp_1"]
    told(protocol, growing(), text("late"))
    assert protocol.ignored == 1


def test_a_response_that_has_not_begun_is_cancelled_as_it_begins() -> None:
    protocol = Protocol()
    protocol.send(client.ResponseCreate())
    assert kinds(protocol) == ["response.create"]
    protocol.send(client.ResponseCancel())
    assert kinds(protocol) == []
    told(protocol, created())
    assert kinds(protocol) == ["response.cancel"]


def test_the_client_may_interrupt_as_the_user_does() -> None:
    protocol = told(Protocol(), created(), growing(), audio(500))
    protocol.played("item_1", 200)
    protocol.interrupt()
    cancel, cut = sent(protocol)
    assert cancel["type"] == "response.cancel"
    assert (cut["type"], cut["audio_end_ms"]) == ("conversation.item.truncate", 200)
    assert protocol.outcomes()[-1] == Interrupted("item_1", 200)


def test_what_is_asked_for_can_be_interrupted_and_what_waits_is_forgotten() -> None:
    protocol = Protocol()
    protocol.send(client.ResponseCreate())
    protocol.send(client.ResponseCreate())
    assert kinds(protocol) == ["response.create"]
    protocol.interrupt()
    told(protocol, created())
    assert kinds(protocol) == ["response.cancel"]
    told(protocol, done(status="cancelled"))
    assert kinds(protocol) == []


def test_what_still_sounds_is_cut_when_there_is_nothing_left_to_cancel() -> None:
    protocol = told(Protocol(), created(), growing(), audio(500))
    protocol.played("item_1", 0)
    told(protocol, done())
    protocol.played("item_1", 200)
    protocol.interrupt()
    assert kinds(protocol) == ["conversation.item.truncate"]
    protocol.interrupt()
    assert kinds(protocol) == []
    assert protocol.now.turns.model == "idle"


def test_an_item_is_truncated_by_hand_to_no_more_than_has_come() -> None:
    protocol = told(Protocol(), created(), growing(), audio(100))
    protocol.send(client.ConversationItemTruncate("item_1", 0, 5000))
    assert [frame["audio_end_ms"] for frame in sent(protocol)] == [100]


@pytest.mark.checklist(81)
def test_too_little_audio_is_not_committed_where_the_client_says_when() -> None:
    by_hand = Session(audio=Audio(input=AudioInput(turn_detection=None)))
    protocol = told(Protocol(), server.SessionUpdated(session=by_hand))
    second = client.InputAudioBufferAppend.of(bytes(48_000))
    for event in (second, client.InputAudioBufferCommit()):
        protocol.send(event)
    with pytest.raises(InvalidRequest, match="0 ms of audio to commit"):
        protocol.send(client.InputAudioBufferCommit())
    protocol.send(second)
    told(protocol, server.InputAudioBufferCleared())
    with pytest.raises(InvalidRequest, match="0 ms of audio to commit"):
        protocol.send(client.InputAudioBufferCommit())
    with pytest.raises(InvalidRequest, match="this has 3 bytes"):
        protocol.send(client.InputAudioBufferAppend.of(bytes(3)))
    append, commit = "input_audio_buffer.append", "input_audio_buffer.commit"
    assert kinds(protocol) == [append, commit, append]


def test_an_answer_that_the_connection_takes_with_it_is_interrupted_and_its_text_kept() -> None:
    conversation = Conversation()
    protocol = told(Protocol(conversation), created(), growing(), text("Hel"), speech_started())
    protocol.send(client.InputAudioBufferClear())
    protocol.lost()
    assert protocol.outcomes()[-1] == Ended("resp_1", "interrupted", "lost", "Hel")
    assert kinds(protocol) == []
    assert (protocol.now.turns.user, protocol.now.turns.model) == ("silent", "idle")
    protocol.lost()
    assert protocol.outcomes() == []
    other = Protocol(conversation)
    for event in conversation.replay():
        other.send(event)
    (frame,) = sent(other)
    assert frame["item"]["content"] == [{"type": "output_text", "text": "Hel"}]


def test_a_server_of_the_beta_dialect_is_spoken_to_in_its_words() -> None:
    protocol = Protocol(dialect="beta")
    protocol.send(client.SessionUpdate(Session(voice="alloy")))
    assert sent(protocol)[0]["session"] == {"voice": "alloy"}


# In any order


EVENTS = [
    created(), created("resp_2"), growing(), growing("item_2", "resp_2"), text("a"), audio(20),
    text("b", item="item_2", response="resp_2"), done(), done(response_id="resp_2"),
    done(said.call("call_1")), done(said.call("call_2"), response_id="resp_2"),
    done(status="cancelled"), speech_started(), said.speech_stopped(), said.committed(),
    said.refused(None), said.updated(), said.updated(interrupt=False),
]  # fmt: skip


@given(st.lists(st.sampled_from(EVENTS)))
def test_nothing_that_a_server_says_in_any_order_confuses_it(events: list[ServerEvent]) -> None:
    protocol = told(Protocol(), *events)
    active, model = protocol.now.responding.active, protocol.now.turns.model
    assert (active is not None) == (model in ("answering", "stopping"))
    outcomes = protocol.outcomes()
    began = [one.response_id for one in outcomes if isinstance(one, Began)]
    ended = [one.response_id for one in outcomes if isinstance(one, Ended)]
    assert began[: len(ended)] == ended
    assert len(began) - len(ended) == (active is not None)


class Server:
    """A server that says when a client breaks its rules."""

    def __init__(self) -> None:
        self.active: str | None = None
        self.owed: list[str] = []
        self.count = 0
        self.asked = 0
        self.mine = False

    def hear(self, frames: Iterable[Any]) -> list[ServerEvent]:
        said_back: list[ServerEvent] = []
        for frame in frames:
            match frame:
                case {"type": "response.create", "event_id": str(name)} if self.active:
                    assert self.mine, "asked for a response while one was under way"
                    said_back.append(said.refused(name))
                case {"type": "response.create"}:
                    assert not self.owed, "asked for a response while results were owed"
                    said_back.append(self.begin(mine=False))
                case {"item": {"type": "function_call_output", "call_id": call_id}}:
                    self.owed.remove(call_id)
                case {"type": "response.cancel"} if self.active:
                    said_back.append(self.end(status="cancelled"))
                case _:
                    pass
        return said_back

    def begin(self, *, mine: bool) -> ServerEvent:
        self.count += 1
        self.active, self.mine = f"resp_{self.count}", mine
        return created(self.active)

    def end(self, *, calls: int = 0, status: str = "completed") -> ServerEvent:
        names = [f"call_{self.count}_{n}" for n in range(calls)]
        self.owed += names
        ended, self.active = self.active or "", None
        return done(*map(said.call, names), response_id=ended, status=status)

    def act(self, action: str) -> list[ServerEvent]:
        """Do what turn detection or the model does."""
        match action:
            case "done" | "calls" if self.active:
                return [self.end(calls=2 if action == "calls" else 0)]
            case "speech" if self.active:
                return [speech_started(), self.end(status="cancelled"), said.committed()]
            case "speech":
                return [speech_started(), said.committed(), self.begin(mine=True)]
            case _:
                return []


@given(st.lists(st.sampled_from(["ask", "ask", "deliver", "done", "calls", "answer", "speech"])))
def test_whatever_is_wanted_a_server_is_asked_for_one_thing_at_a_time(actions: list[str]) -> None:
    peer, protocol = Server(), Protocol()
    calls: list[Called] = []
    for action in [*actions, *["deliver", "done", "answer"] * (len(actions) + 1)]:
        if action == "ask":
            protocol.send(client.ResponseCreate())
        elif action == "answer" and calls:
            protocol.output(calls.pop().call.id, "42")
        elif action == "deliver":
            told(protocol, *peer.hear(sent(protocol)))
        else:
            told(protocol, *peer.act(action))
        calls += [one for one in protocol.outcomes() if isinstance(one, Called)]
    assert (peer.active, peer.owed, calls) == (None, [], [])
    assert (protocol.now.turns.model, protocol.ignored) == ("idle", 0)
    assert sent(protocol) == []


FRAMES = [
    body
    for table in (GA_SERVER, BETA_SERVER)
    for model in table.values()
    for body in examples(model)
]
ODD: list[Any] = [None, 5, -1, 1.5, True, "", "x", "item_1", "resp_1", [], {}]


def spoil(value: Any, random: Random) -> Any:
    """Return *value* with a field here and there missing, null, or of another kind."""
    if isinstance(value, list):
        return [spoil(one, random) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        name: random.choice(ODD) if name != "type" and random.random() < 0.05 else spoil(it, random)
        for name, it in value.items()
        if name == "type" or random.random() > 0.03
    }


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32))
def test_whatever_a_server_sends_is_taken_in_or_left(seed: int) -> None:
    random, protocol = Random(seed), Protocol()  # noqa: S311  # chance, not a secret
    for _ in range(60):
        protocol.receive(json.dumps(spoil(random.choice(FRAMES), random)))
        protocol.outcomes()
        assert sent(protocol) is not None
    told_again = Protocol(protocol.now.conversation)
    for event in protocol.now.conversation.replay():
        told_again.send(event)
    protocol.lost()
    assert protocol.now.turns.model == "idle"
