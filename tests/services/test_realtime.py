"""A program of one's own over a realtime session, against a server in this process."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from chatbots.deltas import TextDelta
from chatbots.errors import InvalidRequest, ProviderError
from chatbots.messages import Usage
from chatbots.realtime.address import Address
from chatbots.realtime.events.client import (
    ConversationItemCreate,
    ResponseCreate,
    SessionUpdate,
)
from chatbots.realtime.events.items import user_text
from chatbots.realtime.events.responses import ResponseDone, ResponseTextDelta
from chatbots.realtime.events.server import SessionCreated, SessionUpdated
from chatbots.realtime.events.session import (
    Audio,
    AudioFormat,
    AudioInput,
    AudioOutput,
    Session,
)
from chatbots.realtime.names import GPT_REALTIME_2_1_MINI
from chatbots.services import realtime
from chatbots.services.realtime import ConnHandler, RealtimeClient, RealtimeConn
from chatbots.testing import ScriptedModel
from chatbots.tool_calls import ToolCall
from tests.services.hosted import QUICK, Hosted, hosting

KEY = "canary-as-no-pattern-knows-it"
PUSH_TO_TALK = Session(
    output_modalities=("text",), audio=Audio(input=AudioInput(turn_detection=None))
)


@asynccontextmanager
async def connected(
    *answers: str, session: Session | None = None, **options: Any
) -> AsyncGenerator[tuple[Hosted, ScriptedModel, RealtimeConn]]:
    model = ScriptedModel(*answers)
    async with hosting(model) as server:
        client = RealtimeClient(KEY, dialer=server, patience=QUICK, **options)
        with anyio.fail_after(10):
            async with client.connect(session=session) as conn:
                yield server, model, conn
        assert server.conns[-1].closed


async def text_of(conn: RealtimeConn) -> str:
    """Read to the end of a response, as the reference's quick start does."""
    said = ""
    while True:
        match await conn.read_message():
            case ResponseTextDelta(delta=piece):
                said += piece
            case ResponseDone(response=response):
                assert response.output_text == said
                return said
            case _:
                pass


@pytest.mark.checklist(43, 44, 47)
async def test_a_text_is_said_and_its_answer_read_piece_by_piece() -> None:
    async with connected("Hello.") as (_, _, conn):
        response = await conn.send_text("Hi")
        assert [piece async for piece in response] == [TextDelta("Hello.")]
        assert (await response.ended()).state == "completed"


@pytest.mark.checklist(44, 45, 46, 47)
async def test_messages_are_read_from_the_first_on_however_late() -> None:
    async with connected("Hello.") as (server, _, conn):
        await conn.send_text("Hi")
        await anyio.wait_all_tasks_blocked()
        assert isinstance(await conn.read_message(), SessionCreated)
        assert await text_of(conn) == "Hello."
        assert server.frames[0]["session"]["output_modalities"] == ["text"]
        assert server.frames[1]["item"]["content"] == [{"type": "input_text", "text": "Hi"}]


@pytest.mark.checklist(44)
async def test_without_respond_nothing_is_asked() -> None:
    async with connected() as (server, _, conn):
        assert await conn.send_text("Hi", respond=False) is None
        assert [frame["type"] for frame in server.frames[1:]] == ["conversation.item.create"]


@pytest.mark.checklist(72, 136)
async def test_the_two_steps_of_the_reference_do_the_same() -> None:
    async with connected("Hello.") as (_, _, conn):
        await conn.send(ConversationItemCreate(user_text("Hi")))
        await conn.send(ResponseCreate())
        assert await text_of(conn) == "Hello."


@pytest.mark.checklist(52)
async def test_audio_is_appended_committed_and_answered() -> None:
    async with connected("I heard you.", session=PUSH_TO_TALK) as (server, _, conn):
        await conn.send_audio(bytes(4800))
        assert await text_of(conn) == "I heard you."
        kinds = [frame["type"] for frame in server.frames]
        assert kinds == [
            "session.update",
            "input_audio_buffer.append",
            "input_audio_buffer.commit",
            "response.create",
        ]
        assert await conn.send_audio(bytes(4800), respond=False) is None


@pytest.mark.checklist(40, 45)
@pytest.mark.usefixtures("time_flies")
async def test_a_read_that_is_cancelled_loses_nothing() -> None:
    async with connected() as (_, _, conn):
        kinds = [(await conn.read_message()).type for _ in range(2)]
        assert kinds == ["session.created", "session.updated"]
        with anyio.move_on_after(0.01) as scope:
            await conn.read_message()
        assert scope.cancelled_caught
        await conn.send_text("Hi", respond=False)
        assert (await conn.read_message()).type == "conversation.item.added"


