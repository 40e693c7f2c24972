from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
import pytest

from chatbots.deltas import Notice
from chatbots.errors import InvalidRequest, ProviderError
from chatbots.realtime.asking import Told
from chatbots.realtime.audience import Stream
from chatbots.realtime.conversation import Conversation
from chatbots.realtime.dialling import Dialling
from chatbots.realtime.events import client, server
from chatbots.realtime.events.items import assistant_text, function_output, user_text
from chatbots.realtime.events.registry import write
from chatbots.realtime.events.session import Audio, AudioInput, AudioOutput, Session, TurnDetection
from chatbots.realtime.lifeline import Lifeline, merged
from chatbots.realtime.outcomes import Updated
from chatbots.realtime.patience import Clock, Patience
from chatbots.realtime.telling import Telling
from chatbots.realtime.websockets_transport import WebSocketsDialer
from tests.realtime.said import call, created, done, growing, refused, text
from tests.realtime.talking import Socket, Stage, playing

BRIEF = Session(instructions="Be brief.")
PATIENCE = Patience(close=0.2, backoff=0.01, longest=0.02, tries=2, first_tries=1)


def clock(*pauses: float) -> Clock:
    """Return a clock whose first sleeps take so long, and all others for ever; it is 1,000 now."""
    left = list(pauses)

    async def sleep(_: float) -> None:
        await anyio.sleep(left.pop(0) if left else 1000)

    return Clock(now=lambda: 1000.0, sleep=sleep, chance=lambda: 1.0)


@asynccontextmanager
async def living(
    stage: Stage,
    said: Conversation | None = None,
    *,
    config: Session | None = None,
    time: Clock | None = None,
) -> AsyncGenerator[tuple[Lifeline, Stream[Told]]]:
    conversation = said or Conversation()
    dialling = Dialling(
        WebSocketsDialer(),
        stage.address,
        None,
        patience=PATIENCE,
        clock=time or Clock(),
        plays=False,
    )
    telling = Telling(lambda: dialling.peer, lambda _: False, 5)
    outcomes = telling.outcomes.join()
    line = Lifeline(dialling, telling, conversation, config)
    await line.open()
    async with anyio.create_task_group() as group:
        group.start_soon(telling.run)
        group.start_soon(line.run)
        yield line, outcomes
        group.cancel_scope.cancel()
    await line.close()


async def notices(outcomes: Stream[Told], *codes: str) -> list[str]:
    """Return the codes of all notices up to the last of *codes*."""
    found: list[str] = []
    while not found or found[-1] != codes[-1]:
        if isinstance(one := await anext(outcomes), Notice):
            found.append(one.code)
    return found


async def rests(socket: Socket) -> None:
    await socket.begin()
    while True:
        await socket.hear()


def then(*does: Callable[[Socket], Awaitable[None]]) -> Callable[[Socket], Awaitable[None]]:
    async def play(socket: Socket) -> None:
        for do in does:
            await do(socket)

    return play


async def drop(socket: Socket) -> None:
    socket.socket.transport.abort()


async def begin(socket: Socket) -> None:
    await socket.begin()


async def test_a_conversation_to_go_on_with_is_told_when_it_opens() -> None:
    said = Conversation()
    said.add(user_text("Hi", id="item_1"))
    said.add(assistant_text("Hello", id="item_2"), "item_1")
    told = anyio.Event()

    async def listens(socket: Socket) -> None:
        await socket.begin()
        await socket.hear()
        await socket.hear()
        told.set()

    async with playing(listens) as stage, living(stage, said) as (line, _):
        await line.connected()
        await told.wait()
        items = [event["item"]["id"] for event in stage.sockets[0].heard]
        assert items == ["item_1", "item_2"]


