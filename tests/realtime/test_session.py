from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from msgspec.structs import replace

from chatbots.deltas import Notice, TextDelta
from chatbots.errors import InvalidRequest, ProviderError
from chatbots.realtime.address import Address
from chatbots.realtime.asking import Told
from chatbots.realtime.audience import Stream
from chatbots.realtime.events import client, server
from chatbots.realtime.events.event import ClientEvent, Dialect
from chatbots.realtime.events.items import user_text
from chatbots.realtime.events.responses import (
    ResponseAudioDelta,
    ResponseDone,
    ResponseFailure,
    ResponseStatus,
)
from chatbots.realtime.events.session import ResponseParams, Session
from chatbots.realtime.events.unknown import UnknownEvent
from chatbots.realtime.handlers import Said
from chatbots.realtime.outcomes import Began, Called, Interrupted
from chatbots.realtime.patience import Clock, Patience
from chatbots.realtime.session import RealtimeSession
from chatbots.realtime.transport import Limits
from chatbots.realtime.websockets_transport import WebSocketsDialer
from chatbots.testing.socket_peer import socket_peer
from tests.realtime.said import audio, call, created, done, growing, refused, said, text
from tests.realtime.talking import MIXED, Socket, Stage, asked, mixing, playing


async def until(stream: Stream[Told], code: str) -> AsyncIterator[Told]:
    """Yield all that is told, to the notice with that code."""
    async for one in stream:
        yield one
        if isinstance(one, Notice) and one.code == code:
            return


async def answers(socket: Socket, *, begun: bool = False) -> None:
    if not begun:
        await socket.begin()
    while True:
        await socket.hear("response.create")
        await socket.say(
            created(), growing(), text("Hello."), text(" You."), done(said("Hello. You."))
        )


async def test_a_turn_of_text_is_asked_for_read_and_ended() -> None:
    async with playing(answers) as stage, RealtimeSession(WebSocketsDialer(), stage.address) as s:
        everything, events = s.outcomes(), s.events()
        assert (await anext(events)).type == "session.created"
        assert s.id == "sess_1"
        await s.send(client.ConversationItemCreate(user_text("Hi")))
        response = await s.respond()
        pieces = [one async for one in response]
        assert pieces == [TextDelta("Hello."), TextDelta(" You.")]
        assert (await response.ended()).state == "completed"
        assert response.id == "resp_1"
        assert await anext(everything) == Began("resp_1", response.event_id)


@pytest.mark.checklist(6, 7, 8)
@pytest.mark.parametrize("dialect", ["ga", "beta"])
async def test_a_response_that_talks_and_calls_is_answered_by_all_results_and_one_request(
    dialect: Dialect,
) -> None:
    async with playing(mixing(dialect)) as stage:
        address = replace(stage.address, dialect=dialect)
        async with RealtimeSession(WebSocketsDialer(), address) as s:
            response = await s.respond()
            pieces = [one async for one in response]
            assert pieces[:2] == [TextDelta("Let me see: "), TextDelta("one moment. ")]
            one, other = (piece.call.id for piece in pieces if isinstance(piece, Called))
            assert await s.output(one, "42") is None
            after = await s.output(other, "42")
            assert after is not None
            assert (await after.ended()).text == "It is 42."
        assert asked(stage.sockets[0]) == MIXED


QUICK = Patience(close=0.3, backoff=0.01, longest=0.02)


def session(stage: Stage, **options: Any) -> RealtimeSession:
    return RealtimeSession(WebSocketsDialer(), stage.address, **{"patience": QUICK, **options})


async def breaks_off(socket: Socket) -> None:
    await socket.begin()
    await socket.hear("conversation.item.create")
    await socket.say(server.ConversationItemCreated(item=user_text("Hi", id="item_0")))
    await socket.hear("response.create")
    await socket.say(created(), growing(), text("Half"))
    socket.socket.transport.abort()


@pytest.mark.checklist(17)
async def test_a_lost_connection_is_made_anew_and_is_told_what_was_said() -> None:
    async with playing(breaks_off, answers) as stage, session(stage) as s:
        everything = s.outcomes()
        await s.send(client.ConversationItemCreate(user_text("Hi", id="item_0")))
        response = await s.respond()
        with pytest.raises(ProviderError) as caught:
            await response.ended()
        assert (caught.value.code, caught.value.partial) == ("stream_interrupted", "Half")
        again = await s.respond()
        assert (await again.ended()).text == "Hello. You."
        notices = [
            one.code async for one in until(everything, "reconnected") if type(one) is Notice
        ]
        assert notices == ["reconnecting", "reconnected"]
        told = [
            e["item"] for e in stage.sockets[1].heard if e["type"] == "conversation.item.create"
        ]
        assert [(item["role"], item["content"][0]["text"]) for item in told] == [
            ("user", "Hi"),
            ("assistant", "Half"),
        ]
        assert s.id == "sess_2"


