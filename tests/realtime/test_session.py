from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from chatbots.deltas import Notice, TextDelta
from chatbots.errors import ProviderError
from chatbots.realtime.asking import Told
from chatbots.realtime.audience import Stream
from chatbots.realtime.events import client, server
from chatbots.realtime.events.items import user_text
from chatbots.realtime.outcomes import Began
from chatbots.realtime.patience import Patience
from chatbots.realtime.session import RealtimeSession
from chatbots.realtime.websockets_transport import WebSocketsDialer
from tests.realtime.said import created, done, growing, said, text
from tests.realtime.talking import Socket, Stage, playing


async def until(stream: Stream[Told], code: str) -> AsyncIterator[Told]:
    """Yield all that is told, to the notice with that code."""
    async for one in stream:
        yield one
        if isinstance(one, Notice) and one.code == code:
            return


async def answers(socket: Socket) -> None:
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


QUICK = Patience(
    first_event=0.5, first_delta=0.3, gap=0.3, response=1.0, close=0.3, backoff=0.01, longest=0.02
)


def session(stage: Stage, **options: Any) -> RealtimeSession:
    return RealtimeSession(WebSocketsDialer(), stage.address, **{"patience": QUICK, **options})


async def breaks_off(socket: Socket) -> None:
    await socket.begin()
    await socket.hear("conversation.item.create")
    await socket.say(server.ConversationItemCreated(item=user_text("Hi", id="item_0")))
    await socket.hear("response.create")
    await socket.say(created(), growing(), text("Half"))
    socket.socket.transport.abort()


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
