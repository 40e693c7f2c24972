"""A docstring says what a function does and what its parameters mean: Google, NumPy, Sphinx."""

from __future__ import annotations

import inspect
import re
from typing import Final

_SECTIONS: Final = (
    *("args", "arguments", "parameters", "params", "keyword args", "keyword arguments"),
    *("other parameters", "returns", "return", "yields", "raises", "examples", "example"),
    *("notes", "note", "see also", "references", "warnings", "attributes", "todo"),
)
_GOOGLE: Final = re.compile(rf"(?:{'|'.join(_SECTIONS)}):", re.IGNORECASE)
_NUMPY: Final = re.compile(rf"({'|'.join(_SECTIONS)})\n-{{3,}}$", re.IGNORECASE)
_SPHINX: Final = re.compile(r":(\w+)\s*([^:]*):\s*(.*)")
_ENTRY: Final = re.compile(r"\*{0,2}([\w, *]+?)\s*(?:\([^)]*\))?\s*:\s*(.*)")
_NAMES: Final = re.compile(r"\*{0,2}(\w+)")


def read_docstring(text: str | None) -> tuple[str, dict[str, str]]:
    """Return what a docstring says of the function, and of each parameter it names."""
    said: list[str] = []
    meanings: dict[str, str] = {}
    kind = ""
    lines = inspect.cleandoc(text or "").splitlines()
    while lines:
        line, *lines = lines
        if _NUMPY.match("\n".join([line.strip(), *lines[:1]])):
            kind = f"numpy {line.strip().lower()}"
            del lines[0]
        elif _GOOGLE.fullmatch(line):
            kind = f"google {line[:-1].lower()}"
        elif field := _SPHINX.match(line):
            kind, rest = "sphinx", _indented(lines, above=0)
            if field[1] in ("param", "parameter", "arg", "argument", "key", "keyword"):
                meanings[field[2].split()[-1].lstrip("*")] = _joined(field[3], *rest)
            del lines[: len(rest)]
        elif not kind:
            said.append(line)
        elif ("arg" in kind or "param" in kind) and line.strip():
            rest = _indented(lines, above=_depth(line))
            meanings |= _entry(line.strip(), rest, numpy=kind.startswith("numpy"))
            del lines[: len(rest)]
    return "\n".join(said).strip(), {name: told for name, told in meanings.items() if told}


def _entry(line: str, rest: list[str], *, numpy: bool) -> dict[str, str]:
    """Return what an entry of a section says of the parameters it is about."""
    if numpy:
        names, told = line.partition(":")[0], _joined(*rest)
    elif match := _ENTRY.match(line):
        names, told = match[1], _joined(match[2], *rest)
    else:
        return {}
    return dict.fromkeys(_NAMES.findall(names), told)


def _indented(lines: list[str], *, above: int) -> list[str]:
    """Return the first lines that are indented deeper than *above*."""
    for number, line in enumerate(lines):
        if not line.strip() or _depth(line) <= above:
            return lines[:number]
    return lines[:]


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip())


def _joined(*lines: str) -> str:
    return " ".join(" ".join(lines).split())
