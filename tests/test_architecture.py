"""The house rules that no linter knows."""

from __future__ import annotations

import ast
import importlib
import importlib.util
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent
FORBIDDEN_WORDS = {"util", "utils", "common", "helpers", "misc", "base", "manager"}

FACADE = ROOT / "chatbots" / "__init__.py"
MODULES = sorted((ROOT / "chatbots").rglob("*.py"))
PROGRAMS = sorted(
    path
    for folder in ("cmd", "bench", "report", "docs", "examples", "packaging")
    for path in (ROOT / folder).rglob("*.py")
)

READS_THE_ENVIRONMENT = {"chatbots/settings.py"}
STANDS_ON_ASYNCIO = {
    "chatbots/provider/connection.py",
    "chatbots/services/held_open.py",
    "chatbots/wakeup.py",
}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), name(path))


def tool(stem: str) -> ModuleType:
    """Load a program of `packaging/`, a folder that must not become a package."""
    spec = importlib.util.spec_from_file_location(stem, ROOT / "packaging" / f"{stem}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def offences(
    rule: Callable[[Path], Iterable[object]], paths: Iterable[Path] = MODULES
) -> dict[str, list[object]]:
    """Return which of *paths* break a *rule*, and how: one test for all of them is quicker."""
    found = {name(path): list(rule(path)) for path in paths}
    return {path: broken for path, broken in found.items() if broken}


# Sizes


def test_a_module_has_at_most_300_lines() -> None:
    def too_long(path: Path) -> list[int]:
        lines = len(path.read_text("utf-8").splitlines())
        return [lines] if lines > 300 else []

    assert offences(too_long, MODULES + PROGRAMS) == {}


def test_a_function_has_at_most_40_lines() -> None:
    assert offences(lambda path: long_functions(parse(path)), MODULES + PROGRAMS) == {}


def long_functions(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, Function):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > 40:
                yield f"{node.name}: {lines} lines"


def test_a_class_has_at_most_10_public_methods_and_12_attributes() -> None:
    assert offences(lambda path: large_classes(parse(path))) == {}


