from __future__ import annotations

import gc

import anyio
import pytest
from msgspec.structs import replace

from chatbots.deltas import Notice, TextDelta
from chatbots.errors import ChatError, InvalidRequest, ProviderError
from chatbots.realtime.asking import Asking, Response
from chatbots.realtime.audience import CAPACITY
from chatbots.realtime.events.client import ResponseCreate
from chatbots.realtime.events.server import ApiError
from chatbots.realtime.events.session import ResponseParams, Session
from chatbots.realtime.failures import Peer
from chatbots.realtime.outcomes import Began, Ended, Refused, Updated, UserSaid
from chatbots.realtime.receiving import ASIDE
from chatbots.wakeup import Wakeup

BROKEN = ProviderError("stream_interrupted", "Broken.")
VOICE = Session(voice="ash")
WHOLE = Ended("resp_1", "completed", None, "Hi there")


def asking(*, again: bool = False) -> Asking:
    return Asking(Wakeup(), lambda: Peer("host", ("sk-canary-0123",)), lambda _: again)


def ask(asked: Asking, name: str = "event_1") -> Response:
    return asked.ask(ResponseCreate(event_id=name))


async def failure(response: Response) -> ChatError:
    with pytest.raises(ChatError) as caught:
        await response.ended()
    with pytest.raises(ChatError) as again:
        [one async for one in response]
    assert again.value is caught.value
    return caught.value


async def test_a_response_is_told_its_pieces_and_how_it_ended() -> None:
    asked = asking()
    response = ask(asked)
    assert asked
    assert asked.waits("event_1")
    asked.tell([TextDelta("before")], 1)
    asked.tell([Began("resp_1", "event_1"), TextDelta("Hi"), UserSaid("item_1", "?")], 1)
    asked.tell([Notice("reconnected", ""), TextDelta(" there"), WHOLE, TextDelta("after")], 1)
    assert response.id == "resp_1"
    assert [one async for one in response] == [TextDelta("Hi"), TextDelta(" there")]
    assert await response.ended() == WHOLE
    assert not asked


async def test_a_change_of_the_session_is_answered() -> None:
    asked, told = asking(), dict[str, Session | ChatError]()

    async def change(name: str) -> None:
        try:
            told[name] = await asked.changed(name, 60)
        except ChatError as error:
            told[name] = error

    async with anyio.create_task_group() as tasks:
        for name in "abcde":
            tasks.start_soon(change, name)
        await anyio.wait_all_tasks_blocked()
        assert asked, "nothing takes over before the answers"
        asked.tell([Updated("nobody's", VOICE), Refused("a", ApiError(message="No."))], 1)
        asked.tell([Updated("c", VOICE)], 1)
        asked.updated(None, Session())
    assert [told[name] for name in "bcde"] == [VOICE, VOICE, Session(), Session()]
    assert isinstance(told["a"], ProviderError)
    assert not asked


async def test_a_change_that_is_not_answered_ends_by_the_clock_or_with_the_session() -> None:
    asked = asking()
    with pytest.raises(ProviderError, match="not confirmed the change within 0 seconds"):
        await asked.changed("a", 0)
    assert not asked
    async with anyio.create_task_group() as tasks:

        async def over() -> None:
            asked.fail(BROKEN)

        tasks.start_soon(over)
        with pytest.raises(ProviderError, match=r"Broken\."):
            await asked.changed("b", 60)


async def test_what_is_cancelled_before_it_is_sent_ends_but_for_what_is_beside() -> None:
    asked = asking()
    sent, queued, aside = ask(asked), ask(asked, "event_2"), "event_3"
    beside = asked.ask(ResponseCreate(ResponseParams(conversation="none"), event_id=aside))
    asked.cancel("event_1")
    assert (await queued.ended()).state == "cancelled"
    assert [asked.waits(one.event_id) for one in (sent, queued, beside)] == [True, False, True]


async def test_responses_of_others_are_nobodys() -> None:
    asked = asking()
    response = ask(asked)
    asked.tell(
        [Began("resp_0", None), TextDelta("Not yours"), replace(WHOLE, response_id="resp_0")], 1
    )
    asked.tell([Refused("event_0", ApiError(code="no")), Refused(None, ApiError())], 1)
    assert asked.waits(response.event_id)


async def test_one_who_waits_for_the_end_alone_is_not_waited_for() -> None:
    asked = asking()
    waiting, held = ask(asked, "event_1"), ask(asked, "event_2")
    async with anyio.create_task_group() as group:
        group.start_soon(waiting.ended)
        await anyio.wait_all_tasks_blocked()
        asked.tell([Began("resp_1", "event_1"), TextDelta("x")], CAPACITY)
        assert asked.reader.behind == []
        asked.tell([WHOLE, Began("resp_2", "event_2"), TextDelta("x")], CAPACITY)
        assert asked.reader.behind == [held]


