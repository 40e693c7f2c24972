"""`tools`: what a model may call, from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chatbots.cli.tools import ACTIONS, main
from chatbots.tools.builtin import BUILTIN
from tests.cli.conftest import Runner
from tests.cli.running import run_as_main

MINE = '''
import asyncio
import os
import signal

from chatbots.tool_calls import ToolContext
from chatbots.tools.tool import tool

@tool(confirm=True)
async def count(to: int, context: ToolContext) -> list[int]:
    """Count."""
    await context.progress("Counting.", 0.5)
    await context.progress("Counted.")
    return list(range(to))

@tool
async def sleepy() -> str:
    """Sleep, but interrupt the program first."""
    os.kill(os.getpid(), signal.SIGINT)
    await asyncio.sleep(60)
    return "awake"

@tool
def lines() -> str:
    """Say two lines."""
    return "one\\ntwo\\n"
'''


@pytest.fixture
def mine() -> str:
    Path("mine.py").write_text(MINE)
    return "mine.py"


def test_a_list_has_a_line_for_each(run: Runner) -> None:
    ran = run("tools", "list")
    assert (ran.status, ran.err) == (0, "")
    assert [line.partition(": ")[0] for line in ran.out.splitlines()] == list(BUILTIN)
    assert "multiply: Multiply two numbers exactly, whole or not, however large.\n" in ran.out


def test_a_list_of_ones_own(run: Runner, mine: str) -> None:
    ran = run("tools", "list", "--tools", "multiply", "--tools", mine)
    assert ran.out.splitlines()[1:] == [
        "count: Count.",
        "sleepy: Sleep, but interrupt the program first.",
        "lines: Say two lines.",
    ]
    assert run("tools", "list", "--tools", "none") == (0, "", "")


def test_ctrl_c_ends_a_call(run: Runner, mine: str) -> None:
    assert run("tools", "run", "sleepy", "{}", "--tools", mine) == (130, "", "")


def test_a_list_as_json_is_what_the_model_is_told(run: Runner) -> None:
    rows = [json.loads(line) for line in run("tools", "list", "--json").out.splitlines()]
    assert [row["name"] for row in rows] == list(BUILTIN)
    assert all(row["parameters"]["type"] == "object" for row in rows)


def test_a_tool_is_shown_with_its_marks_and_its_schema(run: Runner, mine: str) -> None:
    ran = run("tools", "show", "count", "--tools", mine)
    said, marks, schema = ran.out.split("\n\n", 2)
    assert (ran.status, ran.err, said) == (0, "", "count: Count.")
    assert marks.startswith("timeout 30.0, max_result 65536, confirm True, ")
    assert list(json.loads(schema)["properties"]) == ["to"]


def test_a_tool_is_shown_as_json(run: Runner) -> None:
    ran = run("tools", "show", "multiply", "--json")
    assert (ran.status, ran.out.count("\n")) == (0, 1)
    assert json.loads(ran.out)["name"] == "multiply"


def test_a_call_prints_its_result(run: Runner) -> None:
    assert run("tools", "run", "multiply", '{"a": 0.1, "b": 3}') == (0, "0.3\n", "")


def test_a_result_ends_with_one_newline(run: Runner, mine: str) -> None:
    assert run("tools", "run", "lines", "{}", "--tools", mine).out == "one\ntwo\n"


def test_progress_is_told_beside_the_result(run: Runner, mine: str) -> None:
    ran = run("tools", "run", "count", '{"to": 3}', "--tools", mine)
    assert ran == (0, "[0,1,2]\n", "chatbots: Counting. (50%)\nchatbots: Counted.\n")


@pytest.mark.parametrize(
    ("name", "arguments", "complaint"),
    [
        ("calculator", '{"expression": "1/0"}', "Nothing can be divided by 0."),
        ("calculator", "{}", "The arguments of 'calculator' are wrong"),
        ("calculator", "1+1", "The arguments of 'calculator' are wrong"),
    ],
)
def test_a_call_that_fails_is_status_1(
    run: Runner, name: str, arguments: str, complaint: str
) -> None:
    ran = run("tools", "run", name, arguments)
    assert (ran.status, ran.out, ran.err.count("\n")) == (1, "", 1)
    assert ran.err.startswith("chatbots: error: ")
    assert complaint in ran.err


def test_a_call_as_json_is_what_the_model_reads(run: Runner) -> None:
    ran = run("tools", "run", "multiply", '{"a": 6, "b": 7}', "--json")
    assert (ran.status, json.loads(ran.out)) == (0, {"call_id": "call_1", "content": "42"})
    ran = run("tools", "run", "multiply", "{}", "--json")
    assert (ran.status, ran.err, json.loads(ran.out)["is_error"]) == (1, "", True)


def test_arguments_may_come_from_standard_input(run: Runner) -> None:
    assert run("tools", "run", "multiply", "-", given=b'{"a": 6, "b": 7}\n').out == "42\n"
    ran = run("tools", "run", "get_weather", "-", given=b'{"location": "\xff"}')
    assert (ran.status, ran.out) == (1, "")
    assert "half a surrogate pair" in ran.err


def test_an_unknown_tool_is_answered_with_the_known_ones(run: Runner) -> None:
    for action in (["show", "add"], ["run", "add", "{}"]):
        ran = run("tools", *action, "--tools", "multiply,calculator")
        said = "chatbots: error: There is no tool 'add'. There are: multiply, calculator.\n"
        assert ran == (1, "", said)
    assert "There are: none." in run("tools", "show", "add", "--tools", "none").err


def test_what_cannot_be_loaded_is_one_line_and_a_traceback_on_demand(run: Runner) -> None:
    Path("broken.py").write_text("1/0")
    ran = run("tools", "list", "--tools", "broken.py")
    assert (ran.status, ran.out, ran.err.count("\n")) == (1, "", 1)
    assert "loading it failed: ZeroDivisionError" in ran.err
    assert "Traceback" in run("tools", "list", "--tools", "broken.py", "--debug").err


@pytest.mark.parametrize("argv", [[], ["add"], ["show"], ["run", "multiply"], ["list", "multiply"]])
def test_wrong_usage_is_status_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith("usage: chatbots tools")


def test_help_lists_the_actions(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    out = capsys.readouterr().out
    assert all(f"    {action} " in out for action in ACTIONS)


def test_it_can_be_run_as_a_module(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_as_main(monkeypatch, "chatbots.cli.tools", "list") == 0
    assert capsys.readouterr().out.startswith("calculator: ")
