from __future__ import annotations

import json
import time
from base64 import b64decode
from typing import Any

import anyio
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from chatbots.testing.fake_openai import FakeOpenAI
from tests.testing.realtime.client import TEXT, address, audio, session, spoken

HEARING = {"format": {"type": "audio/pcm"}, "transcription": {"model": "any"}}


def hearing(**told: object) -> dict[str, Any]:
    return TEXT | {"audio": {"input": HEARING | told}}


async def test_a_text_is_answered_word_by_word_and_everything_is_noted() -> None:
    async with FakeOpenAI() as fake:
        fake.answer("Hello there.")
        async with session(fake) as client:
            told = await client.asks("Hi")
            assert spoken(told) == "Hello there."
            assert sum(event["type"].endswith("text.delta") for event in told) == 2
            assert told[-1]["response"]["usage"]["total_tokens"] == 3
            assert spoken(await client.asks("And you?")) == "And you?"
        (talk,) = fake.talks
        await fake.until(lambda: not talk.open)
        assert [event["type"] for event in talk.received[:3]] == [
            "session.update",
            "conversation.item.create",
            "response.create",
        ]
        assert len(talk.of("response.done")) == 2
        assert talk.call.path == "/v1/realtime"


async def test_a_tool_is_called_and_its_result_answered() -> None:
    async with FakeOpenAI() as fake:
        fake.answer(tool_calls=[("multiply", {"a": 6, "b": 7}), ("multiply", '{"a":1}')])
        fake.answer("42")
        async with session(fake) as client:
            told = await client.asks("What is 6 times 7?")
            first, second = told[-1]["response"]["output"]
            assert json.loads(first["arguments"]) == {"a": 6, "b": 7}
            assert second["arguments"] == '{"a":1}'
            result = {"type": "function_call_output", "call_id": first["call_id"], "output": "42"}
            await client.send("conversation.item.create", item=result)
            await client.send("response.create")
            assert spoken(await client.until("response.done")) == "42"


async def test_audio_sounds_as_long_as_its_words() -> None:
    async with FakeOpenAI() as fake:
        fake.answer("Hello there.")
        async with session(fake, told={"type": "realtime"}) as client:
            told = await client.asks()
            sound = [e["delta"] for e in told if e["type"] == "response.output_audio.delta"]
            assert sum(len(b64decode(piece)) for piece in sound) == 12 * 50 * 48
            part = told[-1]["response"]["output"][0]["content"][0]
            assert part == {"type": "output_audio", "transcript": "Hello there."}


async def test_a_voice_makes_a_turn_that_is_written_down_and_answered() -> None:
    async with FakeOpenAI() as fake:
        fake.hear("Good evening.")
        async with session(fake, told=hearing()) as client:
            for loud in (False, True, True, False, False, False):
                sound = audio(200, loud=loud)
                await client.send("input_audio_buffer.append", audio=sound)
            told = await client.until("response.done")
            kinds = [event["type"] for event in told]
            assert kinds[:2] == [
                "input_audio_buffer.speech_started",
                "input_audio_buffer.speech_stopped",
            ]
            assert told[0]["audio_start_ms"] == 0  # 200 ms, less 300 of padding
            assert told[1]["audio_end_ms"] == 1200
            kind = "conversation.item.input_audio_transcription.completed"
            (said,) = [event for event in told if event["type"] == kind]
            assert said["transcript"] == "Good evening."
            assert spoken(told) == "Good evening."


async def test_without_turn_detection_the_client_says_where_a_turn_ends() -> None:
    told = hearing(turn_detection=None, transcription=None)
    async with FakeOpenAI() as fake, session(fake, told=told) as client:
        await client.send("input_audio_buffer.append", audio=audio(200))
        await client.send("input_audio_buffer.commit")
        await client.send("response.create")
        events = await client.until("response.done")
        assert not [event for event in events if "transcription" in event["type"]]
        assert spoken(events) == "Hello"


