"""Every fault of the fake server, through every bot and every program: `make faults` prints it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults.__main__ import main, named
from tests.faults.breaks import BREAKS
from tests.faults.expected import (
    COMPLETED,
    EXIT,
    HALF,
    QUOTED,
    TEXT,
    Outcome,
    Row,
    good,
    more_rows,
    rows,
)
from tests.faults.judging import COLUMNS, Tally, judge, line
from tests.faults.programs import variables
from tests.faults.trial import BOTS, PROGRAMS, Seen, Trial, trials
from tests.faults.trying import try_all
from tests.faults.upstream import CANARY, Upstream, upstream

ROOT = Path(__file__).parents[2]
AT_A_TERMINAL = (
    "401", "429-quota", "500", "midstream-reset", "midstream-stall", "finish-length", "html-200",
    "hang", "finish-missing", "refused",
)  # fmt: skip
"""What a user is likeliest to meet."""


@pytest.fixture(autouse=True)
def own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Run where there is neither `.env` nor `instructions.txt`."""
    monkeypatch.chdir(tmp_path)


def wrong_lines(chosen: list[Trial]) -> list[str]:
    """Try them, and return a line for each that is not as it should be.

    A machine that stands still makes any deadline come first: what goes wrong is tried thrice.
    """
    for _ in range(3):
        with upstream() as server:
            judged = [(trial, seen, judge(trial, seen)) for trial, seen in try_all(chosen, server)]
        assert len(judged) == len(chosen)
        if not (wrong := [one for one in judged if not one[-1].good]):
            break
        chosen = [trial for trial, _, _ in wrong]
    return [line(*one) for one in wrong]


def both_ways(chosen: list[Row], kind: str) -> list[Trial]:
    """Try each row streamed, and whole: through one of the two bots that ask for that."""
    whole = trials(chosen[::2], {kind: BOTS[:1]}) + trials(chosen[1::2], {kind: BOTS[1:2]})
    return [*trials(chosen, {kind: BOTS[2:]}), *whole]


def test_every_fault_ends_as_the_table_says_streamed_and_whole() -> None:
    assert wrong_lines(both_ways([*rows(), *more_rows()], "bot")) == []


@pytest.mark.slow
def test_every_fault_ends_as_the_table_says_through_every_bot() -> None:
    assert wrong_lines(trials([*rows(), *more_rows()], {"bot": BOTS})) == []


def test_every_fault_of_a_call_ends_as_the_table_says_where_tools_are_offered() -> None:
    calls = [row for row in (*rows(), *more_rows()) if row.offered is not None]
    assert wrong_lines(trials(calls, {"tools": BOTS})) == []


def test_an_applications_own_client_changes_nothing_of_it() -> None:
    ways = ("redirect", "redirect-loop", "smuggle", "bad-status-line", "gzip-bomb", "short-body")
    chosen = [row for row in (*rows(), *more_rows()) if row.name in (*ways, *QUOTED)]
    assert wrong_lines(both_ways(chosen, "sdk")) == []


@pytest.mark.slow
def test_every_fault_ends_as_the_table_says_with_an_applications_own_client() -> None:
    assert wrong_lines(trials([*rows(), *more_rows()], {"sdk": BOTS})) == []


def test_faults_of_each_kind_end_as_the_table_says_through_a_program() -> None:
    kinds = ("ok", "401", "429-quota", "500", "html-200", "midstream-reset", "finish-length")
    chosen = [row for row in rows() if row.name in kinds]
    assert len(chosen) == len(kinds)
    assert wrong_lines(trials(chosen, {"program": ("stream",)})) == []


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS)
def test_every_fault_ends_as_the_table_says_through_a_program(program: str) -> None:
    assert wrong_lines(trials(rows(), {"program": (program,)})) == []


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS)
def test_what_has_no_name_ends_as_the_table_says_through_a_program(program: str) -> None:
    assert wrong_lines(trials(more_rows(), {"program": (program,)})) == []


def test_a_program_keeps_the_key_to_itself() -> None:
    quoting = (row for row in more_rows() if row.name.startswith("quoted"))
    assert wrong_lines(trials(quoting, {"program": ("stream",)})) == []


AT_ONCE = {"redaction", "error-map"}
"""The guards tried in the fast suite; the others wait for deadlines, or for many faults."""