async def test_of_what_nobody_reads_the_newest_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(realtime, "UNREAD", 2)
    async with connected("Hello.") as (_, _, conn):
        response = await conn.send_text("Hi")
        await response.ended()
        await anyio.wait_all_tasks_blocked()
        kept = [(await conn.read_message()).type for _ in range(2)]
        assert kept == ["response.output_item.done", "response.done"]


async def test_who_reads_slowly_gets_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(realtime, "UNREAD", 1)
    async with connected("Hello.") as (_, _, conn):
        await conn.read_message()
        await conn.send_text("Hi")
        await anyio.wait_all_tasks_blocked()
        assert await text_of(conn) == "Hello."


# Where and as what


@pytest.mark.checklist(41, 71)
async def test_it_asks_openai_with_the_key_and_the_model_unless_told() -> None:
    client = RealtimeClient(KEY)
    assert client.address.url(model=client.model) == (
        f"wss://api.openai.com/v1/realtime?model={GPT_REALTIME_2_1_MINI}"
    )
    assert await client.address.headers() == {"Authorization": f"Bearer {KEY}"}


@pytest.mark.checklist(42, 49, 143, 152)
async def test_a_model_a_dialer_and_a_session_can_be_named_for_one_conversation() -> None:
    async with hosting(ScriptedModel()) as server:
        client = RealtimeClient(address=Address(base_url="http://h/v1"), model="one")
        async with client.connect(model="two", dialer=server):
            pass
        async with client.connect(session_id="sess_1", dialer=server):
            pass
    assert server.urls == [
        "ws://h/v1/realtime?model=two",
        "ws://h/v1/realtime?model=one&session_id=sess_1",
    ]


@pytest.mark.checklist(42, 130)
async def test_a_conversation_may_be_opened_in_one_task_and_closed_in_another() -> None:
    async with hosting(ScriptedModel("Hello.")) as server:
        conn = await RealtimeClient(KEY, dialer=server).connect()
        assert [piece async for piece in await conn.send_text("Hi")] == [TextDelta("Hello.")]
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(conn.close)
        await conn.close()
        assert server.conns[0].closed


async def test_a_conversation_in_a_block_is_closed_by_leaving_it() -> None:
    async with connected() as (_, _, conn):
        with pytest.raises(RuntimeError, match="async with"):
            await conn.close()


@pytest.mark.checklist(72)
async def test_a_bare_socket_is_frames_and_no_more() -> None:
    async with hosting(ScriptedModel()) as server:
        socket = await RealtimeClient(KEY, dialer=server).dial(model="m")
        assert '"session.created"' in str(await socket.read_message())
        await socket.write_message('{"type": "response.cancel"}')
        assert '"response_cancel_not_active"' in str(await socket.read_message())
        await socket.ping()
        await socket.close()
    assert server.urls == ["wss://api.openai.com/v1/realtime?model=m"]


@pytest.mark.checklist(50, 51)
async def test_a_session_is_changed_on_the_way_and_says_so() -> None:
    async with connected() as (_, _, conn):
        said = Session(voice="cedar", input_audio_format="g711_ulaw", turn_detection=None)
        await conn.send(SessionUpdate(said))
        told = [await conn.read_message() for _ in range(3)][-1]
        assert isinstance(told, SessionUpdated)
        audio = told.session.audio
        assert isinstance(audio, Audio)
        assert isinstance(audio.input, AudioInput)
        assert audio.input.turn_detection is None
        assert audio.input.format == AudioFormat(type="audio/pcmu")
        assert isinstance(audio.output, AudioOutput)
        assert audio.output.voice == "cedar"


@pytest.mark.checklist(50, 55)
async def test_a_change_of_the_session_is_waited_for_and_a_refused_one_raises() -> None:
    async with connected() as (_, _, conn):
        for voice in ("cedar", "ash"):
            now = await conn.update(Session(voice=voice))
            assert isinstance(now.audio, Audio)
            assert isinstance(now.audio.output, AudioOutput)
            assert now.audio.output.voice == voice
        with pytest.raises(InvalidRequest, match="model of a session cannot be changed"):
            await conn.update(Session(model="another"))
        assert (await conn.update(Session(instructions="Be brief."))).instructions == "Be brief."


async def test_a_session_for_bots_has_the_model_of_the_client_if_no_other() -> None:
    async with anyio.create_task_group() as tasks:
        server = Hosted(ScriptedModel(), tasks)
        client = RealtimeClient(KEY, model="mine", dialer=server)
        for model in (None, "other"):
            async with client.session(model):
                pass
    assert [url.partition("?")[2] for url in server.urls] == ["model=mine", "model=other"]


@pytest.mark.checklist(142)
async def test_the_usual_transport_finds_no_server_and_says_so() -> None:
    client = RealtimeClient(address=Address(base_url="http://127.0.0.1:9/v1"), patience=QUICK)
    with pytest.raises(ProviderError, match="No connection"):
        async with client.connect():
            pass


# Tools


