"""Which benchmarks run, and where their raw numbers go."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import __main__ as program, hot
from bench.measure import Report


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Return what ran and what was drawn, in order; every benchmark is a stand-in."""
    happened: list[str] = []

    def stand_in(name: str) -> object:
        def report(*, smoke: bool) -> Report:
            happened.append(f"{name}{', briefly' if smoke else ''}")
            return Report(
                f"table of {name}",
                {"row": {"seconds": [1.0]}},
                {"llm": {"llm": "9", "openai": "8"}},
            )

        return report

    monkeypatch.setattr(program, "RESULTS", tmp_path)
    monkeypatch.setattr(program, "BENCHMARKS", {n: stand_in(n) for n in program.BENCHMARKS})
    monkeypatch.setattr("bench.chart.write", lambda: happened.append("drawn"))
    return happened


def test_without_a_name_everything_runs_and_is_kept_and_drawn(
    ran: list[str], tmp_path: Path
) -> None:
    program.main([])
    assert ran == [*program.BENCHMARKS, "drawn"]
    assert {path.stem for path in tmp_path.iterdir()} == set(program.BENCHMARKS)


def test_a_smoke_test_is_brief_and_keeps_nothing(ran: list[str], tmp_path: Path) -> None:
    program.main(["--smoke"])
    assert ran == [f"{name}, briefly" for name in program.SMOKE]
    assert not list(tmp_path.iterdir())


def test_single_tables_can_be_run(ran: list[str]) -> None:
    program.main(["capacity", "paced"])
    assert ran == ["capacity", "paced", "drawn"]


def test_hot_is_every_table_of_one_token(ran: list[str]) -> None:
    program.main(["hot"])
    assert ran == [*hot.FULL, "drawn"]


def test_a_name_that_does_not_exist_is_told(
    ran: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        program.main(["nope"])
    assert "There is no benchmark nope" in capsys.readouterr().err
    assert ran == []


def test_the_raw_numbers_say_what_they_were_measured_on(ran: list[str], tmp_path: Path) -> None:
    program.main(["start"])
    raw = json.loads((tmp_path / "start.json").read_text("utf-8"))
    assert raw["rows"] == {"row": {"seconds": [1.0]}}
    assert raw["machine"].startswith("Python ")
    assert raw["versions"] == {"llm": {"llm": "9", "openai": "8"}}


def test_tables_are_printed_and_versions_once(
    ran: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    program.main(["start", "capacity"])
    out = capsys.readouterr().out
    assert out.index("table of start") < out.index("table of capacity")
    assert out.count("  llm: llm 9, openai 8\n") == 1
