"""The interpreters of the clients: ours and the SDK's is this one, a peer's has its own packages.

`peers.toml` says what a peer is measured with.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
import venv
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
PINS: Final = tomllib.loads(Path(__file__).with_name("peers.toml").read_text("utf-8"))
PLACE: Final = ROOT / ".venv" / "bench"

# Of what is installed, all that a reader of streams may go through.
TOLD: Final = """
import json, platform
from importlib.metadata import distributions
names = "aiohttp aiosqlite anyio httptools httpx httpx2 langchain-core langchain-openai langgraph"
names += " langgraph-checkpoint-sqlite litellm llm msgspec openai openai-agents orjson pydantic"
names += " pydantic-ai-slim uvloop websockets"
found = {one.name.lower(): one.version for one in distributions()}
found = {name: found[name] for name in names.split() if name in found}
print(json.dumps({"python": platform.python_version()} | found))
"""


@cache
def interpreter(client: str) -> Path:
    """Return the Python to run *client* with; install it where that is needed.

    Raises `RuntimeError` with the installer's words where it cannot be installed.
    """
    if client not in PINS["peers"]:
        return Path(sys.executable)
    place = PLACE / client
    wanted = "\n".join([sys.version, *PINS["readers"], *PINS["peers"][client]])
    installed = place / "installed.txt"
    if not installed.is_file() or installed.read_text("utf-8") != wanted:
        print(f"Installing {client} ...", file=sys.stderr)
        venv.create(place, clear=True, with_pip=True)
        pip: list[str | Path] = [place / "bin" / "python", "-m", "pip", "install", "--quiet"]
        done = subprocess.run(
            [*pip, *PINS["readers"], *PINS["peers"][client]],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(
                f"{client} cannot be installed, and only --smoke does without:\n"
                f"{done.stderr[-2000:]}"
            )
        installed.write_text(wanted, "utf-8")
    return place / "bin" / "python"


@cache
def versions(client: str) -> dict[str, str]:
    """Return the versions that *client* is measured with, by package."""
    command: list[str | Path] = [interpreter(client), "-c", TOLD]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, str] = json.loads(done.stdout)
    return found
