"""The commands and programs on the page about realtime do what it says there."""

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
from chatbots.settings import Settings
from chatbots.testing.threaded import FakeOpenAIThread

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "realtime.md").read_text("utf-8")
TALKS = "".join(re.findall(r"^```console\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
COMMANDS = re.findall(r"^\$ chatbots (.*)\n((?:(?!\$ ).*\n)*)", TALKS, re.MULTILINE)
PROGRAMS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def multiplying(fake: FakeOpenAIThread, a: int, b: int, said: str) -> None:
    fake.answer(tool_calls=[("multiply", {"a": a, "b": b})])
    fake.answer(said)


def test_its_commands_print_what_it_says(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    with FakeOpenAIThread(models=[Settings().openai_realtime_model]) as fake:
        monkeypatch.setenv("OPENAI_BASE_URL", fake.base_url)
        fake.answer("Hello Ada.")
        fake.answer("Your name is Ada.")
        multiplying(fake, 123456789, 987654321, "It is 121932631112635269.")
        assert len(COMMANDS) == TALKS.count("$ ") == 4
        for command, said in COMMANDS:
            failed = "chatbots: error: " in said
            assert main(shlex.split(command)) == (1 if failed else 0), command
            out, err = capsys.readouterr()
            shown = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:8000", err + out)
            assert shown == said, command


@pytest.mark.parametrize("program", PROGRAMS)
def test_its_programs_run(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    fake_openai: FakeOpenAIThread,
    program: str,
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", fake_openai.base_url)
    code = compile(program, "realtime.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)

    async def run() -> None:
        work: Any = eval(code, {})  # noqa: S307 - the page is ours
        assert inspect.iscoroutine(work)
        await work

    if "tools" in program:
        multiplying(fake_openai, 6, 7, "It is 42.")
    else:
        fake_openai.answer("Hello Ada.")
        fake_openai.answer("It is Ada.")
    anyio.run(run)
    assert capsys.readouterr().out in ("It is 42.", "It is Ada.")


def test_every_setting_and_link_there_is_exists() -> None:
    named = set(re.findall(r"`((?:OPENAI|AZURE|ASSISTANT)_[A-Z_]+)", PAGE))
    assert {name.lower() for name in named} <= set(Settings.model_fields)
    links = re.findall(r"\]\(([^)#]+)\)", PAGE)
    assert [link for link in links if not (ROOT / "docs" / link).exists()] == []