async def test_a_response_that_had_not_begun_is_asked_of_the_next_connection() -> None:
    async def goes(socket: Socket) -> None:
        await socket.begin()
        await socket.hear("response.create")
        await socket.socket.close(1001)

    async with playing(goes, answers) as stage, session(stage) as s:
        await s.send(client.ConversationItemCreate(user_text("Hi")))
        response = await s.respond()
        assert (await response.ended()).text == "Hello. You."
        assert [e["type"] for e in stage.sockets[1].heard] == [
            "conversation.item.create",
            "response.create",
        ]


async def calls(socket: Socket) -> None:
    await socket.begin()
    await socket.hear("response.create")
    await socket.say(created(), done(call("call_1"), call("call_2")))
    await socket.hear("response.create")
    await socket.say(created("resp_2"), done(said("42."), response_id="resp_2"))


async def test_the_last_result_of_the_calls_brings_the_next_response() -> None:
    async with playing(calls) as stage, session(stage) as s:
        response = await s.respond()
        assert [one.call.id async for one in response if isinstance(one, Called)] == [
            "call_1",
            "call_2",
        ]
        assert await s.output("call_2", "1") is None
        following = await s.output("call_1", "42")
        assert following is not None
        assert (await following.ended()).text == "42."
        assert [e["type"] for e in stage.sockets[0].heard] == [
            "response.create",
            "conversation.item.create",
            "conversation.item.create",
            "response.create",
        ]
        with pytest.raises(InvalidRequest, match="call_1"):
            await s.output("call_1", "42")


async def calls_and_goes(socket: Socket) -> None:
    await socket.begin()
    await socket.hear("response.create")
    await socket.say(created(), done(call("call_1")))
    await socket.socket.close(1011)


async def test_a_result_that_was_owed_when_the_connection_was_lost_is_told_to_the_next() -> None:
    async with playing(calls_and_goes, answers) as stage, session(stage) as s:
        everything = s.outcomes()
        await s.respond()
        [_ async for _ in until(everything, "reconnected")]
        following = await s.output("call_1", "42")
        assert following is not None
        assert (await following.ended()).state == "completed"
        heard = stage.sockets[1].heard
        items = [event["item"]["type"] for event in heard if "item" in event]
        assert items == ["function_call", "function_call_output"]


async def ends(socket: Socket) -> None:
    await socket.begin()
    await socket.hear("response.create")
    await socket.socket.close(1008, "no")


@pytest.mark.checklist(127)
@pytest.mark.checklist(127)
async def test_what_the_servers_policy_ended_is_over() -> None:
    async with playing(ends) as stage, session(stage) as s:
        everything, response = s.outcomes(), await s.respond()
        with pytest.raises(InvalidRequest, match="policy"):
            await response.ended()
        with pytest.raises(InvalidRequest, match="policy"):
            [one async for one in everything]
        with pytest.raises(InvalidRequest, match="policy"):
            await s.send(client.ResponseCancel())
        with pytest.raises(InvalidRequest, match="policy"):
            [one async for one in s.events()]
    assert len(stage.sockets) == 1


@pytest.mark.parametrize("code", [1000, 1001, 1011, 1013, 4000])
async def test_a_session_that_the_server_ends_goes_on_in_another(code: int) -> None:
    async def goes(socket: Socket) -> None:
        await socket.begin()
        await socket.socket.close(code)

    async with playing(goes, answers) as stage, session(stage) as s:
        [_ async for _ in until(s.outcomes(), "reconnected")]
        assert (await (await s.respond()).ended()).state == "completed"


@pytest.mark.checklist(128)
async def test_a_server_that_only_opens_is_given_up() -> None:
    async def opens(socket: Socket) -> None:
        await socket.begin()
        await socket.socket.close(1011)

    async with playing(opens) as stage, session(stage) as s:
        with pytest.raises(ProviderError, match="in the middle"):
            [_ async for _ in s.outcomes()]
    assert len(stage.sockets) == QUICK.tries


