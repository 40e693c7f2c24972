"""Run pytest, and fail when a test was skipped that `tests/skips.txt` does not list.

python packaging/check_skips.py [pytest's own arguments]

A skipped test looks like a passing one in the last line of a run, so each needs a reason
that somebody wrote down: one `test-id-or-pattern | reason` a line.
"""

from __future__ import annotations

import sys
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

import pytest

LIST = Path(__file__).parent.parent / "tests" / "skips.txt"


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
        self._unlisted: dict[str, str] = {}

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
        if self._unlisted and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Name every unlisted skip, with what the test said."""
        if not self._unlisted:
            return
        terminalreporter.section("skips that tests/skips.txt does not list", red=True)
        for test_id, reason in sorted(self._unlisted.items()):
            terminalreporter.line(f"{test_id} | {reason}")

    def _note(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if not any(entry.covers(report.nodeid) for entry in self._allowed):
            said = report.longrepr
            reason = said[2] if isinstance(said, tuple) else str(said)
            self._unlisted[report.nodeid] = reason.removeprefix("Skipped: ")


def main(arguments: list[str]) -> int:
    """Run pytest with the gate; return its exit status."""
    return pytest.main(arguments, plugins=[SkipGate(read_list(LIST.read_text("utf-8")))])


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
