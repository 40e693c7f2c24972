"""The tools that come with the package, each imported when it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Final

from chatbots.tools.tool import Tool

BUILTIN: Final = {
    "calculator": "chatbots.tools.calculator",
    "get_current_time": "chatbots.tools.current_time",
    "get_weather": "chatbots.tools.weather",
    "multiply": "chatbots.tools.multiply",
}
"""The module of each, by its name. All are harmless: they compute, and read the clock."""


def builtin(name: str) -> Tool[..., str]:
    """Return the built-in tool *name*; raises `KeyError` for none."""
    tool: Tool[..., str] = getattr(import_module(BUILTIN[name]), name)
    return tool
