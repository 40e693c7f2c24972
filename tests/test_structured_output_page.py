"""The program and the command on the page about structured output do what it says there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from chatbots.testing.threaded import FakeOpenAIThread
from tests.pages import Program

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "structured-output.md").read_text("utf-8")
REX = '{"name": "Rex", "age": 3}'


def block(language: str) -> str:
    [found] = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


def run(*command: str, fake: FakeOpenAIThread) -> str:
    where = os.environ | {"OPENAI_BASE_URL": fake.base_url, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, *command], env=where, cwd=ROOT, capture_output=True, text=True, timeout=90
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_program_prints_the_value(run_program: Program, fake_openai: FakeOpenAIThread) -> None:
    fake_openai.answer(REX)
    assert run_program(block("python")) == "Rex 4\n"


def test_the_program_says_when_there_is_none(
    run_program: Program, fake_openai: FakeOpenAIThread
) -> None:
    fake_openai.answer("I would rather not.", refusal=True)
    assert run_program(block("python")) == "There is no pet: refusal I would rather not.\n"


def test_the_command_prints_the_json(fake_openai: FakeOpenAIThread, tmp_path: Path) -> None:
    schema = tmp_path / "pet.json"
    schema.write_text('{"type": "object", "required": ["name"]}')
    fake_openai.answer(REX)
    words = [word.strip('"') for word in re.findall(r'"[^"]*"|\S+', block("sh"))]
    words[words.index("pet.json")] = str(schema)
    assert run(*words[1:], fake=fake_openai) == f"{REX}\n"


def test_every_code_on_the_page_exists() -> None:
    errors = (ROOT / "docs" / "errors.md").read_text("utf-8")
    for code in ("output_invalid", "invalid_request"):
        assert f"`{code}`" in PAGE
        assert f"| `{code}` |" in errors