async def test_items_that_the_server_has_not_confirmed_are_told_again() -> None:
    heard = anyio.Event()

    async def loses(socket: Socket) -> None:
        await socket.begin()
        while len(socket.heard) < 2:
            await socket.hear()
        await socket.say(server.ConversationItemCreated(item=user_text("One", id="one")))
        await drop(socket)

    async def listens(socket: Socket) -> None:
        await socket.begin()
        while len(socket.heard) < 3:
            await socket.hear()
        heard.set()

    async with playing(loses, listens) as stage, living(stage) as (line, outcomes):
        link = await line.connected()
        for item in (user_text("One", id="one"), function_output("call_1", "42")):
            link.protocol.send(line.note(client.ConversationItemCreate(item)))
        await link.flush()
        assert await notices(outcomes, "reconnected") == ["reconnecting", "reconnected"]
        link = await line.connected()
        link.protocol.send(line.note(client.ConversationItemCreate(user_text("Three"))))
        await link.flush()
        await heard.wait()
        items = [event["item"] for event in stage.sockets[1].heard]
        assert [item["type"] for item in items] == ["message", "function_call_output", "message"]


async def test_what_the_session_was_told_to_be_the_next_one_is_told_too() -> None:
    async def configured(socket: Socket) -> None:
        await socket.begin()
        while True:
            asked = await socket.hear("session.update")
            await socket.say(server.SessionUpdated(session=Session()))
            if asked["session"].get("instructions") == "Be brief." and socket.number == 1:
                await drop(socket)

    config = Session(audio=Audio(output=AudioOutput(voice="ash")))
    async with playing(configured) as stage, living(stage, config=config) as (line, outcomes):
        link = await line.connected()
        link.protocol.send(line.note(client.SessionUpdate(Session(instructions="Be brief."))))
        await link.flush()
        await notices(outcomes, "reconnected")
        asked = stage.sockets[1].heard[0]["session"]
        assert (asked["instructions"], asked["audio"]["output"]["voice"]) == ("Be brief.", "ash")


def test_what_a_session_is_told_later_is_told_in_addition() -> None:
    old = Session(
        instructions="Long.",
        audio=Audio(
            input=AudioInput(turn_detection=TurnDetection()), output=AudioOutput(voice="a")
        ),
    )
    new = Session(audio=Audio(input=AudioInput(turn_detection=None)), tool_choice="none")
    assert merged(old, new) == Session(
        instructions="Long.",
        audio=Audio(input=AudioInput(turn_detection=None), output=AudioOutput(voice="a")),
        tool_choice="none",
    )


async def test_what_the_server_refuses_the_next_one_is_not_told() -> None:
    async def refuses(socket: Socket) -> None:
        await socket.begin()
        for _ in range(2):
            asked = await socket.hear()
            await socket.say(refused(asked["event_id"]))
        await drop(socket)

    async with playing(refuses, rests) as stage, living(stage) as (line, outcomes):
        link = await line.connected()
        link.protocol.send(line.note(client.SessionUpdate(Session(instructions="No."))))
        link.protocol.send(line.note(client.ConversationItemCreate(user_text("No."))))
        await link.flush()
        await notices(outcomes, "reconnected")
    assert stage.sockets[1].heard == []


async def test_however_often_the_session_is_changed_the_next_one_is_told_in_one_go() -> None:
    async def configured(socket: Socket) -> None:
        await socket.begin()
        for _ in range(40 if socket.number == 1 else 1):
            await socket.hear()
            await socket.say(server.SessionUpdated(session=Session()))
        if socket.number == 1:
            await drop(socket)
        await socket.hear()

    async with playing(configured) as stage, living(stage) as (line, outcomes):
        link = await line.connected()
        for number in range(40):
            told = Session(instructions=str(number)) if number else Session(tool_choice="none")
            link.protocol.send(line.note(client.SessionUpdate(told)))
        await link.flush()
        await notices(outcomes, "reconnected")
    (asked,) = [event["session"] for event in stage.sockets[1].heard]
    assert (asked["instructions"], asked["tool_choice"]) == ("39", "none")


