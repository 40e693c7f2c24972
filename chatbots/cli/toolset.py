"""What `--tools` names becomes tools: built-ins, and what a file or a module of one's own has."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

from chatbots.errors import ChatError, ConfigurationError
from chatbots.tools.builtin import BUILTIN, builtin
from chatbots.tools.registry import ToolRegistry
from chatbots.tools.tool import Tool

if TYPE_CHECKING:
    from importlib.abc import Loader
    from importlib.machinery import ModuleSpec


def toolset(words: Sequence[str]) -> ToolRegistry:
    """Return the tools that *words* name, each once.

    A word is `builtin`, `none`, names of built-ins with commas between, a file that ends in
    .py, or a module with a dot in its name. A file or a module is run, and has as tools what
    it marked with `@tool`.
    Raises `ConfigurationError` for what cannot be found or loaded,
    `InvalidRequest` for two tools of one name.
    """
    parts = [part for word in words for part in _parts(word)]
    if "none" in parts and len(set(parts)) > 1:
        raise _unusable("none", "it goes with no other")
    found = {id(tool): tool for part in parts for tool in _tools(part)}
    return ToolRegistry(found.values())


def _parts(word: str) -> list[str]:
    # A file's name may have a comma.
    return [word] if word.endswith(".py") else [part.strip() for part in word.split(",")]


def _tools(word: str) -> list[Tool[..., Any]]:
    if word == "none":
        return []
    if word == "builtin":
        return [builtin(name) for name in BUILTIN]
    if word in BUILTIN:
        return [builtin(word)]
    if word.endswith(".py"):
        module = _loaded(word, lambda: _run(Path(word)))
    elif "." in word:
        module = _loaded(word, lambda: _imported(word))
    else:
        near = get_close_matches(word, BUILTIN, n=1)
        meant = f"Did you mean {near[0]}?" if near else f"There are {', '.join(BUILTIN)}."
        raise _unusable(word, "there is no such built-in", f"{meant} A file ends in .py.")
    if not (found := list(_marked(module))):
        raise _unusable(word, "it has no tools", "Mark functions with @tool, from chatbots.")
    return found


def _marked(module: ModuleType) -> Iterator[Tool[..., Any]]:
    for name, value in vars(module).items():
        if isinstance(value, Tool) and not name.startswith("_"):
            yield value


def _run(path: Path) -> ModuleType:
    place = path.resolve(strict=True)
    name = str(place)
    # Its name ends in .py: that has a loader.
    spec = cast("ModuleSpec", spec_from_file_location(name, place))
    module = sys.modules[name] = module_from_spec(spec)  # dataclasses look there
    try:
        cast("Loader", spec.loader).exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _imported(name: str) -> ModuleType:
    # As with `python -m`: a console script does not look in the folder it is run in.
    if "" not in sys.path:
        sys.path.append("")
    return import_module(name)


def _loaded(word: str, load: Callable[[], ModuleType]) -> ModuleType:
    try:
        return load()
    except ChatError:
        raise
    # Somebody else's code: whatever it raises, an exit included, is said of it.
    except (Exception, SystemExit) as error:
        why = f"{type(error).__name__}: {error}"
        raise _unusable(word, f"loading it failed: {why}", "--debug shows where.") from error


def _unusable(word: str, why: str, hint: str | None = None) -> ConfigurationError:
    return ConfigurationError(
        "invalid_setting", f"--tools {word} cannot be used: {why}.", hint=hint
    )
