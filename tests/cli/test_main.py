from __future__ import annotations

import sys

import pytest

from chatbots.cli.main import PROGRAMS, main
from chatbots.version import VERSION
from tests.cli.running import run_as_main


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_lists_the_programs(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([flag]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert all(f"  {name} " in said.out for name in PROGRAMS)


def test_the_version_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr() == (f"chatbots {VERSION}\n", "")


@pytest.mark.parametrize(
    ("argv", "said"),
    [([], "name a program"), (["steam"], "no program 'steam'"), (["--json"], "program '--json'")],
)
def test_wrong_usage_is_status_2(
    argv: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert said in shown.err
    known = (
        "nomem, memory, stream, realtime, voice, serve, explain, sessions, models, tools, tokens"
    )
    assert known in shown.err


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_gets_the_rest_of_the_words(
    program: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main([program, "--help"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: chatbots {program}")


def test_the_process_s_own_words_are_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["chatbots", "--version"])
    assert main() == 0
    assert VERSION in capsys.readouterr().out


def test_it_can_be_run_as_a_module(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_as_main(monkeypatch, "chatbots.cli.main", "--version") == 0
    assert VERSION in capsys.readouterr().out
