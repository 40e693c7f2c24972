"""What the server gives away: its key, in whatever it says and writes; itself, to strangers."""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import anyio

from chatbots.server.tokens import TokenFile
from chatbots.testing import FakeOpenAI
from tests.abuse.house import CHAT, STREAM
from tests.abuse.raw import connection
from tests.faults.expected import QUOTED
from tests.faults.upstream import CANARY, quote_the_key

ROOT: Final = Path(__file__).parents[2]
PATIENCE: Final = 20.0

WIDE: Final[tuple[tuple[dict[str, str], tuple[str, ...]], ...]] = (
    ({"SERVER_HOST": "0.0.0.0"}, ()),
    ({"SERVER_HOST": "::"}, ()),
    ({"SERVER_HOST": "0.0.0.0", "SERVER_QUOTA": "1000"}, ()),
    ({}, ("--host", "0.0.0.0")),
    ({"SERVER_HOSTS": "chat.example.com"}, ()),
)
"""Ways to open the server to strangers with nothing that keeps them out."""


PRELUDE = ""
"""What the program runs before it is one: nothing, unless a guard is switched off in it."""


def _command(*flags: str) -> list[str]:
    program = f"{PRELUDE}\nfrom chatbots.cli.main import main\nraise SystemExit(main())"
    return [sys.executable, "-c", program, "serve", "--port", "0", *flags]


def _environment(folder: Path, **variables: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    places = {"DB_PATH": str(folder / "s.db"), "XDG_DATA_HOME": str(folder)}
    return {**kept, "PYTHONPATH": str(ROOT), **places, **variables}


async def open_to_strangers() -> list[str]:
    """Starts beyond this machine without tokens, or without a quota."""
    with tempfile.TemporaryDirectory() as name:
        told = [await _start(Path(name), variables, flags) for variables, flags in WIDE]
    return [hole for hole in told if hole]


async def _start(folder: Path, variables: dict[str, str], flags: tuple[str, ...]) -> str | None:
    """Return what is wrong with how the server refuses to start; None if nothing is."""
    about = {"OPENAI_API_KEY": CANARY, "OPENAI_BASE_URL": "http://127.0.0.1:9/v1", **variables}
    said = b""
    async with await anyio.open_process(
        _command(*flags), env=_environment(folder, **about), cwd=folder
    ) as process:
        assert process.stderr is not None
        with anyio.fail_after(PATIENCE):
            async for text in process.stderr:
                said += text
                if b"serving" in said:
                    process.kill()
                    return f"it starts with {variables} {flags}"
    ways = b"--insecure" in said and b"127.0.0.1" in said
    if process.returncode == 2 and ways and said.count(b"\n") == 1:
        return None
    return f"{variables} {flags}: {process.returncode} {said.decode()}"


@asynccontextmanager
async def _program(folder: Path, fake: FakeOpenAI) -> AsyncGenerator[int]:
    """Run the server as a person does, with logs at debug; yield its port."""
    variables = {
        "OPENAI_API_KEY": CANARY,
        "OPENAI_BASE_URL": fake.base_url,
        "LOG_LEVEL": "debug",
        "SERVER_TOKENS_FILE": str(folder / "tokens"),
    }
    out, err = (folder / "out").open("wb"), (folder / "err").open("wb")
    with out, err:
        process = await anyio.open_process(
            _command("--debug"), env=_environment(folder, **variables), cwd=folder,
            stdout=out, stderr=err,
        )  # fmt: skip
        try:
            with anyio.fail_after(PATIENCE):
                while b"ws://" not in (folder / "err").read_bytes():
                    await anyio.sleep(0.05)
            said = (folder / "err").read_text()
            yield int(said.partition("ws://")[2].partition("/ws")[0].rpartition(":")[2])
            process.send_signal(signal.SIGTERM)
            with anyio.fail_after(PATIENCE):
                await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
            await process.aclose()


async def the_keys() -> list[str]:
    """The model's key and a user's token, in frames, pages, logs at debug and the database."""
    seen: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        token = TokenFile(folder / "tokens").add("ada")
        secrets = (CANARY, token.split("_", 2)[2])
        shown = (
            {"Authorization": f"Bearer {token}"},
            {"Sec-WebSocket-Protocol": f"chatbots, bearer.{token}"},
        )
        async with FakeOpenAI(player=quote_the_key) as fake, _program(folder, fake) as port:
            for fault in QUOTED:
                said = {"messages": [{"role": "user", "content": fault}]}
                asked = ((CHAT, said), (STREAM, said | {"session_id": fault}))
                for headers, (kind, payload) in zip(shown, asked, strict=True):
                    async with connection(port) as peer:
                        seen.append(str(await peer.open(headers)))
                        seen.append(json.dumps(await peer.ask(kind, payload, f"{fault}-{kind}")))
            for path in ("/health", "/info", "/metrics", "/", "/ws", "/.env"):
                async with connection(port) as peer:
                    seen.append(
                        str(
                            await peer.open(
                                {"Connection": "close", "Upgrade": "", **shown[0]}, path
                            )
                        )
                    )
        files = [path for path in folder.rglob("*") if path.is_file()]
        seen += [path.read_bytes().decode("utf-8", "replace") for path in files]
        missing = [name for name in ("s.db", "err") if not (folder / name).stat().st_size]
    found = [(text, at) for text in seen for key in secrets if (at := text.find(key)) >= 0]
    holes = [repr(text[max(0, at - 60) : at + 10]) for text, at in found]
    return holes + [f"nothing was written to {name}" for name in missing]
