"""What `--tools` names becomes tools."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from chatbots.cli.toolset import toolset
from chatbots.errors import ConfigurationError, InvalidRequest
from chatbots.tools.builtin import BUILTIN

DICE = '''
from __future__ import annotations

from dataclasses import dataclass

from chatbots.tools.multiply import multiply as _multiply
from chatbots.tools.tool import tool

@dataclass
class Sides:
    count: int

@tool
def roll(sides: Sides) -> int:
    """Roll a die."""
    return sides.count

@tool(confirm=True)
async def cheat() -> int:
    """Roll a six."""
    return 6

def unmarked() -> int:
    return 1

again = roll
'''


@pytest.fixture
def dice(tmp_path: Path) -> Path:
    path = tmp_path / "dice, and more.py"
    path.write_text(DICE)
    return path


def names(*words: str) -> list[str]:
    return [tool.name for tool in toolset(words)]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ([], []),
        (["none"], []),
        (["none", "none"], []),
        (["builtin"], list(BUILTIN)),
        (["multiply"], ["multiply"]),
        (["multiply, calculator"], ["multiply", "calculator"]),
        (["multiply", "multiply"], ["multiply"]),
        (["multiply", "builtin"], ["multiply", "calculator", "get_current_time", "get_weather"]),
        (["chatbots.tools.weather,multiply"], ["get_weather", "multiply"]),
    ],
)
def test_each_word_adds_its_tools_once(words: list[str], found: list[str]) -> None:
    assert names(*words) == found


def test_a_file_adds_what_it_marked(dice: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert names(str(dice)) == ["roll", "cheat"]
    monkeypatch.chdir(dice.parent)
    assert names("multiply", f"./{dice.name}") == ["multiply", "roll", "cheat"]


def test_its_classes_can_be_looked_up(dice: Path) -> None:
    spec = toolset([str(dice)])["roll"].spec
    assert spec.description == "Roll a die."
    assert "count" in str(spec.parameters)


def test_two_tools_of_one_name_are_refused(tmp_path: Path) -> None:
    mine = "from chatbots.tools.tool import tool\n@tool\ndef multiply() -> int:\n    return 1\n"
    (tmp_path / "mine.py").write_text(mine)
    with pytest.raises(InvalidRequest, match="two tools with the name 'multiply'"):
        toolset(["builtin", str(tmp_path / "mine.py")])


@pytest.mark.parametrize(
    ("word", "complaint"),
    [
        ("multipy", "--tools multipy cannot be used: there is no such built-in. Did you mean mult"),
        ("dice", "There are calculator, get_current_time, get_weather, multiply. A file ends in "),
        ("", "there is no such built-in"),
        ("nowhere.py", "loading it failed: FileNotFoundError: .*nowhere.py'. --debug shows where"),
        ("no.such.module", "loading it failed: ModuleNotFoundError: No module named 'no'"),
        ("..", "loading it failed: TypeError"),
        ("os.path", "it has no tools. Mark functions with @tool"),
    ],
)
def test_what_cannot_be_found_is_told_with_what_to_do(word: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint) as refused:
        toolset([word])
    assert refused.value.code == "invalid_setting"


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("1/0", "loading it failed: ZeroDivisionError: division by zero"),
        ("import sys; sys.exit(3)", "loading it failed: SystemExit: 3"),
        ("def", "loading it failed: SyntaxError: invalid syntax"),
        ("", "it has no tools"),
    ],
)
def test_a_file_that_fails_is_told_and_forgotten(tmp_path: Path, body: str, complaint: str) -> None:
    path = tmp_path / "failing.py"
    path.write_text(body)
    with pytest.raises(ConfigurationError, match=complaint):
        toolset([str(path)])
    assert (str(path) in sys.modules) is (not body)


def test_a_refusal_of_the_file_itself_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "refusing.py"
    path.write_text("from chatbots.tools.tool import Tool\nTool(len, name='no name')")
    with pytest.raises(InvalidRequest, match="cannot have the name 'no name'"):
        toolset([str(path)])


@pytest.mark.parametrize("words", [["none", "builtin"], ["none,multiply"]])
def test_none_goes_with_no_other(words: list[str]) -> None:
    with pytest.raises(ConfigurationError, match="none cannot be used: it goes with no other"):
        toolset(words)


def test_nothing_runs_that_was_not_named(dice: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(dice.parent)
    (dice.parent / "calculator.py").write_text("raise SystemExit")
    assert names("calculator") == ["calculator"]


def test_a_module_is_found_in_the_folder_the_program_is_run_in(
    dice: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = dice.parent / "casino"
    package.mkdir()
    dice.rename(package / "dice.py")
    monkeypatch.chdir(package.parent)
    # As a console script has it.
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    monkeypatch.delitem(sys.modules, "casino", raising=False)
    try:
        assert names("casino.dice") == ["roll", "cheat"]
    finally:
        for name in ("casino", "casino.dice"):
            sys.modules.pop(name, None)
