"""How soon the speech stack of this machine answers, and is silent; and what memory it takes.

It needs its weights: `chatbots models pull --speech`.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
import time
from array import array
from base64 import b64encode
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import anyio
import anyio.to_thread
import msgspec
from websockets.asyncio.client import ClientConnection, connect

from bench.hearing import QUESTIONS
from bench.measure import Found, Report
from chatbots.clients import find_weights, local_speech, weights_of
from chatbots.local.model import Endpoint
from chatbots.settings import Settings
from chatbots.speech.files import needs_of

STORY: Final = "Tell me a long story about a river, in ten sentences."
RATE: Final = 24_000
STEP: Final = 20
"""Milliseconds of sound that are sent at a time."""
SILENCE_MS: Final = 300
"""What ends a turn, in the runs with turn detection; the default of the API is 500."""
DETECTION: Final[dict[str, object]] = {
    "type": "server_vad",
    "silence_duration_ms": SILENCE_MS,
}
NO_WEIGHTS: Final = "The weights are not here. Fetch them with: chatbots models pull --speech"
LOUD: Final = 1_000
"""A sample above this is heard."""


def report(*, smoke: bool) -> Report:
    """Measure and return the table, with helper processes of our own: they outlive a program."""
    settings = Settings(chatbots_local=True, chatbots_local_idle=0)
    path = find_weights(settings)
    if path is None:
        if smoke:
            return Report(f"The speech stack of this machine: not measured. {NO_WEIGHTS}", {})
        raise SystemExit(NO_WEIGHTS)
    with TemporaryDirectory() as folder:
        os.environ["XDG_STATE_HOME"] = folder
        rows = anyio.run(_measure, settings, path, smoke)
    lines = ["The speech stack of this machine, warm  (median, lowest to highest)"]
    for name, found in rows.items():
        for what, values in found.items():
            middle, low, high = statistics.median(values), min(values), max(values)
            lines.append(f"  {name:46} {middle:8.3f} [{low:.3f} to {high:.3f}]  {what}")
    return Report("\n".join(lines), rows)


async def _measure(settings: Settings, path: Path, smoke: bool) -> dict[str, Found]:
    needs = msgspec.json.encode(needs_of(weights_of(settings)[0], path)).decode()
    questions, rows = await anyio.to_thread.run_sync(_alone, needs, 1 if smoke else 5)
    model = await local_speech(settings)
    at = await model.endpoint()
    try:
        turns, seconds = (1, 60) if smoke else (15, 3600)
        return rows | await _rows(at, questions, turns, seconds)
    finally:
        await model.aclose()


def _alone(needs: str, rounds: int) -> tuple[list[bytes], dict[str, Found]]:
    """Return questions as the voice of the machine says them, and what each engine takes."""
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "bench.hearing", needs, folder, str(rounds)]
        told = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
        said = [path.read_bytes() for path in sorted(Path(folder).iterdir())]
    return said, json.loads(told)


async def _rows(at: Endpoint, questions: list[bytes], turns: int, seconds: int) -> dict[str, Found]:
    asked = [questions[number % len(questions)] for number in range(turns)]
    async with talking(at, None) as talk:
        await talk.push(questions[0])  # the language model may have to load
        thought = [await talk.write(QUESTIONS[number % 5]) for number in range(turns)]
    async with talking(at, None) as talk:
        pushed = [await talk.push(question) for question in asked]
    async with talking(at, DETECTION) as talk:
        spoken = [await talk.speak(question) for question in asked]
        stops = [await talk.interrupt(questions[0]) for _ in range(-(-turns // 3))]
    before = _rss(at.pid)
    async with talking(at, DETECTION) as talk:
        await talk.be_silent(seconds)
    return {
        "to think, up to the first word": {"s": thought},
        "push to talk: end of speech to first sound": {"s": pushed},
        f"found by {SILENCE_MS} ms of silence: the same": {"s": spoken},
        "barge-in: its first sound to its notice": {"s": [notice for notice, _ in stops]},
        "barge-in: its notice to the last sound": {"s": [last for _, last in stops if last < 9]},
        "memory of the process": {"MB": [before]},
        f"more of it after {seconds} s of silence": {"MB": [_rss(at.pid) - before]},
    }


class Talk:
    """A client that notes when things happen, in seconds."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    async def push(self, question: bytes) -> float:
        """Say *question* at once and ask for the answer; return how long its first sound takes."""
        await self._append(question)
        begun = time.perf_counter()
        await self._send("input_audio_buffer.commit")
        await self._send("response.create")
        return await self._answer() - begun

    async def write(self, question: str) -> float:
        """Ask in writing; return how long the first word of the answer takes."""
        begun = time.perf_counter()
        await self._ask(question, response={"output_modalities": ["text"]})
        first = await self._until("response.output_text.delta")
        await self._until("response.done")
        return first - begun

    async def speak(self, question: bytes) -> float:
        """Say *question* as a person does; return how long it is silent until the answer."""
        async with anyio.create_task_group() as tasks:
            ended = time.perf_counter() + _loud(question)[1]
            tasks.start_soon(self._stream, question + bytes(2 * RATE))
            first = await self._answer()
        return first - ended

    async def interrupt(self, word: bytes) -> tuple[float, float]:
        """Speak over a story; return how long until that is noticed, and until the last sound.

        The latter is infinite where the story was over before.
        """
        await self._ask(STORY)
        await self._until("response.output_audio.delta")
        async with anyio.create_task_group() as tasks:
            begun = time.perf_counter() + _loud(word)[0]
            tasks.start_soon(self._stream, word + bytes(2 * RATE))
            noticed = await self._until("input_audio_buffer.speech_started")
            last = noticed
            while (event := await self._next())["type"] != "response.done":
                if event["type"] == "response.output_audio.delta":
                    last = time.perf_counter()
            if event["response"]["status"] != "cancelled":
                last = math.inf
            else:
                await self._until("response.done")
        return noticed - begun, last - noticed

    async def be_silent(self, seconds: int) -> None:
        """Send so much silence as fast as it is taken."""
        for _ in range(seconds):
            await self._append(bytes(2 * RATE))
        await self._send("input_audio_buffer.clear")
        await self._until("input_audio_buffer.cleared")

    async def _ask(self, text: str, **how: object) -> None:
        part = {"type": "input_text", "text": text}
        item = {"type": "message", "role": "user", "content": [part]}
        await self._send("conversation.item.create", item=item)
        await self._send("response.create", **how)

    async def _answer(self) -> float:
        first = await self._until("response.output_audio.delta")
        await self._until("response.done")
        return first

    async def _until(self, kind: str) -> float:
        while (await self._next())["type"] != kind:
            pass
        return time.perf_counter()

    async def _next(self) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(await self._socket.recv())
        if event["type"] == "error":
            raise RuntimeError(event["error"]["message"])
        return event

    async def _stream(self, sound: bytes) -> None:
        begun, step = time.perf_counter(), 2 * RATE * STEP // 1000
        for number, start in enumerate(range(0, len(sound), step), 1):
            await self._append(sound[start : start + step])
            await anyio.sleep(max(0, begun + number * STEP / 1000 - time.perf_counter()))

    async def _append(self, sound: bytes) -> None:
        await self._send("input_audio_buffer.append", audio=b64encode(sound).decode())

    async def _send(self, kind: str, **fields: object) -> None:
        await self._socket.send(json.dumps({"type": kind, **fields}))


@asynccontextmanager
async def talking(at: Endpoint, detection: dict[str, object] | None) -> AsyncGenerator[Talk]:
    """Open a session that finds turns by *detection*."""
    url = at.base_url.replace("http", "ws", 1) + "/realtime"
    headers = {"Authorization": f"Bearer {at.api_key}"}
    async with connect(url, additional_headers=headers, max_size=None) as socket:
        told = {"type": "realtime", "audio": {"input": {"turn_detection": detection}}}
        await socket.send(json.dumps({"type": "session.update", "session": told}))
        yield Talk(socket)


def _loud(sound: bytes) -> tuple[float, float]:
    """Return when *sound* begins to be heard, and when it ends, in seconds."""
    samples = array("h", sound)
    loud = [place for place, sample in enumerate(samples) if abs(sample) > LOUD]
    return loud[0] / RATE, loud[-1] / RATE


def _rss(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
