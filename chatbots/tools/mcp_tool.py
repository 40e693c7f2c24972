"""The tools an MCP server lists, as tools of ours: named after the server, marked by its hints."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from msgspec import Struct

from chatbots import telemetry
from chatbots.errors import ToolError
from chatbots.json_schema import BadSchema, mistakes_in
from chatbots.tool_calls import ToolContext
from chatbots.tools.mcp_servers import McpServer

if TYPE_CHECKING:
    from mcp import Client
    from mcp_types import Tool as Listed

Call: TypeAlias = Callable[[str, dict[str, Any], ToolContext], Awaitable[str]]

MAX_TOOLS: Final = 1000
"""Tools a server may have."""

_PLAIN: Final = re.compile(r"(?!.*__.*__)[a-zA-Z0-9_-]{1,64}")


class McpTool(Struct, frozen=True, kw_only=True):
    """A tool of a server, as `tool_of` takes it; the server knows it as `remote_name`."""

    call: Call
    remote_name: str
    name: str
    description: str
    parameters: Mapping[str, object]
    timeout: float
    confirm: bool
    idempotent: bool

    async def execute(self, ctx: ToolContext, args: dict[str, Any], /) -> str:
        """Have the server do it; raises `ToolError` where it did not."""
        return await self.call(self.remote_name, args, ctx)


async def tools_of(client: Client, server: McpServer, call: Call) -> list[McpTool]:
    """Ask the *server* for its tools, in its order; *call* is what calls one.

    One whose schema is none is left out. Raises `ToolError` for more than `MAX_TOOLS`.
    """
    found: dict[str, McpTool] = {}
    cursor = None
    for _ in range(MAX_TOOLS):  # A page may be empty.
        page = await client.list_tools(cursor=cursor, cache_mode="refresh")
        for listed in page.tools:
            if (tool := _tool(listed, server, call)) is not None:
                found.setdefault(tool.name, tool)
        cursor = page.next_cursor
        if len(found) > MAX_TOOLS:
            break
        if not cursor:
            return list(found.values())
    raise ToolError("tool_server_failed", f"it lists more than {MAX_TOOLS:,} tools")


def _tool(listed: Listed, server: McpServer, call: Call) -> McpTool | None:
    # The API wants the properties said, even if there are none.
    parameters: dict[str, object] = {"properties": {}, **listed.input_schema}
    try:
        mistakes_in(parameters)
    except BadSchema as error:
        facts = {"server": server.name, "tool": listed.name, "error": str(error)}
        telemetry.emit("warning", "mcp.tool.left_out", **facts)
        return None
    hints = listed.annotations
    reads = bool(hints and hints.read_only_hint)
    return McpTool(
        call=call,
        remote_name=listed.name,
        name=name_of(server.name, listed.name),
        description=listed.description or listed.title or "",
        parameters=parameters,
        timeout=server.timeout,
        confirm=not reads if server.confirm is None else server.confirm,
        idempotent=reads or bool(hints and hints.idempotent_hint),
    )


def name_of(server: str, tool: str) -> str:
    """Return what the model calls a *tool*: `server__tool`, whatever other servers there are.

    A name the API does not take, or that could be of another server, ends in a hash of it.
    """
    plain = f"{server}__{tool}"
    if _PLAIN.fullmatch(plain) and not server.endswith("_"):
        return plain
    digest = hashlib.sha256(f"{server}\0{tool}".encode(errors="replace")).hexdigest()
    return f"{re.sub('[^a-zA-Z0-9_-]', '_', plain)[:55]}_{digest[:8]}"
