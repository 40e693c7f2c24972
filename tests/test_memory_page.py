"""The programs and the tables on the page about the past are what the code says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench import tokens
from chatbots.settings import Settings
from chatbots.testing.threaded import FakeOpenAIThread
from tests.pages import Program

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "memory.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def run(*command: str, fake: FakeOpenAIThread, folder: Path) -> str:
    where = os.environ | {"OPENAI_BASE_URL": fake.base_url, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, env=where, cwd=folder, capture_output=True, text=True, timeout=90
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_errors_of_the_estimates_are_those_that_were_measured() -> None:
    assert "\n".join(tokens.table()) in PAGE


def test_every_setting_it_names_exists() -> None:
    named = set(re.findall(r"`((?:CHATBOTS|OPENAI)_[A-Z_]+)", PAGE))
    assert len(named) > 3
    assert {name.lower() for name in named} <= set(Settings.model_fields)


def test_what_is_pinned_is_in_sight(run_program: Program, fake_openai: FakeOpenAIThread) -> None:
    fake_openai.answer("I see.")
    said, counted = run_program(blocks("python")[0]).splitlines()
    assert said == "['I am allergic to nuts.', 'I see.', 'What can I eat?']"
    assert re.fullmatch(r"\d+ tokens of 922000", counted)


def test_the_command_asks_nobody(fake_openai: FakeOpenAIThread, tmp_path: Path) -> None:
    [line] = blocks("sh")
    shell = f'chatbots() {{ "{sys.executable}" -m chatbots "$@"; }}; {line}'
    out = run("bash", "-c", shell, fake=fake_openai, folder=tmp_path)
    assert out.endswith("\n\nuser: What can I eat?\n")
    assert not fake_openai.calls


def test_an_applications_tokenizer_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def encode(text: str, *, disallowed_special: tuple[str, ...]) -> list[int]:
        return [1] * len(text)

    stand_in = SimpleNamespace(get_encoding=lambda name: SimpleNamespace(encode=encode))
    monkeypatch.setitem(sys.modules, "tiktoken", stand_in)
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    names: dict[str, object] = {}
    exec(blocks("python")[1], names)  # noqa: S102 (it is the page's)
    assert vars(names["bots"])["_window"].count("four") == 4