@pytest.mark.parametrize(
    "guard",
    [name if name in AT_ONCE else pytest.param(name, marks=pytest.mark.slow) for name in BREAKS],
)
def test_the_table_shows_that_a_guard_is_off(
    guard: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # What must come too late here need not come very late.
    monkeypatch.setattr("tests.faults.trial.LONG", 2.0)
    monkeypatch.setattr("tests.faults.trial.HUNG", 2.0)
    monkeypatch.setattr("tests.faults.judging.MARGIN", 1.0)
    column = BREAKS[guard].column
    for _ in range(3):  # on a machine that stands still, more may be late
        assert main(["--break", guard]) == 1
        summary = capsys.readouterr().out.splitlines()[-1]
        counted = dict(part.rsplit(" ", 1) for part in summary.split(", "))
        wrong = {column for column, count in counted.items() if column in COLUMNS and count != "0"}
        if wrong <= {column, "other ends"}:
            break
    assert column in wrong
    assert wrong <= {column, "other ends"}


def test_the_table_is_printed_with_its_summary(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ok", "401"]) == 0
    *lines, summary = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 * (2 * len(BOTS) + len(PROGRAMS))
    assert summary == (
        "faults tried 2 in 18 turns, typed outcomes 18, false completes 0, leaks 0, "
        "raw exceptions 0, past the deadline 0, other ends 0"
    )


OK = Trial("ok", "program", "stream", good())
FINE = Seen(COMPLETED, "stop", TEXT, 0.1, status=0, told=0, paths=("/v1/chat/completions",))


@pytest.mark.parametrize(
    ("seen", "complaint"),
    [
        (FINE._replace(state="failed", code="x"), "ends failed x, not completed stop"),
        (FINE._replace(text=HALF), "keeps 'One two three', not 'One two three four five six.'"),
        (FINE._replace(paths=()), "asks 0 times, not 1"),
        (FINE._replace(paths=("/elsewhere",)), "follows a redirect"),
        (FINE._replace(status=1), "exits with 1, not 0"),
        (FINE._replace(told=1), "says 1 times what is wrong"),
        (FINE._replace(leaks=("log",)), "the key is in its log"),
        (FINE._replace(raw="KeyError"), "KeyError came out"),
        (FINE._replace(seconds=60), "it is late"),
        (FINE._replace(text=""), "it counts as complete"),
    ],
)
def test_what_is_wrong_is_told_and_counted(seen: Seen, complaint: str) -> None:
    before, after = Tally(), Tally()
    before.add(OK, judge(OK, FINE))
    after.add(OK, judge(OK, seen))
    assert before.good
    assert not after.good
    assert complaint in line(OK, seen, judge(OK, seen))


def test_a_pause_that_is_not_kept_is_told() -> None:
    trial = Trial("429-s:0.2,ok", "program", "stream", good()._replace(requests=2))
    seen = FINE._replace(paths=FINE.paths * 2)
    assert judge(trial, seen).other == ("comes back after 0.10 s, not 0.2 s",)
    assert judge(trial, seen._replace(seconds=0.2)).good


def test_what_a_session_keeps_is_looked_at() -> None:
    trial = OK._replace(kind="bot", through="memory")
    assert judge(trial, FINE._replace(stored=(COMPLETED, TEXT))).good
    assert judge(trial, FINE).other == ("stores None",)


@pytest.fixture(scope="module")
def server() -> Iterator[Upstream]:
    with upstream() as serving:
        yield serving


@pytest.mark.slow
@pytest.mark.parametrize("row", named(AT_A_TERMINAL), ids=lambda row: row.fault)
def test_a_program_says_in_one_line_what_went_wrong(
    server: Upstream, row: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = Trial(row.fault, "process", "stream", row.stream)
    outcome: Outcome = row.stream
    with ExitStack() as stack:
        patch = stack.enter_context(monkeypatch.context())
        for name, text in variables(trial, server).items():
            patch.setenv(name, text)
        patch.delenv("LOG_LEVEL")
        done = subprocess.run(
            [sys.executable, "-m", "cmd.stream", "--prompt", trial.prompt],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=30,
        )
    assert done.returncode == EXIT[outcome.state]
    assert done.stdout.removesuffix("\n") == outcome.text
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("chatbots: ")
    assert "Traceback" not in done.stderr
    assert CANARY not in done.stdout + done.stderr
