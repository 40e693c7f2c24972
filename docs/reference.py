"""The reference of the public names: what each takes, and what it says of itself."""

from __future__ import annotations

import inspect
import types
from collections.abc import Iterator
from typing import Final

import chatbots
from chatbots import testing

NOTE: Final = "<!-- Made by `make docs` from the public names and their docstrings. -->"
MANY: Final = 16
"""Parameters that are too many for a heading."""


def page() -> str:
    """Return the page: the names of `chatbots` and of `chatbots.testing`, by alphabet."""
    lines = [
        "# Reference\n",
        f"{NOTE}\n",
        "Every public name in a line; its docstring says more: `help(chatbots.ask)`.",
        "What may go wrong stands in [errors.md](errors.md),",
        "what can be set in [settings.md](settings.md),",
        "the events of the Realtime API in [realtime-protocol.md](realtime-protocol.md).",
    ]
    for module in (chatbots, testing):
        lines.append(f"\n## `{module.__name__}`")
        for name, value in public(module):
            lines += _described(name, value)
    return "\n".join(lines) + "\n"


def public(module: types.ModuleType) -> Iterator[tuple[str, object]]:
    """Yield the names that a module imports on first use, and what they name."""
    for name in sorted(vars(module)["_HOMES"]):
        yield name, getattr(module, name)


def said_of(name: str, value: object) -> str:
    """Return the first paragraph that *value* says of itself, on one line."""
    if getattr(value, "__name__", "") != name:
        return "A text." if isinstance(value, str) else "Another name for one or more types."
    return " ".join((inspect.getdoc(value) or "").partition("\n\n")[0].split())


def _described(name: str, value: object) -> Iterator[str]:
    """Yield the lines about a name: how it is called, what it is, and its methods below it."""
    own = getattr(value, "__name__", "") == name
    yield f"\n### `{name}{_call(value) if own else ''}`\n"
    yield said_of(name, value)
    if not own or not isinstance(value, type) or issubclass(value, BaseException):
        return
    methods = {
        of: member.__func__ if isinstance(member, classmethod) else member
        for of, member in vars(value).items()
        if not of.startswith("_") and isinstance(member, classmethod | types.FunctionType)
    }
    if methods:
        yield ""
    for of, method in methods.items():
        yield f"- `{of}{_call(method)}`: {said_of(method.__name__, method)}"


def _call(value: object) -> str:
    """Return what *value* is called with, without types; nothing if it is not called."""
    if not callable(value) or getattr(value, "_is_protocol", False):
        return ""
    try:
        told = inspect.signature(value)
    except (TypeError, ValueError):
        return ""
    bare = [_bare(one) for one in told.parameters.values() if one.name not in ("self", "cls")]
    if len(bare) > MANY:
        return "(...)"
    return str(told.replace(parameters=bare, return_annotation=told.empty)).replace(
        "Ellipsis", "..."
    )


def _bare(one: inspect.Parameter) -> inspect.Parameter:
    """Return a parameter without its type, and with a default that reads well."""
    plain = one.default is one.empty or isinstance(one.default, str | int | float | None)
    return one.replace(annotation=one.empty, default=one.default if plain else ...)
