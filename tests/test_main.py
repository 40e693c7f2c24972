"""`python -m chatbots` is the console script."""

from __future__ import annotations

import runpy
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from chatbots.cli.main import main
from chatbots.version import VERSION

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / "chatbots" / "__main__.py"


def test_it_is_the_console_script(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["chatbots", "--version"])
    with pytest.raises(SystemExit) as caught:
        runpy.run_path(str(SCRIPT), run_name="__main__")
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"chatbots {VERSION}\n"


def test_importing_it_runs_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(SCRIPT))
    assert capsys.readouterr() == ("", "")


def test_its_status_is_the_programs() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "chatbots", "steam"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "there is no program 'steam'" in done.stderr


def test_the_installed_script_is_the_same_function() -> None:
    scripts = entry_points(group="console_scripts", name="chatbots")
    assert all(script.load() is main for script in scripts)
