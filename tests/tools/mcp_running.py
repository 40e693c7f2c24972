"""Scripted MCP servers for a test, and what they wrote down of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import anyio

from chatbots.tool_calls import ToolCall, ToolContext, ToolResult
from chatbots.tools.mcp_servers import McpServer
from chatbots.tools.registry import ToolRegistry
from tests.local.processes import lives

SCRIPT = Path(__file__).parent / "mcp_scripted.py"


def scripted(notes: Path, manner: str = "", **more: Any) -> McpServer:
    """Return the server of that *manner*, which writes to *notes* what it hears."""
    values: dict[str, Any] = {
        "name": "s",
        "command": sys.executable,
        "args": ("-S", "-E", str(SCRIPT), manner),
        "env": {"NOTES": str(notes)},
        "start_timeout": 20.0,
        "confirm": False,
    }
    return McpServer(**values | more)


def noted(notes: Path, what: str) -> list[Any]:
    """Return what the server has written down."""
    file = notes / what
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def heard(notes: Path, method: str) -> list[dict[str, Any]]:
    """Return the parameters of each message of that *method* the server got."""
    return [one.get("params", {}) for one in noted(notes, "heard") if one.get("method") == method]


async def processes(notes: Path, how_many: int) -> None:
    """Wait until so many processes were started."""
    with anyio.fail_after(20):
        while len(noted(notes, "pids")) < how_many:  # noqa: ASYNC110 (another process)
            await anyio.sleep(0.01)


async def all_dead(notes: Path, *, how_many: int) -> None:
    """Wait for the end of the processes that were started, as the system tells it."""
    pids = noted(notes, "pids")
    assert len(pids) == how_many
    with anyio.fail_after(10):
        while any(map(lives, pids)):  # noqa: ASYNC110 (who waits for an orphan is not us)
            await anyio.sleep(0.01)


async def call(tools: ToolRegistry, name: str, arguments: str = "{}", **context: Any) -> ToolResult:
    """Call a tool as a model would."""
    here = ToolContext(request_id="r", **context)
    return await tools.run(ToolCall("call_1", name, arguments), here)