async def test_progress_gives_all_tries_back() -> None:
    async def once(socket: Socket) -> None:
        await socket.begin()
        await socket.say(created(), done())
        await socket.socket.close(1011)

    plays = [once] * (QUICK.tries + 2)
    async with playing(*plays, answers) as stage, session(stage) as s:
        response = None
        while response is None or response.state != "completed":
            with suppress(ProviderError):
                response = await (await s.respond()).ended()
    assert len(stage.sockets) == len(plays) + 1


async def stalls(socket: Socket) -> None:
    await socket.begin()
    await socket.hear("response.create")
    if socket.number == 1:
        await socket.say(created(), growing(), text("Half"))
    await socket.socket.wait_closed()


@pytest.mark.checklist(26)
async def test_audio_goes_both_ways_at_once() -> None:
    async def listens_while_it_speaks(socket: Socket) -> None:
        await socket.begin()
        await socket.hear("response.create")
        await socket.say(created(), growing())
        for _ in range(3):
            await socket.hear("input_audio_buffer.append")
            await socket.say(audio(20))
        await socket.say(done(said("La la la.")))

    async with playing(listens_while_it_speaks) as stage, session(stage) as s:
        response, heard = await s.respond(), 0
        await s.send(client.InputAudioBufferAppend.of(bytes(960)))
        async for one in response:
            heard += isinstance(one, ResponseAudioDelta)
            if heard < 3:
                await s.send(client.InputAudioBufferAppend.of(bytes(960)))
    assert heard == 3


@pytest.mark.checklist(15, 170)
async def test_what_is_no_part_of_an_answer_does_not_stop_it() -> None:
    limits = (server.RateLimit(name="requests", limit=9, remaining=3, reset_seconds=1.5),)

    async def chatters(socket: Socket) -> None:
        await socket.begin()
        await socket.hear("response.create")
        await socket.say(created(), refused("of_nobody"), growing(), text("Hel"))
        await socket.say(server.RateLimitsUpdated(rate_limits=limits), '{"type":"new"}', "[7]")
        await socket.socket.send(b"\x00\xff")
        await socket.say(text("lo."), done(said("Hello.")))

    told: list[object] = []
    async with playing(chatters) as stage, session(stage) as s:
        events, response = s.events(), None
        s.on(server.RateLimitsUpdated, told.append)
        response = await s.respond()
        assert (await response.ended()).text == "Hello."
        names = [(await anext(events)).type for _ in range(9)]
    assert names[2:7] == [
        "error",
        "response.output_item.added",
        "response.output_text.delta",
        "rate_limits.updated",
        "new",
    ]
    assert told == [server.RateLimitsUpdated(rate_limits=limits)]


@pytest.mark.checklist(40)
@pytest.mark.usefixtures("time_flies")
async def test_a_response_that_stops_coming_is_given_up() -> None:
    async with playing(stalls) as stage:
        for short, code, partial in (
            ("gap", "stream_stalled", "Half"),
            ("first_delta", "upstream_timeout", ""),
        ):
            async with session(stage, patience=replace(QUICK, **{short: 0.3})) as s:
                response = await s.respond()
                with pytest.raises(ProviderError) as caught:
                    await response.ended()
                assert (caught.value.code, caught.value.partial) == (code, partial)


async def test_a_refused_response_fails_at_once() -> None:
    async def refuses(socket: Socket) -> None:
        await socket.begin()
        asked = await socket.hear("response.create")
        await socket.say(refused(asked["event_id"]))

    async with playing(refuses) as stage, session(stage) as s:
        with pytest.raises(ProviderError, match="No"):
            await (await s.respond()).ended()


@pytest.mark.checklist(159)
async def test_a_response_without_room_at_the_server_is_asked_for_once_more() -> None:
    async def slow_down(socket: Socket) -> None:
        await socket.begin()
        why = ResponseStatus(type="failed", error=ResponseFailure(code="rate_limit_exceeded"))
        limits = (server.RateLimit(name="tokens", reset_seconds=7.0),)
        for number in (1, 2):
            await socket.hear("response.create")
            await socket.say(server.RateLimitsUpdated(rate_limits=limits))
            name = f"resp_{number}"
            await socket.say(created(name), done(response_id=name, status="failed", why=why))

    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async with playing(slow_down) as stage, session(stage, clock=Clock(sleep=sleep)) as s:
        with pytest.raises(ProviderError) as caught:
            await (await s.respond()).ended()
    assert caught.value.code == "rate_limited"
    assert slept == [7.0]


