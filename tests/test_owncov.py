"""The measure of each module by its own test file alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

# Each runs pytest on a project of its own.
pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent

SETTINGS = """
[tool.pytest.ini_options]
pythonpath = ["."]
markers = ["weights: needs weights"]

[tool.coverage.run]
branch = true
source = ["chatbots"]
parallel = true

[[tool.importlinter.contracts]]
name = "Pure modules do no input or output"
source_modules = ["chatbots.pure"]
"""

SIGN = """
def sign(number):
    word = "not negative"
    if number < 0:
        word = "negative"
    return word
"""

BOTH = "from chatbots.{0} import sign\ndef test_it(): assert sign(1) != sign(-1)\n"
ONE = "from chatbots.{0} import sign\ndef test_it(): assert sign(-1) == 'negative'\n"
NONE = "def test_it(): pass\n"
RED = "from chatbots.{0} import sign\ndef test_it(): assert sign(1) == 'negative'\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for folder in ("packaging", "chatbots/room", "tests/room"):
        (tmp_path / folder).mkdir(parents=True)
    program = (ROOT / "packaging" / "owncov.py").read_text("utf-8")
    (tmp_path / "packaging" / "owncov.py").write_text(program, "utf-8")
    (tmp_path / "pyproject.toml").write_text(SETTINGS, "utf-8")
    for package in ("chatbots", "chatbots/room"):
        (tmp_path / package / "__init__.py").write_text("", "utf-8")
    for module in ("pure", "room/any"):
        (tmp_path / "chatbots" / f"{module}.py").write_text(SIGN, "utf-8")
    return tmp_path


def owncov(checkout: Path, *, pure: str, room: str) -> subprocess.CompletedProcess[str]:
    for test, source in (("test_pure.py", pure), ("room/test_any.py", room)):
        module = "pure" if test == "test_pure.py" else "room.any"
        if source:
            (checkout / "tests" / test).write_text(source.format(module), "utf-8")
    return subprocess.run(
        [sys.executable, "packaging/owncov.py"],
        cwd=checkout,
        capture_output=True,
        text=True,
        timeout=50,
    )


def test_covered_modules_pass(checkout: Path) -> None:
    done = owncov(checkout, pure=BOTH, room=ONE)
    assert done.returncode == 0, done.stdout
    assert "2 modules are covered by their own test, 0 are not" in done.stdout


def test_a_pure_module_needs_every_branch(checkout: Path) -> None:
    done = owncov(checkout, pure=ONE, room=BOTH)
    assert done.returncode == 1
    assert "chatbots/pure.py is pure and misses branches 4->6" in done.stdout


def test_a_module_needs_its_lines_covered(checkout: Path) -> None:
    done = owncov(checkout, pure=BOTH, room="import chatbots.room.any\n" + NONE)
    assert done.returncode == 1
    assert "chatbots/room/any.py misses lines [3, 4, 5, 6]" in done.stdout


@pytest.mark.checklist(133)
def test_a_module_needs_a_test_file(checkout: Path) -> None:
    done = owncov(checkout, pure=BOTH, room="")
    assert done.returncode == 1
    assert "chatbots/room/any.py has no tests/room/test_any.py" in done.stdout


def test_a_test_file_must_import_its_module(checkout: Path) -> None:
    done = owncov(checkout, pure=BOTH, room=NONE)
    assert done.returncode == 1
    assert "FAIL" in done.stdout


def test_a_failing_test_covers_nothing(checkout: Path) -> None:
    done = owncov(checkout, pure=BOTH, room=RED)
    assert done.returncode == 1
    assert "tests/room/test_any.py failed:" in done.stdout


def test_what_falls_short_once_is_measured_again(checkout: Path) -> None:
    once = "\nfrom pathlib import Path\nif not Path('tried').exists():\n    Path('tried').touch()"
    done = owncov(checkout, pure=BOTH, room=BOTH + once + "\n    test_it = None")
    assert done.returncode == 0, done.stdout
    assert "Once more, one after the other:" in done.stdout
    assert "2 modules are covered by their own test, 0 are not" in done.stdout
