from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable

import pytest

from chatbots.cli.outcome import (
    FAILED,
    INTERRUPTED,
    OK,
    READER_LEFT,
    complain,
    guarded,
    say,
    tell,
)
from chatbots.errors import ChatError, ConfigurationError, ProviderError, TurnCancelled
from tests.cli.running import ended, process, shell

CANARY = "canary-4711-canary"


def raising(error: BaseException) -> Callable[[], int]:
    def program() -> int:
        raise error

    return program


# Exit statuses


@pytest.mark.parametrize("status", [OK, FAILED])
def test_a_programs_status_is_passed_on(status: int) -> None:
    assert guarded(lambda: status) == status


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ProviderError("upstream_auth", "The key is refused.", hint="Check it."), FAILED),
        (ConfigurationError("not_configured", "The key is refused.", hint="Check it."), FAILED),
        (TurnCancelled("cancelled", "The key is refused.", hint="Check it."), INTERRUPTED),
    ],
)
def test_an_expected_error_is_one_line(
    error: ChatError, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert guarded(raising(error)) == status
    assert capsys.readouterr() == ("", "chatbots: error: The key is refused. Check it.\n")


def test_ctrl_c_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(raising(KeyboardInterrupt())) == INTERRUPTED
    assert capsys.readouterr() == ("", "")


def test_a_bug_is_one_line_that_says_how_to_see_more(capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(raising(LookupError("no\nsuch thing"))) == FAILED
    said = "chatbots: error: LookupError: no such thing (a bug; --debug shows where)\n"
    assert capsys.readouterr() == ("", said)


@pytest.mark.parametrize("error", [LookupError("no"), ProviderError("upstream_error", "no")])
def test_debug_shows_where(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(raising(error), debug=True) == FAILED
    said = capsys.readouterr().err
    assert said.startswith("Traceback")
    assert "in program" in said
    assert said.splitlines()[-1].startswith("chatbots: error: ")
    assert "--debug" not in said


def test_wrong_usage_ends_the_program_itself() -> None:
    with pytest.raises(SystemExit):
        guarded(raising(SystemExit(2)))


# Secrets


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("error", [LookupError, lambda said: ProviderError("upstream_auth", said)])
def test_a_secret_is_never_shown(
    debug: bool, error: Callable[[str], Exception], capsys: pytest.CaptureFixture[str]
) -> None:
    secrets: list[str] = []

    def program() -> int:
        secrets.append(CANARY)
        raise error(f"{CANARY} and Bearer {CANARY}") from ValueError(CANARY)

    assert guarded(program, debug=debug, secrets=secrets) == FAILED
    said = capsys.readouterr().err
    assert "[redacted]" in said
    assert CANARY not in said


def test_a_remark_has_no_key_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    tell("asking http://ada:hunter22@host/ with sk-0123456789")
    said = capsys.readouterr().err
    assert "hunter22" not in said
    assert "0123456789" not in said


# Remarks


def test_a_remark_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    tell("one\n  two\tthree \x1b[2J\x07")
    assert capsys.readouterr().err == "chatbots: one two three [2J\n"


def test_a_complaint_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    complain(ProviderError("upstream_auth", "The key is refused.", hint="Check it."))
    assert capsys.readouterr().err == "chatbots: error: The key is refused. Check it.\n"


def test_a_remark_nobody_reads_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    source, sink = os.pipe()
    os.close(source)
    with os.fdopen(sink, "w") as stderr:
        monkeypatch.setattr(sys, "stderr", stderr)
        tell("Hello")
        monkeypatch.undo()
        with pytest.raises(BrokenPipeError):
            stderr.flush()
        os.dup2(os.open(os.devnull, os.O_WRONLY), stderr.fileno())


# Standard streams


def test_a_reader_who_leaves_ends_the_program_quietly(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source, sink = os.pipe()
    os.close(source)
    with os.fdopen(sink, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)

        def program() -> int:
            say("Hello")
            return OK

        assert guarded(program) == READER_LEFT
        monkeypatch.undo()
    assert capsys.readouterr() == ("", "")


def test_closed_streams_are_replaced_before_a_socket_takes_their_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    monkeypatch.setattr(sys, "stderr", None)

    def program() -> int:
        with sys.stdin, sys.stderr:
            tell("Hello")
            return len(sys.stdin.read())

    assert guarded(program) == OK


def test_nothing_is_asked_where_there_is_nowhere_to_write(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert guarded(raising(AssertionError("it was asked"))) == FAILED
    sys.stdout.close()
    monkeypatch.undo()
    assert capsys.readouterr().err.startswith("chatbots: error: Standard output is closed")


def test_output_in_memory_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert guarded(lambda: OK) == OK


@pytest.mark.parametrize(
    ("closed", "status"), [("<&-", 0), ("2>&-", 0), (">&-", 1), ("<&- >&- 2>&-", 1)]
)
def test_a_program_lives_without_a_stream(closed: str, status: int) -> None:
    ran = shell(f"chatbots models list {closed}")
    assert ran.status == status
    assert ("not here" in ran.out) is (">&-" not in closed.replace("2>&-", ""))
    assert ran.err.count("\n") == (closed == ">&-")


def test_a_reader_who_left_is_not_told_of() -> None:
    source, sink = os.pipe()
    os.close(source)
    with (
        os.fdopen(sink, "w") as stdout,
        process("-m", "chatbots", "models", "list", stdout=stdout) as child,
    ):
        assert ended(child) == (READER_LEFT, "", "")


def test_a_file_that_takes_no_more_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with os.fdopen(os.open("/dev/full", os.O_WRONLY), "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        assert guarded(lambda: say("Hello") or OK) == FAILED  # type: ignore[func-returns-value]  # a lambda
        monkeypatch.undo()
    assert "No space left on device" in capsys.readouterr().err


def test_a_full_disk_is_one_line() -> None:
    ran = shell("chatbots models list >/dev/full")
    assert ran.status == FAILED
    said = "chatbots: error: Standard output cannot be written: No space left on device. "
    assert ran.err == f"{said}Make room, or write it somewhere else.\n"
