"""Programs that stand on a page or in `examples/`, run in this process."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

from chatbots.testing.threaded import FakeOpenAIThread


class Program:
    """Runs programs as `python FILE` does, but with what is imported here already."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        fake: FakeOpenAIThread,
        folder: Path,
    ) -> None:
        self._capsys, self._folder = capsys, folder
        self._patch = monkeypatch
        monkeypatch.chdir(folder)
        monkeypatch.setenv("OPENAI_BASE_URL", fake.base_url)

    def __call__(self, code: str | Path, *arguments: str) -> str:
        """Run a text or a file; return what it prints. A word on standard error is a failure."""
        path = code if isinstance(code, Path) else self._folder / "program.py"
        if isinstance(code, str):
            path.write_text(code, "utf-8")
        self._capsys.readouterr()
        with self._patch.context() as patch:
            patch.setattr(sys, "argv", [str(path), *arguments])
            runpy.run_path(str(path), run_name="__main__")
        said = self._capsys.readouterr()
        assert said.err == ""
        return said.out