async def test_a_session_that_will_expire_moves_to_another_between_turns() -> None:
    soon = int(time.time()) + 3000

    async def expires(socket: Socket) -> None:
        await socket.begin(expires_at=soon)
        await socket.hear("response.create")
        await socket.say(created(), growing(), text("Hello."))
        await moved.wait()
        await socket.say(done(said("Hello.")))

    async def ready(socket: Socket) -> None:
        await socket.begin()
        moved.set()
        await answers(socket, begun=True)

    moved = anyio.Event()
    sleeps: list[float] = []

    async def sleep(seconds: float) -> None:
        sleeps.append(seconds)
        await anyio.sleep(0.0 if len(sleeps) == 1 else 100)

    async with playing(expires, ready) as stage, session(stage, clock=Clock(sleep=sleep)) as s:
        everything = s.outcomes()
        response = await s.respond()
        assert await anext(response) == TextDelta("Hello.")
        await moved.wait()
        assert s.id == "sess_1"
        assert (await response.ended()).state == "completed"
        [_ async for _ in until(everything, "session_renewed")]
        assert s.id == "sess_2"
        assert (await (await s.respond()).ended()).text == "Hello. You."
    assert 2930 <= sleeps[0] <= 2940
    told = [e["item"]["content"][0]["text"] for e in stage.sockets[1].heard if "item" in e]
    assert told == ["Hello."]


@pytest.mark.checklist(127)
@pytest.mark.parametrize("status", [401, 403, 404])
async def test_who_is_refused_is_told_at_once(status: int) -> None:
    async with socket_peer() as peer:
        address = Address(key="sk-canary-0123", realtime_url=f"{peer.url}/status/{status}/no")
        with pytest.raises(ProviderError):
            async with RealtimeSession(WebSocketsDialer(), address, patience=QUICK):
                pass
    assert len(peer.seen) == 1


@pytest.mark.checklist(159, 166)
@pytest.mark.checklist(159, 166)
async def test_a_server_that_is_busy_is_asked_again_before_it_is_given_up() -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async with socket_peer() as peer:
        address, clock = Address(realtime_url=f"{peer.url}/status/503/no"), Clock(sleep=sleep)
        with pytest.raises(ProviderError, match="503"):
            async with RealtimeSession(WebSocketsDialer(), address, clock=clock):
                pass
    assert len(peer.seen) == Patience().first_tries
    assert [7.0 <= seconds <= 7.7 for seconds in slept] == [True, True]  # it asks for seven


@pytest.mark.checklist(40, 166)
@pytest.mark.parametrize("way", ["mute", "deaf"])
@pytest.mark.usefixtures("time_flies")
async def test_a_server_that_says_nothing_opens_no_session(way: str) -> None:
    patience = replace(QUICK, first_event=0.1, first_tries=1)
    async with socket_peer() as peer:
        address = Address(realtime_url=f"{peer.url}/{way}")
        with pytest.raises(ProviderError, match="no session within"):
            async with RealtimeSession(WebSocketsDialer(), address, patience=patience):
                pass


@pytest.mark.checklist(130)
@pytest.mark.checklist(130)
async def test_closing_takes_no_longer_than_it_may_whatever_the_server_does() -> None:
    async def deaf(socket: Socket) -> None:
        await socket.begin()
        socket.socket.transport.pause_reading()
        await socket.socket.wait_closed()

    async with playing(deaf) as stage:
        dialer = WebSocketsDialer(Limits(close=0.1))
        async with RealtimeSession(dialer, stage.address) as s:
            begun = time.monotonic()
        assert time.monotonic() - begun < 5  # the socket, left alone, would take ten
        with pytest.raises(InvalidRequest, match="closed"):
            await s.send(client.ResponseCancel())
        stage.sockets[0].socket.transport.abort()


async def test_what_is_said_without_a_connection_is_kept_but_for_what_is_too_old() -> None:
    back = anyio.Event()

    async def sleep(_: float) -> None:
        await back.wait()

    async def drops(socket: Socket) -> None:
        await socket.begin()
        await socket.hear()
        socket.socket.transport.abort()

    async with playing(drops, answers) as stage, session(stage, clock=Clock(sleep=sleep)) as s:
        everything = s.outcomes()
        await s.send(client.InputAudioBufferClear())
        [_ async for _ in until(everything, "reconnecting")]
        for number in range(5):
            await s.send(client.InputAudioBufferAppend.of(bytes([number]) * 48_000))
        back.set()
        notices = [one async for one in until(everything, "reconnected") if isinstance(one, Notice)]
        assert [one.message[:7] for one in notices if one.code == "audio_dropped"] == ["3000 ms"]
        await (await s.respond()).ended()
        heard = [e["audio"][:4] for e in stage.sockets[1].heard if "audio" in e]
        assert heard == ["AwMD", "BAQE"]