async def test_a_result_that_is_owed_is_owed_to_the_next_connection() -> None:
    async def asks(socket: Socket) -> None:
        await socket.begin()
        await socket.say(created(), done(call("call_1")))
        await drop(socket)

    async with playing(asks, rests) as stage, living(stage) as (line, outcomes):
        await notices(outcomes, "reconnected")
        link = await line.connected()
        assert [*link.protocol.now.responding.owed] == ["call_1"]


async def test_audio_that_could_not_be_written_is_heard_by_the_next() -> None:
    heard, drops = anyio.Event(), anyio.Event()

    async def goes(socket: Socket) -> None:
        await socket.begin()
        await drops.wait()
        await drop(socket)

    async def listens(socket: Socket) -> None:
        await socket.begin()
        await socket.hear("input_audio_buffer.append")
        heard.set()

    async with playing(goes, listens) as stage, living(stage) as (line, _):
        link = await line.connected()
        await anyio.wait_all_tasks_blocked()
        link.pending.append(write(client.InputAudioBufferAppend.of(bytes(4800))))
        drops.set()
        with anyio.fail_after(20):
            await heard.wait()


async def test_where_there_will_be_no_connection_all_are_told_why() -> None:
    async def refuses(socket: Socket) -> None:
        await socket.begin()
        await socket.socket.close(3000, "no")

    async with playing(refuses) as stage, living(stage) as (line, outcomes):
        with pytest.raises(ProviderError, match="refuses the key"):
            await anext(outcomes)
        with pytest.raises(ProviderError, match="refuses the key"):
            await line.connected()


async def test_a_server_that_only_opens_is_given_up() -> None:
    async with playing(then(begin, drop)) as stage, living(stage) as (line, outcomes):
        with pytest.raises(ProviderError):
            await notices(outcomes, "never")
        with pytest.raises(ProviderError):
            await line.connected()
    assert len(stage.sockets) == PATIENCE.tries


async def test_closed_it_says_so() -> None:
    async with playing(rests) as stage, living(stage) as (line, outcomes):
        await line.connected()
    with pytest.raises(InvalidRequest, match="closed"):
        await line.connected()
    with pytest.raises(StopAsyncIteration):
        await anext(outcomes)


async def test_the_next_connection_takes_over_before_the_session_expires() -> None:
    async def expires(socket: Socket) -> None:
        await socket.begin(expires_at=2000)
        await socket.socket.wait_closed()

    async with playing(expires, rests) as stage, living(stage, time=clock(0)) as (line, outcomes):
        assert await notices(outcomes, "session_renewed") == ["session_renewed"]
        assert line.link is not None
        assert line.link.protocol.now.session.id == "sess_2"
        with anyio.fail_after(20):
            await stage.sockets[0].socket.wait_closed()


async def test_what_the_session_was_told_since_the_next_one_was_opened_that_is_told_as_well() -> (
    None
):
    ready = anyio.Event()

    async def answers(socket: Socket) -> None:
        await socket.begin(expires_at=2000)
        await socket.say(created())
        await socket.hear("session.update")
        await socket.say(done())

    async def listens(socket: Socket) -> None:
        await socket.begin()
        ready.set()
        await socket.hear("session.update")
        await socket.say(server.SessionUpdated(session=BRIEF))

    async with (
        playing(answers, listens) as stage,
        living(stage, time=clock(0.05)) as (line, outcomes),
    ):
        await ready.wait()
        with anyio.fail_after(20):
            while line.next is None:  # noqa: ASYNC110 - it tells nobody
                await anyio.sleep(0.005)
        link = await line.connected()
        link.protocol.send(line.note(client.SessionUpdate(BRIEF)))
        await link.flush()
        assert await notices(outcomes, "session_renewed") == ["session_renewed"]
        assert isinstance(told := await anext(outcomes), Updated)
        assert told.session.instructions == BRIEF.instructions


