"""What a chat program lets its model call: the tools that are named, or harmless built-ins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from chatbots.cli.flags import Calling, Flags
from chatbots.errors import ConfigurationError
from chatbots.settings import Settings

if TYPE_CHECKING:
    from chatbots.tool_calls import ToolRunner
    from chatbots.tools.registry import ToolRegistry

HARMLESS: Final = "calculator,get_current_time,multiply"
"""What is offered where nothing is said. Not the weather, which is made up."""


def offered(flags: Flags, settings: Settings) -> ToolRegistry | None:
    """Return the tools that the model may call, None for none.

    Where none are named, those that harm nobody; none to the model on this machine, and none
    where an answer in a demanded shape is wanted.
    Raises `ConfigurationError` where there are no such tools, or not the one to choose;
    that may be of an MCP server, and is not looked for where one is named.
    """
    words, choice = flags.tools, flags.tool_choice
    if words is None:
        bare = settings.wants_local or flags.schema is not None or choice == "none"
        words = ["none"] if bare else [HARMLESS]
    found = None
    if words != ["none"]:
        from chatbots.cli.toolset import toolset

        found = toolset(words) or None
    if not flags.serves:
        check_choice(flags, found)
    return found


def check_choice(flags: Calling, found: ToolRegistry | None) -> None:
    """Raise `ConfigurationError` where *found* does not have the tool to choose."""
    choice = flags.tool_choice
    if choice not in (None, "auto", "none") and not (
        found and (choice == "required" or choice in found)
    ):
        names = ", ".join(tool.name for tool in found or ())
        raise ConfigurationError(
            "invalid_setting",
            f"--tool-choice {choice} cannot be used: "
            f"{'there is no such tool' if found else 'no tool is offered'}.",
            hint=f"There are {names}." if found else "Name some with --tools.",
        )


def runner_for(found: ToolRegistry | None, flags: Calling) -> ToolRunner | None:
    """Return what runs them; nobody's turn fails for tools that nobody asked for."""
    named = flags.tools is not None or flags.serves
    if found is None or named or flags.tool_choice not in (None, "auto"):
        return found
    from chatbots.tools.optional import OptionalTools

    return OptionalTools(found)
