"""The interpreters of the clients: ours and the SDK's is this one, a peer's has its own packages.

`peers.toml` says what a peer is measured with.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import Final

from report.environments import made

ROOT: Final = Path(__file__).resolve().parent.parent
PINS: Final = tomllib.loads(Path(__file__).with_name("peers.toml").read_text("utf-8"))
PLACE: Final = ROOT / ".venv" / "bench"

# Of what is installed, all that a reader of streams may go through.
TOLD: Final = """
import json, platform
from importlib.metadata import distributions
names = "aiohttp aiosqlite anyio httptools httpx httpx2 langchain-core langchain-openai langgraph"
names += " langgraph-checkpoint-sqlite litellm llm msgspec openai openai-agents orjson pydantic"
names += " pydantic-ai-slim fastapi starlette uvicorn uvloop websockets"
found = {one.name.lower(): one.version for one in distributions()}
found = {name: found[name] for name in names.split() if name in found}
print(json.dumps({"python": platform.python_version()} | found))
"""


@cache
def interpreter(client: str) -> Path:
    """Return the Python to run *client* with; install it where that is needed.

    Raises `RuntimeError` with the installer's words where it cannot be; only --smoke does without.
    """
    if client not in PINS["peers"]:
        return Path(sys.executable)
    pins = [*PINS["readers"], *PINS["peers"][client]]
    return made(PLACE / client, "\n".join([sys.version, *pins]), *pins)


@cache
def versions(client: str) -> dict[str, str]:
    """Return the versions that *client* is measured with, by package."""
    command: list[str | Path] = [interpreter(client), "-c", TOLD]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, str] = json.loads(done.stdout)
    return found
