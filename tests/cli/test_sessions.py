"""`sessions` as a person runs it."""

from __future__ import annotations

import pytest

from chatbots.cli.sessions import ACTIONS, parse
from tests.cli.conftest import Runner
from tests.cli.running import Upstream, run_as_main


def refused(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    with pytest.raises(SystemExit) as caught:
        parse(argv)
    assert caught.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("action", ACTIONS)
def test_every_action_says_what_it_is_for(action: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse([action, "--help"])
    assert caught.value.code == 0
    assert ACTIONS[action] in capsys.readouterr().out


@pytest.mark.parametrize("number", ["0", "-1", "1.5", "٣", "9" * 20, "all"])
def test_a_count_is_a_whole_number(capsys: pytest.CaptureFixture[str], number: str) -> None:
    assert f"{number!r} is not a whole number above 0" in refused(
        capsys, "list", f"--limit={number}"
    )


def test_what_is_missing_or_unknown_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert "required: ACTION" in refused(capsys)
    assert "invalid choice: 'lst'" in refused(capsys, "lst")
    assert "required: NAME" in refused(capsys, "show")
    assert "invalid choice: 'pdf'" in refused(capsys, "export", "ada", "--format", "pdf")


def test_a_name_may_begin_with_a_dash() -> None:
    assert parse(["show", "--", "--json"]).name == "--json"


@pytest.mark.checklist(201)
def test_what_was_said_can_be_looked_after(upstream: Upstream, run: Runner) -> None:
    upstream.answer("Hello Ada.")
    run("memory", "--session", "ada", "--prompt", "I am Ada.")
    assert "> I am Ada.\nHello Ada.\n" in run("sessions", "show", "ada").out
    assert run("sessions", "fork", "ada", "eve") == (0, "eve\n", "")
    assert run("sessions", "delete", "ada", "--yes") == (0, "", "")
    ran = run("sessions", "show", "ada")
    assert (ran.status, ran.out) == (1, "")
    assert ran.err == (
        "chatbots: error: There is no session 'ada'. "
        "`chatbots sessions list` shows those there are.\n"
    )
    assert [line.split()[0] for line in run("sessions", "list").out.splitlines()] == ["eve"]


@pytest.mark.checklist(201)
def test_an_export_comes_back_to_the_byte(upstream: Upstream, run: Runner) -> None:
    for said in ("I am Ada.", "\x1b```\r\n# 🙂"):
        run("memory", "--session", "../a\nb", "--prompt", said)
    exported = run("sessions", "export", "../a\nb").out
    run("sessions", "delete", "../a\nb", "--yes")
    ran = run("sessions", "import", "-", given=exported.encode())
    assert (ran.status, ran.err) == (0, "chatbots: ../a\\nb is here, turns: 2.\n")
    assert run("sessions", "export", "../a\nb").out == exported


def test_it_can_be_run_as_a_module(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_as_main(monkeypatch, "chatbots.cli.sessions", "list") == 0
    assert capsys.readouterr() == ("", "chatbots: No conversation is kept yet.\n")
