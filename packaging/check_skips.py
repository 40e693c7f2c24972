"""Run pytest, and fail when a test was skipped that `tests/skips.txt` does not list.

python packaging/check_skips.py [--again] [pytest's own arguments]

A skipped test looks like a passing one in the last line of a run, so each needs a reason
that somebody wrote down: one `test-id-or-pattern | reason` a line.

With --again, a few failed tests are run once more, without others beside them, and named:
on a machine that stood still for a moment they pass, and what is broken fails again.
"""

from __future__ import annotations

import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

import pytest

LIST = Path(__file__).parent.parent / "tests" / "skips.txt"
AGAIN = "--again"
FEW = 10
"""Failed tests that are run again; more are no accident."""


class Allowed(NamedTuple):
    """A line of the list: which tests may be skipped, and why."""

    pattern: str
    reason: str

    def covers(self, test_id: str) -> bool:
        """Tell whether *test_id* is meant, as it is (ids hold brackets) or as a pattern."""
        return test_id == self.pattern or fnmatchcase(test_id, self.pattern)


def read_list(text: str) -> list[Allowed]:
    """Read the list's lines; a line without a reason raises ValueError."""
    allowed: list[Allowed] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        pattern, _, reason = (part.strip() for part in line.partition(" | "))
        if not pattern or not reason:
            raise ValueError(f"Line {number} of the list of skips has no reason: {line!r}.")
        allowed.append(Allowed(pattern, reason))
    return allowed


class SkipGate:
    """A pytest plugin that gathers the skips of a run and judges them at its end."""

    def __init__(self, allowed: list[Allowed]) -> None:
        self._allowed = allowed
        self.unlisted: dict[str, str] = {}
        """Why each test that no line covers was skipped."""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a skipped test; an expected failure is not a skip."""
        if report.skipped and not hasattr(report, "wasxfail"):
            self._note(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a file that skipped itself as a whole."""
        if report.skipped:
            self._note(report)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Turn an otherwise green run into a failed one."""
        if self.unlisted and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Name every unlisted skip, with what the test said."""
        if not self.unlisted:
            return
        terminalreporter.section("skips that tests/skips.txt does not list", red=True)
        for test_id, reason in sorted(self.unlisted.items()):
            terminalreporter.line(f"{test_id} | {reason}")

    def _note(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if not any(entry.covers(report.nodeid) for entry in self._allowed):
            said = report.longrepr
            reason = said[2] if isinstance(said, tuple) else str(said)
            self.unlisted[report.nodeid] = reason.removeprefix("Skipped: ")


class Failures:
    """A pytest plugin that gathers the failed tests of a run."""

    def __init__(self) -> None:
        self.ids: dict[str, None] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a failed test, once, though its teardown may fail too."""
        if report.failed:
            self.ids[report.nodeid] = None


def run_again(arguments: list[str], failed: list[str]) -> int:
    """Run the *failed* tests in a new process, one after the other; return its exit status."""
    options = [argument for argument in arguments if not Path(argument.partition("::")[0]).exists()]
    print(f"\n{len(failed)} failed. Once more, alone:", *failed, sep="\n  ", flush=True)
    warnings = [f"-W{option}" for option in sys.warnoptions]
    command = [sys.executable, *warnings, __file__, *options, "-n", "0", *failed]
    status = subprocess.run(command, check=False).returncode
    if not status:
        print("\nPassed only when they ran alone:", *failed, sep="\n  ", flush=True)
    return status


def main(arguments: list[str]) -> int:
    """Run pytest with the gate; return its exit status."""
    ours = [argument for argument in arguments if argument != AGAIN]
    failures = Failures()
    gate = SkipGate(read_list(LIST.read_text("utf-8")))
    status = pytest.main(ours, plugins=[gate, failures])
    failed = list(failures.ids)
    if AGAIN in arguments and 0 < len(failed) <= FEW and not gate.unlisted:
        return run_again(ours, failed)
    return status


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
