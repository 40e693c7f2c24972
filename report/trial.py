"""One client, one fault: a process is asked, watched, and judged."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import anyio
import msgspec
from anyio.abc import ByteReceiveStream, ByteSendStream, Process
from anyio.streams.buffered import BufferedByteReceiveStream
from msgspec import Struct

from chatbots.testing import FakeOpenAI
from chatbots.testing.answers import Answer
from report.clients.telling import READY, TOLD, Question
from report.environments import ROOT
from report.faults import ANSWER, OWN, Tried
from report.peers import Client
from report.scoring import Raised, Told, judge, leaks

KEY: Final = "sk-canary-7f3e9a1c5b2d8064e7a9c3f1"
"""Opens nothing: whoever shows it would have shown the user's."""
PROMPT: Final = "Tell me about rivers."
IMPORTS: Final = 90.0
"""Seconds a client may take to be imported; they count for nothing."""
WATCHDOG: Final = 10.0
"""Seconds an answer may take: its own deadline of 6, and as much as a try and its pauses."""
FAREWELL: Final = 5.0
"""Seconds a process may take to end after it has told."""
LONGEST_LINE: Final = 64 * 1024 * 1024
SHOWN: Final = 200
"""Characters of an error's words that are kept."""


class Trial(Struct, frozen=True, kw_only=True):
    """What came of it; `error` is the class of the exception, `requests` what the server got."""

    client: str
    fault: str
    outcome: str
    leaked: bool
    requests: int
    seconds: float
    finish: str | None = None
    error: str | None = None
    message: str | None = None


def surroundings(folder: str) -> Mapping[str, str]:
    """Return the environment of a client: nobody's settings, keys or proxies."""
    return {
        "PATH": os.defpath,
        "HOME": folder,
        "PYTHONPATH": str(ROOT),
        "PYTHONIOENCODING": "utf-8",
        "LLM_USER_PATH": folder,
        # Documented: otherwise a list of prices is fetched on import.
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }


async def attempt(client: Client, fault: Tried, python: Path) -> Trial:
    """Ask *client* for an answer that goes wrong by *fault*."""
    async with FakeOpenAI(rule=lambda _: Answer(text=ANSWER)) as fake:
        status = OWN.get(fault.spec)
        if status is not None:
            for _ in range(10):
                fake.answer(status=status, error=f"The API key {KEY} cannot be used.")
        question = Question(
            base_url=fake.base_url,
            api_key=KEY,
            model="gpt-4o" if status is not None else f"fault:{fault.spec}",
            prompt=PROMPT,
        )
        told, seen = await watched(client, python, question)
        requests = len(fake.calls)
    raised = told.raised if told else None
    return Trial(
        client=client.name,
        fault=fault.spec,
        outcome=judge(fault.must, told, client.habits, fault.whole).value,
        leaked=leaks(KEY, seen),
        requests=requests,
        seconds=told.seconds if told else WATCHDOG,
        finish=told.finish if told else None,
        error=raised.classes[0] if raised else None,
        message=raised.message.replace(KEY, "<the key>")[:SHOWN] if raised else None,
    )


async def watched(client: Client, python: Path, question: Question) -> tuple[Told | None, str]:
    """Run a client's program; return what it told, if it did in time, and all it printed."""
    printed = bytearray()
    command = [str(python), "-m", f"report.clients.{client.program}"]
    with tempfile.TemporaryDirectory() as folder:
        process = await anyio.open_process(command, cwd=folder, env=surroundings(folder))
        async with process, anyio.create_task_group() as tasks:
            stdin, stdout, stderr = pipes(process)
            tasks.start_soon(collect, stderr, printed)
            try:
                await stdin.send(json.dumps(question._asdict()).encode() + b"\n")
                told = await listen(stdout, printed)
                tasks.start_soon(collect, stdout, printed)
                with anyio.move_on_after(FAREWELL if told else 0):
                    await process.wait()
            finally:
                end(process)
    seen = printed.decode("utf-8", "replace")
    if READY not in seen:
        raise RuntimeError(f"{client.name} did not start:\n{seen[-2000:]}")
    return told, seen


def pipes(
    process: Process,
) -> tuple[ByteSendStream, BufferedByteReceiveStream, ByteReceiveStream]:
    """Return the three streams of a process."""
    if process.stdin is None or process.stdout is None or process.stderr is None:
        raise RuntimeError("The process has no pipes.")
    return process.stdin, BufferedByteReceiveStream(process.stdout), process.stderr


def end(process: Process) -> None:
    """End a process that is still there."""
    if process.returncode is None:
        process.kill()


async def listen(lines: BufferedByteReceiveStream, printed: bytearray) -> Told | None:
    """Read until the client tells what it saw; None if that takes too long."""
    with anyio.move_on_after(IMPORTS) as watchdog:
        while True:
            try:
                line = await lines.receive_until(b"\n", LONGEST_LINE)
            except anyio.IncompleteRead:
                return Told(text="", raised=Raised(["a dead process"], "It ended without a word."))
            printed += line + b"\n"
            if line == READY.encode():
                watchdog.deadline = anyio.current_time() + WATCHDOG
            if line.startswith(TOLD.encode()):
                return msgspec.convert(json.loads(line.removeprefix(TOLD.encode())), Told)
    return None


async def collect(stream: ByteReceiveStream, printed: bytearray) -> None:
    """Keep what is printed."""
    async for data in stream:
        printed += data