async def test_an_answer_can_be_held_handed_out_and_cancelled() -> None:
    async with FakeOpenAI() as fake:
        gate = anyio.Event()
        send, pieces = anyio.create_memory_object_stream[str](8)
        fake.answer(pieces, hold=gate)
        async with session(fake) as client:
            await client.says("Hi")
            await client.send("response.create")
            await client.until("response.created")
            gate.set()
            await send.send("Once")
            await client.until("response.output_text.delta")
            await client.send("response.cancel")
            told = await client.until("response.done")
            assert told[-1]["response"]["status"] == "cancelled"
            await send.send(" upon")
            await send.aclose()
            await client.send("input_audio_buffer.clear")
            told = await client.until("input_audio_buffer.cleared")
            assert [event["type"] for event in told] == [
                "rate_limits.updated",
                "input_audio_buffer.cleared",
            ]


async def test_an_answer_can_break_off() -> None:
    async with FakeOpenAI() as fake:
        fake.answer("Once upon a time", drop_after=2)
        with pytest.raises(ConnectionClosed):
            async with session(fake) as client:
                await client.asks()


async def test_an_answer_can_be_late() -> None:
    async with FakeOpenAI() as fake:
        fake.answer("a b", delay=0.05)
        async with session(fake) as client:
            started = anyio.current_time()
            await client.asks()
            assert anyio.current_time() - started > 0.09


async def test_a_session_expires_when_it_says_so() -> None:
    async with FakeOpenAI() as fake:
        fake.fault("session-expired:0.2")
        async with connect(address(fake)) as socket:
            frames = [frame async for frame in socket]
        assert b"session_expired" in fake.talks[0].said[-1]
        assert len(frames) == 2
        assert socket.close_code == 1001
        assert abs(fake.talks[0].sent[0]["session"]["expires_at"] - time.time()) < 5


async def test_speech_can_be_unintelligible_and_is_answered() -> None:
    async with FakeOpenAI() as fake:
        fake.fault("transcription-failed,ok")
        async with session(fake, told=hearing(turn_detection=None)) as client:
            for outcome in ("failed", "completed"):
                await client.send("input_audio_buffer.append", audio=audio(200))
                await client.send("input_audio_buffer.commit")
                kind = f"conversation.item.input_audio_transcription.{outcome}"
                assert await client.until(kind)
                await client.send("response.create")
                told = await client.until("response.done")
            assert spoken(told) == "Hello"


async def test_what_nobody_asked_to_write_down_cannot_fail() -> None:
    async with FakeOpenAI() as fake:
        fake.fault("transcription-failed")
        told = TEXT | {"audio": {"input": {"turn_detection": None}}}
        async with session(fake, told=told) as client:
            await client.send("input_audio_buffer.append", audio=audio(200))
            await client.send("input_audio_buffer.commit")
            assert (await client.until("conversation.item.done"))[-1]["item"]["role"] == "user"


async def test_a_silence_leaves_the_session_open_and_an_end_closes_it() -> None:
    async with FakeOpenAI() as fake:
        fake.fault("stall:1,close-1011")
        async with session(fake) as client:
            await client.says("One two")
            await client.send("response.create")
            await client.until("response.output_text.delta")
            await client.send("response.cancel")
            await client.until("response.done")
            await client.send("response.create")
            await client.socket.wait_closed()
        assert client.socket.close_code == 1011
        fake.fault("close-1006")
        async with session(fake) as client:
            await client.send("response.create")
            await client.socket.wait_closed()
        assert client.socket.close_code == 1006


async def test_floods_and_nonsense_are_frames_of_their_own() -> None:
    async with FakeOpenAI() as fake, session(fake) as client:
        fake.fault("ping-flood:3,binary-frame")
        assert spoken(await client.asks()) == "Hi"
        await client.send("response.create")
        frames = [await client.socket.recv() for _ in range(7)]
        assert b"\x00\xff" in frames
