"""`tools`: list, show and run what a model may call."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from chatbots.cli.flags import TOOLS_HELP, Serving, add_servers
from chatbots.cli.outcome import FAILED, OK, guarded, say, tell

if TYPE_CHECKING:
    from chatbots.tool_calls import ToolResult
    from chatbots.tools.registry import ToolRegistry
    from chatbots.tools.tool import Tool

ACTIONS: Final = {
    "list": "the tools, and what each is for",
    "show": "what the model is told of a tool",
    "run": "call a tool as a model would, and print its result",
}


class Flags(Serving):
    """What the program was told on its command line."""

    action: str
    name: str
    arguments: str
    tools: list[str] | None
    json: bool
    debug: bool


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="chatbots tools",
        description="List, show and run what a model may call.",
        epilog="docs/built-in-tools.md describes those that come with the package.",
        allow_abbrev=False,
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, purpose in ACTIONS.items():
        action = actions.add_parser(name, help=purpose, description=purpose, allow_abbrev=False)
        if name != "list":
            action.add_argument("name", metavar="NAME", help="the tool's name")
        if name == "run":
            action.add_argument(
                "arguments", metavar="JSON", help="its arguments, an object; '-' is standard input"
            )
        action.add_argument(
            "--tools",
            action="append",
            metavar="WHICH",
            help=f"these instead of builtin: {TOOLS_HELP}",
        )
        add_servers(action.add_argument)
        action.add_argument("--json", action="store_true", help="one JSON object a line")
        action.add_argument("--debug", action="store_true", help="show tracebacks")
    flags = parser.parse_args(argv, namespace=Flags())
    return guarded(lambda: _run(flags), debug=flags.debug)


def _run(flags: Flags) -> int:
    import anyio

    return anyio.run(_act, flags)


async def _act(flags: Flags) -> int:
    from chatbots.cli.mcp import joined
    from chatbots.cli.toolset import toolset

    named = toolset(flags.tools or ["none" if flags.serves else "builtin"])
    async with joined(flags, named) as tools:
        if flags.action == "list":
            return _list(tools, as_json=flags.json)
        tool = _named(tools, flags.name)
        if flags.action == "show":
            return _show(tool, as_json=flags.json)
        return await _call(tool, flags)


def _named(tools: ToolRegistry, name: str) -> Tool[..., Any]:
    if name in tools:
        return tools[name]
    from chatbots.errors import InvalidRequest

    known = ", ".join(tool.name for tool in tools) or "none"
    raise InvalidRequest(
        "invalid_request", f"There is no tool {name!r}.", hint=f"There are: {known}.", param="name"
    )


def _list(tools: ToolRegistry, *, as_json: bool) -> int:
    for tool in tools:
        first = tool.spec.description.partition("\n")[0]
        say(_encoded(tool.spec) if as_json else f"{tool.name}: {first}")
    return OK


def _show(tool: Tool[..., Any], *, as_json: bool) -> int:
    import msgspec

    if as_json:
        say(_encoded(tool.spec))
        return OK
    marks = [f"{name} {value}" for name, value in msgspec.to_builtins(tool.marks).items()]
    schema = msgspec.json.format(msgspec.json.encode(tool.spec.parameters)).decode()
    say(f"{tool.name}: {tool.spec.description}\n\n{', '.join(marks)}\n\n{schema}")
    return OK


async def _call(tool: Tool[..., Any], flags: Flags) -> int:
    import anyio
    import msgspec

    from chatbots.terminal.console import PlainPaper
    from chatbots.terminal.streams import read_whole, write

    text = flags.arguments
    if text == "-":
        # What is no UTF-8 is refused like other arguments that are no JSON.
        text = (await read_whole(sys.stdin)).decode("utf-8", "surrogateescape")
    results: list[ToolResult] = []

    async def call() -> None:
        results.append(await _result(tool, text))

    # Ctrl-C cancels this task from outside of all scopes: a tool run in it would seem to do so.
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call)
    [result] = results
    if flags.json:
        say(_encoded(result))
    elif result.is_error:
        tell(f"error: {msgspec.json.decode(result.content)['error']}")
    else:
        paper = PlainPaper(clean=sys.stdout.isatty())
        await write(f"{paper.text(result.content)}\n", sys.stdout)
    return FAILED if result.is_error else OK


async def _result(tool: Tool[..., Any], arguments: str) -> ToolResult:
    from chatbots.telemetry import new_request_id
    from chatbots.tool_calls import ToolCall, ToolContext
    from chatbots.tools.running import run_tool

    async def report(message: str, fraction: float | None) -> None:
        tell(message if fraction is None else f"{message} ({fraction:.0%})")

    def consent(*_: object) -> bool:
        return True  # who types the call has consented to it

    context = ToolContext(request_id=new_request_id(), confirm=consent, report=report)
    return await run_tool(tool, ToolCall("call_1", tool.name, arguments), context)


def _encoded(value: object) -> str:
    import msgspec

    return msgspec.json.encode(value).decode()


if __name__ == "__main__":
    sys.exit(main())
