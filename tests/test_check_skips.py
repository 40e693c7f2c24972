"""The gate that lets no test be skipped without a written reason."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

# Each runs pytest on a project of its own.
pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent

TESTS = """
import pytest
def test_passes(): pass
@pytest.mark.skip(reason="no reason that anybody listed")
def test_skips(): pass
@pytest.mark.xfail
def test_fails_as_expected(): assert False
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Make the smallest project that has the gate and a list of skips."""
    (tmp_path / "packaging").mkdir()
    program = (ROOT / "packaging" / "check_skips.py").read_text("utf-8")
    (tmp_path / "packaging" / "check_skips.py").write_text(program, "utf-8")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_it.py").write_text(TESTS, "utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\n", "utf-8")
    return tmp_path


def gate(checkout: Path, listed: str, *options: str) -> subprocess.CompletedProcess[str]:
    (checkout / "tests" / "skips.txt").write_text(listed, "utf-8")
    command = [sys.executable, "packaging/check_skips.py", "-p", "no:cacheprovider", *options]
    return subprocess.run(
        [*command, "tests"], cwd=checkout, capture_output=True, text=True, timeout=90
    )


@pytest.mark.parametrize("options", [[], ["-n", "2"]], ids=["one process", "two workers"])
def test_an_unlisted_skip_fails_the_run(checkout: Path, options: list[str]) -> None:
    done = gate(checkout, "# nothing\n", *options)
    assert done.returncode == 1
    assert "tests/test_it.py::test_skips | no reason that anybody listed" in done.stdout


@pytest.mark.parametrize("pattern", ["tests/test_it.py::test_skips", "tests/test_it.py::*"])
def test_a_listed_skip_passes(checkout: Path, pattern: str) -> None:
    done = gate(checkout, f"{pattern} | it cannot run anywhere\n")
    assert done.returncode == 0, done.stdout
    assert "1 passed, 1 skipped, 1 xfailed" in done.stdout


def test_a_file_that_skips_itself_needs_a_line_too(checkout: Path) -> None:
    whole = "import pytest\npytest.importorskip('no_such_module')\n"
    (checkout / "tests" / "test_whole.py").write_text(whole, "utf-8")
    done = gate(checkout, "tests/test_it.py::test_skips | it cannot run anywhere\n")
    assert done.returncode == 1
    assert "tests/test_whole.py | could not import" in done.stdout


def test_a_line_without_a_reason_is_refused(checkout: Path) -> None:
    done = gate(checkout, "tests/test_it.py::test_skips\n")
    assert done.returncode == 1
    assert "Line 1 of the list of skips has no reason" in done.stderr


def test_a_failing_run_stays_failing(checkout: Path) -> None:
    (checkout / "tests" / "test_red.py").write_text("def test_red(): assert 0\n", "utf-8")
    assert gate(checkout, "tests/test_it.py::test_skips | listed\n").returncode == 1


FLAKY = """
from pathlib import Path
def test_flaky():
    tried = Path("tried")
    assert tried.exists() or tried.write_text("once") == 0
def test_other(): Path("others").open("a").write("x")
"""


@pytest.mark.parametrize("options", [[], ["-n", "2"]], ids=["one process", "two workers"])
def test_a_test_that_fails_beside_others_may_pass_alone_and_is_named(
    checkout: Path, options: list[str]
) -> None:
    (checkout / "tests" / "test_flaky.py").write_text(FLAKY, "utf-8")
    done = gate(checkout, "tests/test_it.py::test_skips | listed\n", "--again", *options)
    assert done.returncode == 0, done.stdout
    assert "Passed only when they ran alone:\n  tests/test_flaky.py::test_flaky" in done.stdout
    assert (checkout / "others").read_text() == "x"  # what passed is not run again


def test_what_fails_again_fails_the_run(checkout: Path) -> None:
    (checkout / "tests" / "test_red.py").write_text("def test_red(): assert 0\n", "utf-8")
    done = gate(checkout, "tests/test_it.py::test_skips | listed\n", "--again")
    assert done.returncode == 1
    assert "Passed only" not in done.stdout
    assert gate(checkout, "# nothing\n", "--again").returncode == 1


def test_the_projects_own_list_can_be_read() -> None:
    lines = (ROOT / "tests" / "skips.txt").read_text("utf-8").splitlines()
    assert all(line.startswith("#") or " | " in line for line in lines)
