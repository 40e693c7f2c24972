"""The rows of tests/checklist.toml, each with the tests that are marked to show it."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

NOTE: Final = "<!-- Made by `make docs` from tests/checklist.toml and the marks in the tests. -->"

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Row(NamedTuple):
    """A feature of the reference; `open` says why no test shows it, and is empty where one does."""

    area: str
    feature: str
    open: str


class Mark(NamedTuple):
    """A test that shows a row: its file from the root, and its name, empty if all of the file."""

    path: str
    test: str


def rows(root: Path) -> dict[int, Row]:
    """Read the rows, by number."""
    written = tomllib.loads((root / "tests/checklist.toml").read_text("utf-8"))
    areas = {int(first): title for first, title in written.pop("areas").items()}
    written.pop("parts")
    return {
        int(number): Row(
            areas[max(first for first in areas if first <= int(number))],
            row["feature"],
            row.get("open", ""),
        )
        for number, row in written.items()
    }


def parts(root: Path) -> dict[str, list[str]]:
    """Read where each part of the reference systems is here: files and folders from the root."""
    found = tomllib.loads((root / "tests/checklist.toml").read_text("utf-8"))["parts"]
    return {part: places.split() for part, places in found.items()}


def shown(root: Path) -> dict[int, list[Mark]]:
    """Read the tests' source for marks; return them by the number of the row."""
    found: dict[int, list[Mark]] = {}
    for path in sorted((root / "tests").rglob("test_*.py")):
        source = path.read_text("utf-8")
        if ".checklist(" in source:
            name = path.relative_to(root).as_posix()
            for test, number in _marks(ast.parse(source, name), ""):
                marks = found.setdefault(number, [])
                if (mark := Mark(name, test)) not in marks:
                    marks.append(mark)
    return found


def complaints(root: Path) -> list[str]:
    """Say what is wrong: a mark of no row, a row that nothing shows, an open row that is shown."""
    known, marks = rows(root), shown(root)
    wrong = [
        f"{marks[number][0].path} marks row {number}, which does not exist"
        for number in marks.keys() - known.keys()
    ]
    for number, row in known.items():
        if number not in marks and not row.open:
            wrong.append(f"no test shows row {number}: {row.feature}")
        if number in marks and row.open:
            mark = marks[number][0]
            wrong.append(f"row {number} is shown by {mark.path}: strike out its `open`")
    return sorted(wrong)


def page(root: Path) -> str:
    """Return the page: by area, each row with its tests or why there is none."""
    known, marks = rows(root), shown(root)
    missing = sum(bool(row.open) for row in known.values())
    lines = [
        "# The checklist\n",
        f"{NOTE}\n",
        f"What five reference systems do, in {len(known)} rows, and the tests that show it here.",
        "The tests run with `make test`, those that take longer with `make test-all`.",
        f"Of {missing} rows no test says anything; the reason stands in its place.",
    ]
    area = ""
    for number, row in known.items():
        if row.area != area:
            area = row.area
            lines += [f"\n## {area}\n", "| row | feature | shown by |", "| --- | --- | --- |"]
        tests = "<br>".join(map(_link, marks.get(number, ()))) or f"*{row.open}*"
        lines.append(f"| {number} | {row.feature} | {tests} |")
    lines += ["\n## Where their parts are\n", "| there | here |", "| --- | --- |"]
    for part, places in parts(root).items():
        links = ", ".join(f"[{place}](../{place})" for place in places)
        lines.append(f"| {part} | {links} |")
    return "\n".join(lines) + "\n"


def _marks(tree: ast.Module | ast.ClassDef, test: str) -> Iterator[tuple[str, int]]:
    """Yield the marks in *tree*, each with the test or class that it is of."""
    for node in tree.body:
        if isinstance(node, Function | ast.ClassDef):
            inside = f"{test}::{node.name}".strip(":")
            for decorator in node.decorator_list:
                yield from ((inside, number) for number in _marked(decorator))
            if isinstance(node, ast.ClassDef):
                yield from _marks(node, inside)
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark":
            yield from ((test, number) for number in _marked(node))


def _marked(tree: ast.AST) -> Iterator[int]:
    """Yield the rows that marks in an expression name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.checklist":
            for said in node.args:
                yield from _numbers(said)


def _numbers(said: ast.expr) -> Iterable[int]:
    """Return the rows that an argument of a mark names: `12`, or `*range(88, 116)`."""
    if isinstance(said, ast.Starred) and isinstance(said.value, ast.Call):
        return range(*map(ast.literal_eval, said.value.args))
    return (int(ast.literal_eval(said)),)


def _link(mark: Mark) -> str:
    says = mark.test.rpartition("::")[2].removeprefix("test_").replace("_", " ")
    return f"[{mark.path.removeprefix('tests/')}](../{mark.path})" + (says and f": {says}")