@pytest.mark.checklist(78, 168)
async def test_handlers_are_called_in_order_and_hurt_no_other() -> None:
    seen: list[str] = []
    async with playing(answers) as stage:
        s = session(stage)

        async def later(event: Said) -> None:
            await anyio.lowlevel.checkpoint()
            seen.append(f"later {event.type}")

        def fails(event: Said) -> None:
            raise ValueError

        s.on(fails)
        s.on(later)
        async with s:
            ended = anyio.Event()

            def done(event: ResponseDone) -> None:
                seen.append("done")
                ended.set()

            off = s.on(ResponseDone, done)
            await s.respond()
            await ended.wait()
            off()
            off()
            await (await s.respond()).ended()
            await anyio.wait_all_tasks_blocked()
    assert seen[0] == "later session.created"
    assert seen.count("done") == 1
    assert seen[seen.index("done") - 1] == "later response.done"


async def test_what_has_been_heard_is_said_and_the_answer_can_be_stopped() -> None:
    async def sounds(socket: Socket) -> None:
        await socket.begin()
        await socket.hear("response.create")
        await socket.say(created(), growing(), audio(200))
        await socket.hear("conversation.item.truncate")

    async with playing(sounds) as stage, session(stage, plays=True) as s:
        response = await s.respond()
        assert isinstance(await anext(response), ResponseAudioDelta)
        s.played("item_1", 50)
        await s.interrupt()
        assert await anext(response) == Interrupted("item_1", 50)
    assert [event["type"] for event in stage.sockets[0].heard][1:] == [
        "response.cancel",
        "conversation.item.truncate",
    ]


async def test_an_answer_can_be_stopped_before_it_begins_and_so_can_the_next() -> None:
    asked = anyio.Event()

    async def slow(socket: Socket) -> None:
        await socket.begin()
        await socket.hear("response.create")
        await asked.wait()
        await socket.say(created())
        await socket.hear("response.cancel")
        await socket.say(done(status="cancelled"))
        await answers(socket, begun=True)

    async with playing(slow) as stage, session(stage) as s:
        first, second = await s.respond(), await s.respond()
        await s.interrupt()
        asked.set()
        assert [(await one.ended()).state for one in (first, second)] == ["cancelled"] * 2
        assert (await (await s.respond()).ended()).state == "completed"
    kinds = [event["type"] for event in stage.sockets[0].heard]
    assert kinds == ["response.create", "response.cancel", "response.create"]


async def test_what_is_stopped_while_the_connection_is_lost_is_not_asked_again() -> None:
    lost, there = anyio.Event(), anyio.Event()

    async def drops(socket: Socket) -> None:
        await socket.begin()
        await socket.hear("response.create")
        await socket.socket.close(1011)
        lost.set()

    async def comes_late(socket: Socket) -> None:
        await there.wait()
        await answers(socket)

    async with playing(drops, comes_late) as stage, session(stage) as s:
        told = s.outcomes()
        response = await s.respond()
        await lost.wait()
        while getattr(await anext(told), "code", None) != "reconnecting":
            pass
        await s.interrupt()
        there.set()
        assert (await response.ended()).reason == "client_cancelled"
        assert (await (await s.respond()).ended()).state == "completed"
    assert [event["type"] for event in stage.sockets[1].heard] == ["response.create"]


async def test_handlers_that_were_too_slow_miss_something_and_are_called_again() -> None:
    events = [f'{{"type": "of.ours", "n": {n}, "x": "{"x" * 400_000}"}}' for n in range(8)]
    begin, missed, last = anyio.Event(), anyio.Event(), anyio.Event()
    seen: list[int] = []

    async def slow(event: UnknownEvent) -> None:
        seen.append(json.loads(event.raw)["n"])
        await begin.wait()
        if seen[-1] == 99:
            last.set()

    async def talks(socket: Socket) -> None:
        await socket.begin()
        await socket.say(*events)
        await missed.wait()
        await socket.say('{"type": "of.ours", "n": 99}')

    patience = replace(QUICK, reader=0.05)
    async with playing(talks) as stage, session(stage, patience=patience) as s:
        s.on(UnknownEvent, slow)
        told = s.events()
        async for event in told:
            if isinstance(event, UnknownEvent) and json.loads(event.raw)["n"] == 7:
                break
        begin.set()
        await anyio.wait_all_tasks_blocked()
        missed.set()
        with anyio.fail_after(20):
            await last.wait()
    assert seen == [*range(len(seen) - 1), 99]
    assert len(seen) < 9


