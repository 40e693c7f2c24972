"""The commands on the page about the built-in tools print what it says there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from chatbots.cli.main import main
from chatbots.tools import arithmetic, calculator
from chatbots.tools.builtin import BUILTIN

PAGE = (Path(__file__).parent.parent / "docs" / "built-in-tools.md").read_text("utf-8")
[SESSION] = re.findall(r"^```console\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = re.findall(r"^\$ chatbots (.*)\n(.*)\n", SESSION, re.MULTILINE)


def test_all_its_commands_are_run() -> None:
    assert len(COMMANDS) == SESSION.count("$ ") == SESSION.count("\n") / 2


@pytest.mark.parametrize(("command", "said"), COMMANDS)
def test_a_command_prints_what_the_page_says(
    command: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = said.startswith("chatbots: error: ")
    assert main(shlex.split(command)) == (1 if failed else 0)
    out, err = capsys.readouterr()
    assert (err if failed else out) == f"{said}\n"


def test_it_knows_all_tools_functions_and_constants() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
    assert sorted(rows) == sorted(BUILTIN)
    assert f"`{' '.join(arithmetic.FUNCTIONS)}`" in PAGE
    assert f"`{' '.join(arithmetic.CONSTANTS)}`" in PAGE
    said = calculator.calculator.spec.description
    assert all(name in said for name in (*arithmetic.FUNCTIONS, *arithmetic.CONSTANTS))
