"""The commands of a contributor: each is listed, each that a page names exists."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TARGETS = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a command as from a shell, not as from the make that may be running these tests."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    return subprocess.run(command, cwd=ROOT, env=clean, capture_output=True, text=True, timeout=90)


def test_make_alone_lists_the_targets() -> None:
    done = run("make")
    listed = [line.split()[0] for line in done.stdout.splitlines()]
    assert set(TARGETS) - set(listed) == {"weights"}, done.stderr


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_is_no_file(target: str) -> None:
    """A file of that name would silence the target."""
    phony = re.search(r"^\.PHONY:((?:.*\\\n)*.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony
    assert target in phony.group(1).replace("\\\n", " ").split()


@pytest.mark.checklist(171)
@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", ".ci/run"])
def test_a_page_names_only_targets_that_exist(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    command = re.compile(r"(?:^|`|\$ |step )make (?:--no-print-directory )?([a-z-]+)", re.MULTILINE)
    named = command.findall(text)
    assert named
    assert set(named) <= set(TARGETS)


def test_a_machine_without_python_is_told_what_to_do(tmp_path: Path) -> None:
    done = run("make", "install", "PYTHON=no-such-python", f"VENV={tmp_path / 'venv'}")
    assert done.returncode == 2
    assert "No usable Python: 3.11 or newer is needed" in done.stderr
    assert "apt install python3 python3-venv" in done.stderr


@pytest.mark.slow
def test_a_failing_install_shows_its_log(tmp_path: Path) -> None:
    """An archive with another hash than the one written down is refused."""
    archive = tmp_path / "thing-1.0-py3-none-any.whl"
    archive.write_bytes(b"not what was pinned")
    requirements = tmp_path / "requirements.txt"
    requirements.write_text(f"thing @ file://{archive} --hash=sha256:{'0' * 64}\n", "utf-8")
    stamp = tmp_path / "stamp"
    done = run("packaging/install.sh", str(tmp_path / "venv"), str(requirements), str(stamp))
    assert done.returncode == 1
    assert "DO NOT MATCH THE HASHES" in done.stderr
    assert "Installing failed at: " in done.stderr
    assert not stamp.exists()