def multiply(a: int, b: int) -> int:
    """Multiply."""
    if a < 0:
        raise ValueError(f"negative, says {KEY}")
    return a * b


def calls(*arguments: str) -> list[ToolCall]:
    return [ToolCall(f"call_{n}", "multiply", text) for n, text in enumerate(arguments, 1)]


def outputs(server: Hosted) -> list[tuple[str, str]]:
    items = [frame.get("item", {}) for frame in server.frames]
    return [(item["call_id"], item["output"]) for item in items if "output" in item]


async def last_text(conn: RealtimeConn, responses: int) -> str:
    return [await text_of(conn) for _ in range(responses)][-1]


@pytest.mark.checklist(6, 7, 19, 28)
async def test_tools_are_run_and_answered_once_in_order_and_then_one_response_is_asked() -> None:
    async with connected(tools=[multiply]) as (server, model, conn):
        model.answer(tool_calls=calls('{"a":6,"b":7}', '{"a":-1,"b":7}', "{"))
        model.answer("It is 42.", usage=Usage())
        await conn.send_text("6 times 7?")
        assert await last_text(conn, 2) == "It is 42."
        first, second, third = outputs(server)
        assert first == ("call_1", "42")
        assert (second[0], third[0]) == ("call_2", "call_3")
        assert "negative, says [redacted]" in second[1]
        assert "error" in third[1]
        assert [frame["type"] for frame in server.frames].count("response.create") == 2
        assert server.frames[0]["session"]["tools"][0]["name"] == "multiply"


async def test_a_person_is_asked_about_a_tool_that_wants_it() -> None:
    from chatbots.tools.tool import tool

    asked = []

    def confirm(call: ToolCall, *_: object) -> bool:
        asked.append(call.name)
        return False

    careful = tool(confirm=True)(multiply)
    async with connected(tools=[careful], on_confirm=confirm) as (server, model, conn):
        model.answer(tool_calls=calls('{"a":6,"b":7}'))
        await conn.send_text("6 times 7?")
        await last_text(conn, 2)
        assert asked == ["multiply"]
        assert "not allowed" in outputs(server)[0][1]


@pytest.mark.checklist(8)
@pytest.mark.usefixtures("time_flies")
async def test_a_model_that_calls_on_and_on_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(realtime, "MAX_ROUNDS", 2)
    monkeypatch.setattr(realtime, "MAX_CALLS", 1)
    async with connected(tools=[multiply]) as (server, model, conn):
        for number in range(4):
            model.answer(
                tool_calls=[
                    ToolCall(f"call_{number}{one}", "multiply", '{"a":1,"b":1}') for one in "ab"
                ]
            )
        await conn.send_text("Go on")
        await last_text(conn, 3)
        await anyio.sleep(0.05)
        results = [output for _, output in outputs(server)]
        assert results[::2][:2] == ["1", "1"]
        assert all("No more tools" in result for result in (*results[1::2], results[4]))
        assert len(results) == 6
        assert len(model.requests) == 3


# Handlers and the end


@pytest.mark.checklist(78, 137)
async def test_a_handler_is_called_in_order_and_its_end_is_told() -> None:
    async with connected("Hello.") as (_, _, conn):
        said: list[str] = []
        done = anyio.Event()

        async def first(event: object) -> None:
            if isinstance(event, ResponseTextDelta):
                said.append(event.delta)

        def second(event: object) -> None:
            if isinstance(event, ResponseTextDelta):
                said.append(event.delta.upper())
            if isinstance(event, ResponseDone):
                done.set()

        handler = ConnHandler(conn, first, second)
        handler.start()
        await conn.send_text("Hi")
        await done.wait()
        assert said == ["Hello.", "HELLO."]


@pytest.mark.checklist(137)
@pytest.mark.parametrize("why", ["closed", "refused"])
@pytest.mark.checklist(127)
async def test_the_end_of_a_session_is_told_to_all_who_wait(why: str) -> None:
    ends: list[object] = []
    error = ProviderError("upstream_auth", "No.")

    async with hosting(ScriptedModel()) as server, anyio.create_task_group() as tasks:
        client = RealtimeClient(KEY, dialer=server, patience=QUICK)
        async with client.connect() as conn:

            async def wait() -> None:
                ends.append(await ConnHandler(conn).err())

            async def drain() -> None:
                try:
                    while True:
                        await conn.read_message()
                except (ProviderError, anyio.ClosedResourceError) as end:
                    ends.append(end)

            tasks.start_soon(wait)
            tasks.start_soon(drain)
            await anyio.wait_all_tasks_blocked()
            if why == "refused":
                server.conns[0].drop(error)
                await conn.over.wait()
        await anyio.wait_all_tasks_blocked()
    if why == "refused":
        assert ends == [error, error]
    else:
        assert ends[0] is None
        assert isinstance(ends[1], anyio.ClosedResourceError)