async def test_each_response_is_told_its_own_when_both_come_in_one_go() -> None:
    asked = asking()
    first, second = ask(asked, "event_1"), ask(asked, "event_2")
    other = replace(WHOLE, response_id="resp_2")
    asked.tell([Began("resp_1", "event_1"), TextDelta("a"), WHOLE, Began("resp_2", "event_2")], 1)
    asked.tell([TextDelta("b"), other], 1)
    assert [one async for one in first] == [TextDelta("a")]
    assert [one async for one in second] == [TextDelta("b")]
    assert (await first.ended(), await second.ended()) == (WHOLE, other)


async def test_one_whom_nobody_holds_is_not_waited_for() -> None:
    asked = asking()
    ask(asked)
    gc.collect()
    asked.tell([Began("resp_1", "event_1"), TextDelta("x")], CAPACITY)
    assert asked.waits("event_1")
    asked.tell([WHOLE], 1)
    assert not asked


async def test_a_response_beside_the_conversation_ends_by_its_mark() -> None:
    asked = asking()
    aside, other = ask(asked, "event_1"), ask(asked, "event_2")
    asked.tell([Began("resp_2", "event_2")], 1)
    ended = Ended("resp_1", "completed", None, "Aside", None, {ASIDE: "event_1"})
    asked.tell([ended], 1)
    assert await aside.ended() == ended
    asked.tell([Ended("resp_2", "cancelled", "client_cancelled", "")], 1)
    assert (await other.ended()).state == "cancelled"


async def test_a_refused_request_fails_at_once_without_the_key() -> None:
    asked = asking()
    response = ask(asked)
    error = ApiError(type="invalid_request_error", message="Not with sk-canary-0123.")
    asked.tell([Refused("event_1", error)], 1)
    failed = await failure(response)
    assert isinstance(failed, InvalidRequest)
    assert str(failed) == "Host refuses what was asked of it: Not with [redacted]."


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("server_error", "upstream_error"),
        ("insufficient_quota", "quota_exhausted"),
        ("rate_limit_exceeded", "rate_limited"),
        (None, "upstream_error"),
    ],
)
async def test_a_failed_response_raises_with_what_it_had_said(
    reason: str | None, code: str
) -> None:
    asked = asking(again=True)
    response = ask(asked)
    asked.tell([Began("resp_1", "event_1"), Ended("resp_1", "failed", reason, "Half")], 1)
    failed = await failure(response)
    assert (failed.code, failed.partial) == (code, "Half")


@pytest.mark.parametrize("again", [True, False])
async def test_a_response_without_room_is_asked_for_once_more_if_that_can_be(again: bool) -> None:
    asked = asking(again=again)
    response = ask(asked)
    slow = Ended("resp_1", "failed", "rate_limit_exceeded", "")
    asked.tell([Began("resp_1", "event_1"), slow], 1)
    assert asked.waits("event_1") is again
    if again:
        asked.tell([Began("resp_2", "event_1"), slow], 1)
    assert (await failure(response)).code == "rate_limited"


async def test_a_lost_connection_fails_what_had_begun_and_the_rest_is_asked_for_once_more() -> None:
    asked = asking()
    begun, waiting = ask(asked, "event_1"), ask(asked, "event_2")
    lost = Ended("resp_1", "interrupted", "lost", "Half")
    asked.tell([Began("resp_1", "event_1"), TextDelta("Half"), lost], 1)
    assert asked.lost(BROKEN, "Half") == [ResponseCreate(event_id="event_2")]
    assert (await failure(begun)).partial == "Half"
    assert asked.waits("event_2")
    assert asked.lost(BROKEN, "") == []
    assert (await failure(waiting)).partial == ""
    assert not asked


async def test_a_response_of_which_nothing_was_heard_is_asked_for_once_more() -> None:
    asked = asking()
    response = ask(asked)
    asked.tell([Began("resp_1", "event_1")], 1)
    assert asked.lost(BROKEN, "") == [ResponseCreate(event_id="event_1")]
    asked.tell([Began("resp_2", "event_1"), TextDelta("Hi")], 1)
    asked.tell([replace(WHOLE, response_id="resp_2")], 1)
    assert [one async for one in response] == [TextDelta("Hi")]
    assert response.id == "resp_2"


async def test_the_end_of_the_session_fails_all() -> None:
    asked = asking()
    both = ask(asked, "event_1"), ask(asked, "event_2")
    asked.fail(BROKEN)
    assert [(await failure(one)).code for one in both] == ["stream_interrupted"] * 2
    assert not asked


async def test_a_response_asked_for_once_more_is_told_each_piece_once() -> None:
    asked = asking(again=True)
    response = ask(asked)
    slow = Ended("resp_1", "failed", "rate_limit_exceeded", "")
    asked.tell([Began("resp_1", "event_1"), slow, Began("resp_2", "event_1"), TextDelta("Hi")], 1)
    asked.tell([replace(WHOLE, response_id="resp_2")], 1)
    assert [one async for one in response] == [TextDelta("Hi")]
