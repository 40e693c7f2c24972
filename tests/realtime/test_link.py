from __future__ import annotations

from collections.abc import Sequence

import anyio
import pytest
from anyio.lowlevel import checkpoint

from chatbots.errors import ChatError, ProviderError
from chatbots.realtime.events import client, server
from chatbots.realtime.events.event import ServerEvent
from chatbots.realtime.events.registry import write
from chatbots.realtime.events.server import ApiError, ErrorEvent
from chatbots.realtime.events.session import Session
from chatbots.realtime.failures import Peer
from chatbots.realtime.link import Event, Link
from chatbots.realtime.outcomes import Outcome
from chatbots.realtime.patience import Patience
from chatbots.realtime.protocol import Protocol
from chatbots.realtime.transport import HandshakeResponse
from tests.realtime.said import audio, created, done, growing, text

GONE = ProviderError("stream_interrupted", "Gone.")
PATIENCE = Patience(first_delta=0.05, gap=0.05)


class Conn:
    """A socket from which *frames* come, and then nothing, or its *end*."""

    def __init__(self, *frames: ServerEvent | str | bytes, end: ChatError | None = GONE) -> None:
        self.frames = list(frames)
        self.end = end
        self.sent: list[bytes] = []
        self.may_write = anyio.Event()
        self.may_write.set()
        self.broken = False

    async def read_message(self) -> str | bytes:
        await checkpoint()
        if self.frames:
            frame = self.frames.pop(0)
            return write(frame).decode() if isinstance(frame, ServerEvent) else frame
        if self.end is not None:
            raise self.end
        await anyio.sleep_forever()
        raise AssertionError

    async def write_message(self, data: str | bytes, *, binary: bool = False) -> None:
        await self.may_write.wait()
        if self.broken:
            raise GONE
        assert isinstance(data, bytes)
        self.sent.append(data)

    async def close(self) -> None:
        raise NotImplementedError

    async def ping(self) -> None:
        raise NotImplementedError

    def response(self) -> HandshakeResponse:
        raise NotImplementedError


class Heard:
    """All that was told; *full* makes the link wait once."""

    def __init__(self, *, full: bool = False) -> None:
        self.events: list[Event | None] = []
        self.full = full

    def tell(self, event: Event | None, outcomes: Sequence[Outcome], size: int) -> bool:
        self.events.append(event)
        return self.full

    async def catch_up(self) -> None:
        self.full = False
        self.events.append(None)


def linked(conn: Conn, patience: Patience = PATIENCE, *, plays: bool = False) -> Link:
    return Link(conn, Protocol(), Peer("host"), patience, plays=plays)


async def test_what_comes_is_told_until_the_connection_is_lost() -> None:
    heard, link = Heard(), linked(Conn(created(), growing(), text("Hi")))
    assert not link.progressed
    assert await link.listen(heard.tell, heard.catch_up) is GONE
    assert heard.events == [created(), growing(), text("Hi")]
    assert link.progressed


async def test_readers_who_are_far_behind_are_waited_for() -> None:
    heard, link = Heard(full=True), linked(Conn(created(), text("Hi")))
    await link.listen(heard.tell, heard.catch_up)
    assert heard.events[1] is None


@pytest.mark.usefixtures("time_flies")
async def test_the_time_that_readers_take_is_not_the_servers() -> None:
    class Slow(Heard):
        async def catch_up(self) -> None:
            await anyio.sleep(3 * PATIENCE.gap)
            self.full = False

    heard, link = Slow(full=True), linked(Conn(created(), growing(), text("Hi")))
    assert await link.listen(heard.tell, heard.catch_up) is GONE
    assert heard.events == [created(), growing(), text("Hi")]


@pytest.mark.checklist(128)
async def test_a_frame_that_is_no_json_ends_it_unless_it_is_binary() -> None:
    heard, link = Heard(), linked(Conn(b"\xff\xfe", "no json", created()))
    error = await link.listen(heard.tell, heard.catch_up)
    assert error is not None
    assert error.code == "upstream_bad_response"
    assert heard.events == [None]
    assert link.protocol.ignored == 1


async def test_a_session_that_has_expired_is_lost_even_if_the_server_keeps_the_socket() -> None:
    gone = ErrorEvent(error=ApiError(code="session_expired", message="60 minutes."))
    other = ErrorEvent(error=ApiError(code="other"))
    heard, link = Heard(), linked(Conn(other, gone, end=None))
    error = await link.listen(heard.tell, heard.catch_up)
    assert str(error) == "Host has let the session expire: 60 minutes."


