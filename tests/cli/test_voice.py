"""`voice` as a person runs it, with files for a microphone and a loudspeaker."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from chatbots.cli.voice import main
from chatbots.realtime.wav import WavReader
from tests.cli.conftest import Runner
from tests.cli.running import Upstream, run_as_main
from tests.terminal.sounding import SoundLibrary

MS_PER_CHAR = 50


def lasts(path: str) -> float:
    reader = WavReader()
    return len(reader.push(Path(path).read_bytes())) / 48  # ms


@pytest.fixture
def answer(tmp_path: Path) -> str:
    return str(tmp_path / "answer.wav")


@pytest.mark.checklist(123)
def test_a_written_question_is_answered_into_a_file(
    upstream: Upstream, run: Runner, answer: str
) -> None:
    upstream.answer("Hello there.")
    ran = run("voice", "--text", "Hi", "--output", answer, "--transcript")
    assert ran == (0, "> Hi\nHello there.\n", "")
    assert lasts(answer) == 12 * MS_PER_CHAR


@pytest.mark.checklist(27)
def test_the_voice_and_the_language_are_told(upstream: Upstream, run: Runner, answer: str) -> None:
    upstream.answer("Hallo.")
    flags = ["--voice", "brand-new", "--language", "de"]
    assert run("voice", "--text", "Hi", "--output", answer, *flags).status == 0
    told = upstream.talks[0].received[0]["session"]["audio"]
    assert told["output"]["voice"] == "brand-new"
    assert told["input"]["transcription"]["language"] == "de"


@pytest.mark.checklist(153)
def test_without_sound_devices_one_line_says_so_and_files_do(
    upstream: Upstream, run: Runner, answer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    ran = run("voice", "--text", "Hi")
    assert (ran.status, ran.err.count("\n")) == (1, 1)
    assert "[voice]'. Or use files in their place" in ran.err
    upstream.answer("Hello.")
    assert run("voice", "--text", "Hi", "--output", answer).status == 0


def test_devices_are_listed(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", SoundLibrary(24_000))
    assert run("voice", "--list-devices").out == "> 0 Headset, ALSA (1 in, 2 out)\n"


@pytest.mark.parametrize("pace", ["nan", "-1", "inf", "fast"])
def test_a_pace_that_is_none_is_wrong_usage(capsys: pytest.CaptureFixture[str], pace: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--text", "Hi", f"--pace={pace}"])
    assert f"{pace!r} is not a number from 0 to 100" in capsys.readouterr().err


def test_it_runs_as_a_module(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_as_main(monkeypatch, "cmd.voice", "--help") == 0
    assert run_as_main(monkeypatch, "chatbots.cli.voice", "--help") == 0
