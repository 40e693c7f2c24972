from __future__ import annotations

import pytest

from chatbots.testing import earned
from chatbots.testing.store_durable import P1AcceptedIsDurable
from chatbots.testing.store_keeping import KeepsMarks


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try two promises: all of them are tried for the page of stores."""
    few = {"P1": (P1AcceptedIsDurable,), "marks": (KeepsMarks,)}
    monkeypatch.setattr(earned, "PROMISES", few)


def test_what_a_store_earns_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert earned.main(["sqlite"]) == 0
    assert capsys.readouterr().out.split() == ["P1", "earned", "marks", "earned"]


def test_what_it_does_not_earn_is_printed_with_why(capsys: pytest.CaptureFixture[str]) -> None:
    assert earned.main(["memory"]) == 1
    lost, kept = capsys.readouterr().out.splitlines()
    assert lost.split(maxsplit=1)[1].startswith("not earned: the")
    assert kept.split() == ["marks", "earned"]


@pytest.mark.parametrize("arguments", [[], ["redis"], ["memory", "sqlite"]])
def test_without_a_store_it_says_how_it_is_used(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert earned.main(arguments) == 2
    assert "python -m chatbots.testing store" in capsys.readouterr().out