@pytest.mark.parametrize("begun", [True, False])
@pytest.mark.usefixtures("time_flies")
async def test_a_response_that_does_not_come_in_time_ends_it(begun: bool) -> None:
    conn = Conn(*[created(), growing(), text("Hi")] * begun, end=None)
    heard, link = Heard(), linked(conn)
    link.protocol.send(client.ResponseCreate())
    await link.flush()
    error = await link.listen(heard.tell, heard.catch_up)
    assert error is not None
    assert error.code == ("stream_stalled" if begun else "upstream_timeout")


@pytest.mark.usefixtures("time_flies")
async def test_a_response_that_is_asked_for_meanwhile_has_its_deadline_too() -> None:
    heard, link = Heard(), linked(Conn(end=None))

    async def ask() -> None:
        await anyio.wait_all_tasks_blocked()
        link.protocol.send(client.ResponseCreate())
        await link.flush()

    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        error = await link.listen(heard.tell, heard.catch_up)
    assert error is not None
    assert error.code == "upstream_timeout"


async def test_it_can_be_left_and_listened_to_again() -> None:
    heard, link = Heard(), linked(conn := Conn(end=None))

    async def leave() -> None:
        await anyio.wait_all_tasks_blocked()
        link.leave()

    async with anyio.create_task_group() as group:
        group.start_soon(leave)
        assert await link.listen(heard.tell, heard.catch_up) is None
    conn.end = GONE
    assert await link.listen(heard.tell, heard.catch_up) is GONE


@pytest.mark.parametrize("plays", [True, False])
async def test_audio_counts_as_unheard_only_where_somebody_says_what_is_heard(plays: bool) -> None:
    heard, link = Heard(), linked(Conn(created(), growing(), audio(100), audio(100)), plays=plays)
    await link.listen(heard.tell, heard.catch_up)
    assert link.protocol.now.conversation.entries["item_1"].played == (0 if plays else None)


async def test_what_becomes_due_is_written_without_being_asked() -> None:
    conn = Conn(created(), done(), end=None)
    heard, link = Heard(), linked(conn, Patience())
    link.protocol.send(client.ResponseCreate())
    link.protocol.send(client.ResponseCreate(event_id="event_2"))
    async with anyio.create_task_group() as group:
        group.start_soon(link.write)
        await anyio.wait_all_tasks_blocked()
        assert len(conn.sent) == 1
        group.start_soon(link.listen, heard.tell, heard.catch_up)
        with anyio.fail_after(20):
            while len(conn.sent) == 1:
                await checkpoint()
        assert b"event_2" in conn.sent[1]
        group.cancel_scope.cancel()


@pytest.mark.usefixtures("time_flies")
async def test_what_a_cancelled_sender_leaves_is_written_by_another_in_order() -> None:
    link = linked(conn := Conn(end=None))
    conn.may_write = anyio.Event()
    names = [f"event_{number}" for number in range(3)]
    async with anyio.create_task_group() as group:
        group.start_soon(link.write)
        await anyio.wait_all_tasks_blocked()
        for name in names:
            link.protocol.send(client.InputAudioBufferClear(event_id=name))
        with anyio.move_on_after(0.01):
            await link.flush()
        conn.may_write.set()
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    sent = [name for name in names if any(name.encode() in frame for frame in conn.sent)]
    assert sent == names[1:]  # the first is on its way when its sender gives up


async def test_what_cannot_be_written_is_still_there() -> None:
    link = linked(conn := Conn(end=None))
    conn.broken = True
    link.protocol.send(client.InputAudioBufferAppend.of(bytes(4800)))
    with pytest.raises(ProviderError):
        await link.flush()
    assert len(link.pending) == 1
    async with anyio.create_task_group() as group:
        group.start_soon(link.write)
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    assert len(link.pending) == 1


async def test_opening_waits_for_the_session_and_its_configuration() -> None:
    conn = Conn(
        server.SessionCreated(session=Session(id="sess_1")),
        text("strange"),
        server.SessionUpdated(session=Session(id="sess_1")),
    )
    link = linked(conn)
    await link.opened(Session(instructions="Be brief."))
    assert len(link.early) == 3
    assert len(conn.sent) == 1
