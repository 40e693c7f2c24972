"""What `--mcp` and `--mcp-config` name: servers whose tools join the others."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from chatbots.cli.flags import Serving

if TYPE_CHECKING:
    from chatbots.tools.mcp_servers import McpServer
    from chatbots.tools.registry import ToolRegistry

R = TypeVar("R", bound="ToolRegistry | None")


@asynccontextmanager
async def joined(flags: Serving, tools: R) -> AsyncGenerator[ToolRegistry | R]:
    """Have the tools of the servers that *flags* name among *tools*, for as long as it is entered.

    Raises what `McpTools` raises, and `ConfigurationError` for what names no server.
    """
    if not flags.serves:
        yield tools
        return
    from chatbots.tools.mcp import McpTools

    async with McpTools(_servers(flags), registry=tools) as found:
        yield found


def _servers(flags: Serving) -> list[McpServer]:
    from chatbots.cli.outcome import tell
    from chatbots.setting_files import read_text
    from chatbots.settings import environment
    from chatbots.tools.mcp_servers import McpServer, read_servers

    servers = [McpServer.of(word) for word in flags.mcp or ()]
    if flags.mcp_config is not None:
        text = read_text(flags.mcp_config, "MCP servers")
        servers += read_servers(text, environment(), notice=tell)
    return servers
