"""The page about stores: its store goes through the suite, and what it shows is what happens."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatbots.testing.earned import PROMISES, earned
from tests.test_readme import ROOT

PAGE = (ROOT / "docs" / "stores.md").read_text("utf-8")


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    code = PAGE.partition("<!-- the store -->\n```python\n")[2].partition("```")[0]
    (tmp_path / "json_lines.py").write_text(code, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{ROOT}")
    yield code
    sys.modules.pop("json_lines", None)


def test_the_store_of_the_page_is_short_and_earns_every_promise(example: str) -> None:
    assert len(example.splitlines()) <= 60
    found = earned("json_lines:store")
    assert not [why for why in found.values() if why]
    assert len(found) == 10


def test_the_page_shows_what_the_program_prints() -> None:
    shown = PAGE.partition("store sqlite\n")[2].partition("...")[0].splitlines()
    assert shown == [f"{name:30}earned" for name in list(PROMISES)[:2]]
