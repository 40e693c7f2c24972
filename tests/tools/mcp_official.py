"""A server by the official package: `python mcp_official.py stdio`, or `streamable-http PORT`."""

from __future__ import annotations

import sys
from typing import TypedDict

from mcp.server import MCPServer
from mcp.server.mcpserver import Context, Image
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations

server = MCPServer("official", log_level="ERROR")


class Sum(TypedDict):
    sum: int


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def add(a: int, b: int) -> Sum:
    """Add two numbers."""
    return {"sum": a + b}


@server.tool()
async def count(ctx: Context, to: int) -> str:
    """Count, step by step."""
    for number in range(to):
        await ctx.report_progress(number, to, f"step {number}")
    return f"{to} steps"


@server.tool()
def picture() -> list[str | Image]:
    """Show a picture."""
    return ["Here it is:", Image(data=b"\x89PNG", format="png")]


@server.tool()
def fail() -> str:
    """Fail."""
    raise ToolError("It is broken.")


if __name__ == "__main__":
    if sys.argv[1] == "stdio":
        server.run("stdio")
    else:
        server.run("streamable-http", port=int(sys.argv[2]))