@pytest.mark.parametrize(
    "wrong",
    [
        client.ConversationItemCreate(user_text("Half \ud83d")),
        client.SessionUpdate(Session(instructions="Half \ud83d")),
    ],
)
async def test_what_cannot_be_sent_is_not_kept_for_the_next_connection(
    wrong: ClientEvent,
) -> None:
    async with playing(breaks_off, answers) as stage, session(stage) as s:
        with pytest.raises(InvalidRequest, match="cannot be written"):
            await s.send(wrong)
        await s.send(client.ConversationItemCreate(user_text("Hi", id="item_0")))
        with pytest.raises(ProviderError):
            await (await s.respond()).ended()
        assert (await (await s.respond()).ended()).state == "completed"
    assert "session.update" not in [event["type"] for event in stage.sockets[1].heard]


async def test_who_says_something_before_it_is_open_is_told_so() -> None:
    unopened = RealtimeSession(WebSocketsDialer(), Address())
    with anyio.fail_after(20), pytest.raises(InvalidRequest, match="not open"):
        await unopened.respond()


async def test_who_comes_after_the_end_with_a_handler_is_not_called() -> None:
    async with playing(answers) as stage:
        async with session(stage) as s:
            pass
        s.on(lambda event: pytest.fail(f"{event}"))()
        with pytest.raises(InvalidRequest, match="is closed"):
            await s.__aenter__()
        assert len(stage.sockets) == 1


@pytest.mark.usefixtures("time_flies")
async def test_a_response_beside_the_conversation_has_its_deadline_too() -> None:
    async def silent(socket: Socket) -> None:
        await socket.begin()
        await socket.socket.wait_closed()

    patience = replace(QUICK, response=0.05)
    async with playing(silent) as stage, session(stage, patience=patience) as s:
        aside = await s.respond(ResponseParams(conversation="none"))
        with pytest.raises(ProviderError, match="not there within"):
            await aside.ended()
        assert s.line.link is not None


@pytest.mark.usefixtures("time_flies")
async def test_who_does_not_read_stops_the_socket_and_not_the_memory() -> None:
    said = 0

    async def talks(socket: Socket) -> None:
        nonlocal said
        await socket.begin()
        await socket.say(created(), growing())
        for said in range(2000):  # noqa: B007 - it is looked at below
            await socket.say(audio(400))

    async with playing(talks) as stage:
        async with session(stage) as s:
            everything = s.outcomes()
            before = -1
            while before != said:
                before = said
                await anyio.sleep(0.1)
            assert said < 1000  # 25 KB each
            assert [await anext(everything) for _ in range(300)]
            await anyio.sleep(0.1)
            assert said > before
        stage.sockets[0].socket.transport.abort()


async def test_handlers_that_come_and_go_are_called_once_each() -> None:
    seen: list[str] = []
    async with playing(answers) as stage, session(stage) as s:
        s.on(lambda _: None)()
        s.on(ResponseDone, lambda event: seen.append(event.type))
        await (await s.respond()).ended()
        await anyio.wait_all_tasks_blocked()
    assert seen == ["response.done"]


def descriptors() -> int:
    return len([*Path("/proc/self/fd").iterdir()])


@pytest.mark.slow
@pytest.mark.checklist(132)
async def test_a_thousand_sessions_leave_no_task_and_no_descriptor() -> None:
    async def turns() -> None:
        async with session(stage) as s:
            s.on(lambda _: None)
            assert (await (await s.respond()).ended()).state == "completed"

    async with playing(answers) as stage:
        await turns()
        await anyio.sleep(0.1)
        tasks, files = anyio.get_running_tasks(), descriptors()
        for _ in range(100):
            async with anyio.create_task_group() as group:
                for _ in range(10):
                    group.start_soon(turns)
        with anyio.fail_after(20):
            while len(anyio.get_running_tasks()) > len(tasks):  # noqa: ASYNC110 - nobody tells
                await anyio.sleep(0.01)
        assert descriptors() <= files