async def test_a_change_that_a_lost_connection_has_not_confirmed_the_next_one_confirms() -> None:
    async def loses(socket: Socket) -> None:
        await socket.begin()
        await socket.hear("session.update")
        await drop(socket)

    async def confirms(socket: Socket) -> None:
        await socket.begin()
        await socket.hear("session.update")
        await socket.say(server.SessionUpdated(session=BRIEF))

    async with playing(loses, confirms) as stage, living(stage) as (line, _):
        link = await line.connected()
        event = line.note(client.SessionUpdate(BRIEF))
        link.protocol.send(event)
        link.attend()
        now = await line._telling.asking.changed(event.event_id or "", 60)
        assert now.instructions == BRIEF.instructions


async def test_a_change_that_is_refused_only_by_the_next_connection_does_not_end_it() -> None:
    async def loses(socket: Socket) -> None:
        await socket.begin()
        await socket.hear("session.update")
        await drop(socket)

    async def refuses(socket: Socket) -> None:
        await socket.begin()
        asked = await socket.hear("session.update")
        await socket.say(refused(asked["event_id"]))
        await socket.hear("session.update")
        await socket.say(server.SessionUpdated(session=BRIEF))

    async with playing(loses, refuses) as stage, living(stage) as (line, _):

        async def change(told: Session) -> Session:
            link = await line.connected()
            event = line.note(client.SessionUpdate(told))
            link.protocol.send(event)
            link.attend()
            return await line._telling.asking.changed(event.event_id or "", 60)

        with pytest.raises(ProviderError, match="No"):
            await change(Session(voice="nobody's"))
        assert (await change(BRIEF)).instructions == BRIEF.instructions


async def test_an_answer_is_not_torn_apart_by_a_renewal() -> None:
    begun, go_on = anyio.Event(), anyio.Event()

    async def answers(socket: Socket) -> None:
        await socket.begin(expires_at=2000)
        await socket.say(created(), growing(), text("Half"))
        await go_on.wait()
        await socket.say(text(" and half"), done())

    async def ready(socket: Socket) -> None:
        await socket.begin()
        begun.set()

    async with (
        playing(answers, ready) as stage,
        living(stage, time=clock(0.05)) as (line, outcomes),
    ):
        await begun.wait()
        with anyio.fail_after(20):
            while line.next is None:  # noqa: ASYNC110 - it tells nobody
                await anyio.sleep(0.005)
        assert line.link is not None
        assert line.link.protocol.now.session.id == "sess_1"
        go_on.set()
        assert await notices(outcomes, "session_renewed") == ["session_renewed"]


async def test_a_connection_that_is_ready_takes_over_from_one_that_is_lost() -> None:
    begun, drops = anyio.Event(), anyio.Event()

    async def answers(socket: Socket) -> None:
        await socket.begin(expires_at=2000)
        await socket.say(created())
        await drops.wait()
        await drop(socket)

    async def ready(socket: Socket) -> None:
        await socket.begin()
        begun.set()

    async with (
        playing(answers, ready) as stage,
        living(stage, time=clock(0.05)) as (line, outcomes),
    ):
        await begun.wait()
        with anyio.fail_after(20):
            while line.next is None:  # noqa: ASYNC110 - it tells nobody
                await anyio.sleep(0.005)
        drops.set()
        await notices(outcomes, "reconnected")
    assert len(stage.sockets) == 2


async def test_a_renewal_that_fails_is_left_to_the_session_s_end() -> None:
    gone = anyio.Event()

    async def expires(socket: Socket) -> None:
        await socket.begin(expires_at=2000)
        await gone.wait()
        await drop(socket)

    async def refuses(socket: Socket) -> None:
        await socket.socket.close(1008)
        gone.set()

    pauses = clock(0, 0, 0)
    async with (
        playing(expires, refuses, rests) as stage,
        living(stage, time=pauses) as (
            line,
            outcomes,
        ),
    ):
        assert await notices(outcomes, "reconnected") == ["reconnecting", "reconnected"]
        assert line.link is not None