def large_classes(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and not is_frozen_value(node):
            methods, attributes = public_methods(node), attributes_of(node)
            if len(methods) > 10 or len(attributes) > 12:
                yield f"{node.name}: {len(methods)} methods, {len(attributes)} attributes"


def methods_of(node: ast.ClassDef) -> list[Function]:
    return [item for item in node.body if isinstance(item, Function)]


def public_methods(node: ast.ClassDef) -> set[str]:
    return {method.name for method in methods_of(node) if not method.name.startswith("_")}


def attributes_of(node: ast.ClassDef) -> set[str]:
    """Return what the class body declares and what its methods set on `self`."""
    found: set[str] = set()
    for item in node.body:
        targets = item.targets if isinstance(item, ast.Assign) else [getattr(item, "target", None)]
        found |= {target.id for target in targets if isinstance(target, ast.Name)}
    for method in methods_of(node):
        found |= {
            part.attr
            for part in ast.walk(method)
            if isinstance(part, ast.Attribute)
            and isinstance(part.ctx, ast.Store)
            and isinstance(part.value, ast.Name)
            and part.value.id == "self"
        }
    return found - {"__slots__"}


def is_frozen_value(node: ast.ClassDef) -> bool:
    """Tell whether the class only holds values: nothing changes them and nothing is done by it."""
    bases = " ".join(ast.unparse(base) for base in node.bases)
    options = " ".join(
        ast.unparse(part)
        for part in (*node.decorator_list, *node.keywords, *node.body)
        if not isinstance(part, Function)
    )
    plain = any(kind in bases for kind in ("NamedTuple", "TypedDict", "Enum"))
    behaviour = [
        method
        for method in methods_of(node)
        if not method.name.startswith("_") and not makes_or_shows(method)
    ]
    return (plain or "frozen=True" in options) and not behaviour


def makes_or_shows(method: Function) -> bool:
    """Tell whether it is a constructor, a validator or a property."""
    words = {"property", "cached_property", "classmethod", "staticmethod"}
    return any(ast.unparse(decorator) in words for decorator in method.decorator_list)


def test_the_package_can_be_read_in_an_afternoon() -> None:
    for budget in tool("size").budgets():
        assert budget.lines < budget.limit, budget


# Names and places


def test_a_module_is_named_after_what_it_does() -> None:
    def vague(path: Path) -> set[str]:
        parts = path.relative_to(ROOT).parts
        return {word for part in parts for word in Path(part).stem.split("_")} & FORBIDDEN_WORDS

    assert offences(vague, MODULES + PROGRAMS) == {}


@pytest.mark.checklist(133)
def test_every_module_has_its_own_test_file() -> None:
    owncov = tool("owncov")
    assert [m for m in owncov.modules() if not (ROOT / owncov.test_file(m)).exists()] == []


def test_what_needs_no_test_file_exists_and_says_why() -> None:
    owncov = tool("owncov")
    for module, reason in owncov.EXEMPT.items():
        assert (ROOT / module).exists(), module
        assert reason


def test_the_folder_of_programs_is_no_package() -> None:
    """It has the name of a distribution that pytest imports."""
    assert not (ROOT / "packaging" / "__init__.py").exists()


# Imports


def imports(tree: ast.AST) -> Iterator[str]:
    """Yield every imported module, and every name imported from one, in full."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_only_three_modules_import_asyncio() -> None:
    """Also where a comment has silenced the linter."""
    used = {
        name(path)
        for path in MODULES
        if "asyncio" in {imported.split(".")[0] for imported in imports(parse(path))}
    }
    assert used == STANDS_ON_ASYNCIO


def test_no_module_imports_from_the_facade() -> None:
    """`from chatbots import Name` would open a way to every floor."""
    homes = {f"chatbots.{child.stem}" for child in (ROOT / "chatbots").iterdir()}

    def from_the_facade(path: Path) -> set[str]:
        every = imports(parse(path))
        return {i for i in every if i.count(".") == 1 and i.startswith("chatbots.")} - homes

    assert offences(from_the_facade, [path for path in MODULES if path != FACADE]) == {}


def test_only_the_settings_read_the_environment() -> None:
    assert set(offences(lambda path: environment_reads(parse(path)))) == READS_THE_ENVIRONMENT


def environment_reads(tree: ast.AST) -> Iterator[str]:
    words = {"environ", "environb", "getenv", "getenvb", "putenv"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in words:
            yield ast.unparse(node)
    yield from (i for i in imports(tree) if i in {f"os.{word}" for word in words})


# The public names


def facade() -> tuple[dict[str, str], dict[str, str]]:
    """Return the table of public names, and what the type checkers are told instead."""
    table: dict[str, str] = {}
    told: dict[str, str] = {}
    for node in parse(FACADE).body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "_HOMES":
            table = ast.literal_eval(ast.unparse(node.value)) if node.value else {}
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            froms = [item for item in node.body if isinstance(item, ast.ImportFrom)]
            told |= {a.asname or a.name: str(item.module) for item in froms for a in item.names}
    return table, told


def test_the_public_names_are_sorted() -> None:
    table, _ = facade()
    assert table
    assert list(table) == sorted(table)


def test_type_checkers_see_the_same_public_names() -> None:
    table, told = facade()
    assert told == table


def test_every_public_name_is_found_at_its_home() -> None:
    chatbots = importlib.import_module("chatbots")
    for public, home in facade()[0].items():
        assert getattr(chatbots, public) is getattr(importlib.import_module(home), public)
    assert set(facade()[0]) <= set(dir(chatbots))


# The rules themselves: each is seen to be broken once


@pytest.mark.parametrize(
    ("rule", "source"),
    [
        (long_functions, "def f():\n" + "    x = 1\n" * 40),
        (large_classes, "class C:\n" + "".join(f"    def m{n}(self): ...\n" for n in range(11))),
        (large_classes, "class C:\n    def __init__(self):\n" + "".join(
            f"        self.a{n} = 1\n" for n in range(13))),
        (environment_reads, "import os\nos.environ['X']"),
        (environment_reads, "from os import getenv"),
    ],
)  # fmt: skip
def test_a_broken_rule_is_noticed(rule: Callable[[ast.AST], Iterator[str]], source: str) -> None:
    assert list(rule(ast.parse(source)))


def test_a_frozen_value_may_have_any_number_of_fields() -> None:
    fields = "".join(f"    a{n}: int\n" for n in range(20))
    assert not list(large_classes(ast.parse(f"@dataclass(frozen=True)\nclass V:\n{fields}")))
    assert not list(large_classes(ast.parse(f"class V(NamedTuple):\n{fields}")))
    assert list(large_classes(ast.parse(f"@dataclass\nclass V:\n{fields}")))
    assert list(large_classes(ast.parse(f"class V(NamedTuple):\n{fields}    def do(self): ...")))
