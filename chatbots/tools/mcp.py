"""Tools of MCP servers: each in a child process or behind a URL, for as long as they are used."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from importlib import import_module
from types import TracebackType

import anyio
from anyio.abc import TaskGroup

from chatbots import telemetry
from chatbots.errors import ChatError, ConfigurationError
from chatbots.tools.mcp_child import GRACE
from chatbots.tools.mcp_link import Link
from chatbots.tools.mcp_servers import McpServer
from chatbots.tools.mcp_tool import McpTool
from chatbots.tools.registry import ToolRegistry
from chatbots.version import installing


class McpTools:
    """The tools of MCP *servers*: `async with McpTools([...]) as tools`, and `tools=tools`.

    All servers are started at once, and their tools added to *registry*, or a new one, which
    is what the context manager gives; it follows when a server's list changes.
    At its end the tools are out of it, and no process is left.
    Raises, entered, `ConfigurationError` (`extra_missing`, `invalid_setting`) and `ToolError`
    for the first server that does not start, `InvalidRequest` for two tools of one name.
    """

    def __init__(
        self, servers: Iterable[McpServer], *, registry: ToolRegistry | None = None
    ) -> None:
        self._registry = ToolRegistry() if registry is None else registry
        self._links = [Link(server, self._changed) for server in servers]
        self._tools: dict[Link, Sequence[McpTool]] = dict.fromkeys(self._links, ())
        self._added: list[str] = []
        self._group: TaskGroup
        self._open = False
        names = [link.server.name for link in self._links]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ConfigurationError(
                "invalid_setting",
                f"There are two MCP servers with the name {twice[0]!r}.",
                hint="Give one of them another: NAME=COMMAND.",
                param="mcp",
            )

    async def __aenter__(self) -> ToolRegistry:
        _prepare()
        self._group = anyio.create_task_group()
        await self._group.__aenter__()
        try:
            await self._start()
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self._registry

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._open = False
        self._publish([])
        for link in self._links:
            link.leave()
        self._group.cancel_scope.deadline = anyio.current_time() + GRACE
        await self._group.__aexit__(None, None, None)

    async def _start(self) -> None:
        errors: dict[Link, ChatError] = {}

        async def start(link: Link) -> None:
            try:
                await self._group.start(link.run)
            except ChatError as error:
                errors[link] = error

        async with anyio.create_task_group() as starting:
            for link in self._links:
                starting.start_soon(start, link)
        for link in self._links:
            if link in errors:
                raise errors[link]
        self._publish(self._tools.values())
        self._open = True

    def _changed(self, link: Link, tools: Sequence[McpTool]) -> None:
        self._tools[link] = tools
        if self._open:
            self._publish(self._tools.values())

    def _publish(self, tools: Iterable[Sequence[McpTool]]) -> None:
        """Have exactly these *tools* in the registry, beside its own: by server, in their order.

        A name that is taken is an error at the start. Later it is nobody's doing here: what the
        registry has itself stays.
        """
        for name in self._added:
            self._registry.discard(name)
        self._added.clear()
        for tool in (tool for those in tools for tool in those):
            if self._open and tool.name in self._registry:
                telemetry.emit("warning", "tool.name_taken", tool=tool.name)
                continue
            self._registry.add(tool)
            self._added.append(tool.name)


def _prepare() -> None:
    """Import the mcp package, and keep what it logs off the terminal if nobody set up logs."""
    try:
        import_module("mcp")
    except ImportError as error:
        raise ConfigurationError(
            "extra_missing",
            "MCP servers need the extra packages of chatriver[mcp].",
            hint=f"Install them: {installing('mcp')}.",
        ) from error
    for name in ("mcp", "client"):
        if not (logger := logging.getLogger(name)).handlers:
            logger.addHandler(logging.NullHandler())
