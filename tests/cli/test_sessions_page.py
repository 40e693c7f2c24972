"""The commands on the page about conversations print what it says there, and its program runs."""

from __future__ import annotations

import ast
import inspect
import re
import shlex
from pathlib import Path
from typing import Any

import anyio
import pytest

from chatbots.cli.main import main
from chatbots.cli.sessions import ACTIONS
from tests.cli.running import Upstream

PAGE = (Path(__file__).parents[2] / "docs" / "sessions.md").read_text("utf-8")
TALKS = "".join(re.findall(r"^```console\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
COMMANDS = re.findall(r"^\$ chatbots (.*)\n((?:(?!\$ ).*\n)*)", TALKS, re.MULTILINE)
ANSWERS = ("Hello Ada.", "Your name is Ada.", "As you like, Eve.", "Three things happened.")


def test_its_commands_print_what_it_says(
    upstream: Upstream, capsys: pytest.CaptureFixture[str]
) -> None:
    for answer in ANSWERS:
        upstream.answer(answer)
    assert len(COMMANDS) == TALKS.count("$ ") > 10
    for command, said in COMMANDS:
        failed = "chatbots: error: " in said
        assert main(shlex.split(command)) == (1 if failed else 0), command
        out, err = capsys.readouterr()
        shown = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d", "2026-11-20 12:00", err + out)
        assert shown == said, command
    assert len(upstream.calls) == len(ANSWERS)


def test_its_program_runs(upstream: Upstream, capsys: pytest.CaptureFixture[str]) -> None:
    [program] = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    code = compile(program, "sessions.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)

    async def run() -> None:
        work: Any = eval(code, {})  # noqa: S307 - the page is ours
        assert inspect.iscoroutine(work)
        await work

    upstream.answer("Hello Ada.")
    anyio.run(run)
    assert capsys.readouterr().out == "1 completed Hello Ada.\n"
    assert [m["content"] for m in upstream.calls[1].json["messages"]] == [
        "My name is Ada.",
        "Hello Ada.",
        "Call me Eve.",
    ]


def test_it_knows_all_actions() -> None:
    assert re.findall(r"^\| `chatbots sessions (\w+)", PAGE, re.MULTILINE) == list(ACTIONS)
