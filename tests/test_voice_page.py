"""The commands and programs on the page about voice do what it says there."""

from __future__ import annotations

import re
import shlex
import struct
from pathlib import Path

import pytest

from chatbots.cli.main import main
from chatbots.cli.voice import VoiceFlags
from chatbots.realtime.audio import RATE
from chatbots.realtime.wav import header
from chatbots.services.call import VoiceCall
from chatbots.settings import Settings
from chatbots.testing.threaded import FakeOpenAIThread
from tests.pages import Program

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "voice.md").read_text("utf-8")
TALK = "".join(re.findall(r"^```console\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
COMMANDS = re.findall(r"^\$ chatbots (.*)\n((?:(?!\$ ).*\n)*)", TALK, re.MULTILINE)
PROGRAMS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_its_commands_print_what_it_says(
    fake_openai: FakeOpenAIThread,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_BASE_URL", fake_openai.base_url)
    pcm = struct.pack("<h", 9000) * RATE
    Path("question.wav").write_bytes(header(RATE, len(pcm)) + pcm)
    fake_openai.hear("What is my name?")
    for answer in ("Hello Ada.", "Ada.", "A, D, A."):
        fake_openai.answer(answer)
    assert len(COMMANDS) == TALK.count("$ ") == 3
    for command, said in COMMANDS:
        assert main(shlex.split(command)) == 0
        out, err = capsys.readouterr()
        assert err + out == said, command
    assert Path("answer.wav").stat().st_size > 5000


def test_its_programs_run(run_program: Program, fake_openai: FakeOpenAIThread) -> None:
    history, call = PROGRAMS
    fake_openai.hear("Who is it?")
    fake_openai.answer("Ada.")
    assert run_program(call) == "> Who is it?\nAda.\n"
    assert run_program(history) == "Ada. None \n"


def test_every_flag_setting_and_method_that_it_names_exists() -> None:
    flags = set(re.findall(r"`--([a-z-]+)", PAGE)) - {"text", "session", "continue"}
    own = VoiceFlags.__annotations__.keys() | {"json", "model", "tools"}
    assert {flag.replace("-", "_") for flag in flags} <= own
    settings = set(re.findall(r"`(OPENAI_[A-Z_]+)`", PAGE))
    assert {name.lower() for name in settings} <= Settings.model_fields.keys()
    for name in re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE):
        for method in re.findall(r"`([a-z_]+)\(", name):
            assert hasattr(VoiceCall, method), method
