"""The whole stack, with its weights: in its own process, by the openai package and by voice."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Generator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from openai import AsyncOpenAI
from openai.types.realtime import RealtimeFunctionToolParam

from chatbots.local.model import LocalModel
from chatbots.local.running import stop
from chatbots.realtime.hosting.configuring import session_of
from chatbots.realtime.resampling import resampled
from chatbots.speech.ear import News
from chatbots.speech.helper import PROGRAM
from chatbots.speech.letters import Letters
from chatbots.speech.silero import RATE
from tests.speech.real import engines, errors, heard, needs, new_ear, said, samples, words_of

pytestmark = [pytest.mark.weights, pytest.mark.timeout(300)]

FACTS = {
    "What is the capital of France?": "paris",
    "What is the capital of Japan?": "tokyo",
    "What is the capital of Spain?": "madrid",
    "What is the capital of Germany?": "berlin",
    "What is the capital of England?": "london",
    "What color is the sky on a clear day?": "blue",
    "How many days are there in a week?": "seven",
    "Who wrote Romeo and Juliet?": "shakespeare",
    "What is frozen water called?": "ice",
    "What is the capital of Egypt?": "cairo",
}
MULTIPLY: RealtimeFunctionToolParam = {
    "type": "function",
    "name": "multiply",
    "description": "Multiply two numbers exactly.",
    "parameters": {
        "type": "object",
        "properties": {"a": {"type": "number"}, "b": {"type": "number"}},
        "required": ["a", "b"],
    },
}


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Generator[LocalModel]:
    state = tmp_path_factory.mktemp("speech")
    yield LocalModel(
        Path(needs().voice),
        name="speech",
        state_dir=state,
        idle=60,
        program=(*PROGRAM, msgspec.json.encode(needs()).decode()),
    )
    stop(state, grace=0.2)


class Call:
    """A conversation through the openai package."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def asks(self, pcm: bytes) -> None:
        audio = base64.b64encode(pcm).decode()
        await self._connection.input_audio_buffer.append(audio=audio)
        await self._connection.input_audio_buffer.commit()
        await self._connection.response.create()

    async def answer(self) -> tuple[Any, bytes]:
        """Return the whole response, and its sound."""
        sound = b""
        async for event in self._connection:
            assert event.type != "error", event
            if event.type == "response.output_audio.delta":
                sound += base64.b64decode(event.delta)
            if event.type == "response.done":
                return event.response, sound
        raise AssertionError("the connection ended")


async def test_spoken_questions_are_answered_by_voice(speech: LocalModel) -> None:
    right = 0
    at = await speech.endpoint()
    questions = random.sample(sorted(FACTS), 5)
    async with (
        AsyncOpenAI(base_url=at.base_url, api_key=at.api_key) as client,
        client.realtime.connect(model="local") as connection,
    ):
        await connection.session.update(
            session={"type": "realtime", "audio": {"input": {"turn_detection": None}}}
        )
        call = Call(connection)
        for question in questions:
            await call.asks(await said(question))
            response, sound = await call.answer()
            assert response.status == "completed"
            words = words_of(await heard(sound))
            print(question, "->", words)  # noqa: T201 (shown where it fails)
            right += any(FACTS[question] in word for word in words)
    await speech.aclose()
    assert right >= len(questions) - 1


async def test_a_tool_is_called_by_voice_and_its_result_is_told(speech: LocalModel) -> None:
    at = await speech.endpoint()
    async with (
        AsyncOpenAI(base_url=at.base_url, api_key=at.api_key) as client,
        client.realtime.connect(model="local") as connection,
    ):
        await connection.session.update(
            session={
                "type": "realtime",
                "tools": [MULTIPLY],
                "audio": {"input": {"turn_detection": None}},
            }
        )
        call = Call(connection)
        await call.asks(await said("What is 12 times 34?"))
        response, _ = await call.answer()
        [asked] = response.output
        assert (asked.type, asked.name) == ("function_call", "multiply")
        assert sorted(json.loads(asked.arguments).values()) == [12, 34]
        await connection.conversation.item.create(
            item={"type": "function_call_output", "call_id": asked.call_id, "output": "408"}
        )
        await connection.response.create()
        response, sound = await call.answer()
        assert "408" in response.output[0].content[0].transcript
        assert len(sound) > 24_000
    await speech.aclose()


async def test_of_human_speech_at_most_12_words_in_100_are_misheard() -> None:
    wrong = total = cut = 0
    for sample in samples("librivox/transcription") + samples("cards/cards.transcription"):
        turns = [
            news.sound for news in news_of(sample.pcm + bytes(2 * RATE)) if news.change == "stopped"
        ]
        found = [word for turn in turns for word in words_of(await heard(turn, rate=RATE))]
        wrong += errors(sample.words, found)
        total += len(sample.words)
        cut += len(turns) - 1
    print(f"{wrong} of {total} words misheard, {cut} turns cut")  # noqa: T201 (shown where it fails)
    assert total == 92
    assert wrong / total <= 0.12
    assert cut <= 1


async def test_a_hundred_seconds_are_heard_as_well_as_one_sentence() -> None:
    sentences = samples("librivox/transcription") * 4
    pcm = b"".join(sample.pcm + bytes(RATE) for sample in sentences)
    assert len(pcm) / 2 / RATE > 100
    ear = new_ear()
    ear.configure(session_of())
    pieces = ear.pieces(resampled(pcm, RATE, 24_000), engines().silero())
    found = [word for piece in pieces for word in words_of(await heard(piece, rate=RATE))]
    wanted = [word for sample in sentences for word in sample.words]
    print(errors(wanted, found), "of", len(wanted), "words misheard")  # noqa: T201 (shown where it fails)
    assert errors(wanted, found) / len(wanted) <= 0.12


async def test_the_voice_finds_its_sound_where_the_model_overflows() -> None:
    assert len(await said("Rome.")) > 24_000  # half a second; alone, it may sound like "Realm."
    assert await heard(await said("The answer is Rome.")) == "The answer is Rome."


def test_a_word_of_no_dictionary_is_said_as_it_is_written() -> None:
    assert Letters(Path(needs().letters))("eiffel") == "ˈIfəl"


@pytest.mark.parametrize("kind", ["silence", "hiss", "hum", "clicks", "beeps"])
def test_what_is_no_speech_interrupts_nobody(kind: str) -> None:
    assert [news.change for news in news_of(noise(kind, seconds=20))] == []


def news_of(pcm: bytes) -> list[News]:
    """Return what is found in sound of 16 kHz that comes as a client's does: 24 kHz, in pieces."""
    ear = new_ear()
    ear.configure(session_of())
    sound = resampled(pcm, RATE, 24_000)
    pieces = (sound[start : start + 4800] for start in range(0, len(sound), 4800))
    return [news for piece in pieces for news in ear.push(piece)]


def noise(kind: str, *, seconds: int) -> bytes:
    """Return PCM16, 16 kHz, in which nobody speaks."""
    times = np.arange(seconds * RATE) / RATE
    chance = np.random.default_rng(7)
    waves = {
        "silence": np.zeros_like(times),
        "hiss": chance.normal(0, 0.05, times.size),
        "hum": 0.2 * np.sin(2 * np.pi * 50 * times),
        "clicks": np.where(chance.random(times.size) < 5 / RATE, 0.8, 0.0),
        "beeps": 0.2 * np.sin(2 * np.pi * 1000 * times) * (times % 1 < 0.3),
    }
    pcm: bytes = (waves[kind] * 32767).astype("<i2").tobytes()
    return pcm
