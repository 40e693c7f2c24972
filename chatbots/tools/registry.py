"""The tools a bot has, by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

from chatbots.errors import InvalidRequest
from chatbots.tool_calls import ToolCall, ToolContext, ToolResult, ToolRunner, ToolSpec
from chatbots.tools.running import failure, run_tool
from chatbots.tools.tool import Tool, tool_of


class ToolRegistry:
    """A `ToolRunner` of `Tool`s, functions and objects; see `tool_of`.

    Raises `InvalidRequest` for two of the same name. No schema is made before it is asked for.
    """

    def __init__(self, tools: Iterable[object] = ()) -> None:
        self._tools: dict[str, Tool[..., Any]] = {}
        self._specs: tuple[ToolSpec, ...] | None = None
        for given in tools:
            self.add(given)

    def add(self, given: object) -> Tool[..., Any]:
        """Take in another tool, and return it."""
        added = tool_of(given)
        if added.name in self._tools:
            raise InvalidRequest(
                "invalid_request",
                f"There are two tools with the name {added.name!r}.",
                hint="Give one of them another: @tool(name=...).",
                param="tools",
            )
        self._tools[added.name] = added
        self._specs = None
        return added

    def discard(self, name: str) -> None:
        """Take the tool *name* out, if there is one."""
        self._tools.pop(name, None)
        self._specs = None

    def __getitem__(self, name: str) -> Tool[..., Any]:
        return self._tools[name]

    def __contains__(self, name: object) -> bool:
        return name in self._tools

    def __iter__(self) -> Iterator[Tool[..., Any]]:
        return iter(self._tools.values())

    def __len__(self) -> int:
        return len(self._tools)

    def specs(self) -> Sequence[ToolSpec]:
        """Return the tools as the model sees them; see `ToolRunner.specs`."""
        if self._specs is None:
            self._specs = tuple(tool.spec for tool in self)
        return self._specs

    async def run(self, call: ToolCall, context: ToolContext) -> ToolResult:
        """Run one call; see `ToolRunner.run`."""
        called = self._tools.get(call.name)
        if called is None:
            known = ", ".join(self._tools) or "none"
            return failure(call, f"There is no tool {call.name!r}; there are: {known}.")
        return await run_tool(called, call, context)


def runner_of(tools: ToolRunner | Iterable[object]) -> ToolRunner | None:
    """Return what runs *tools*: a runner of its own, or a registry of them; None for none."""
    if hasattr(tools, "specs") and hasattr(tools, "run"):
        return cast("ToolRunner", tools)
    if isinstance(tools, str) or not isinstance(tools, Iterable):
        raise InvalidRequest(
            "invalid_request", f"These are no tools: {tools!r}.", hint="Give a list.", param="tools"
        )
    registry = ToolRegistry(tools)
    return registry if len(registry) else None
