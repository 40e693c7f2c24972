"""Every fault of a realtime socket, through a session: `python -m tests.faults realtime`."""

from __future__ import annotations

import pytest

from chatbots.testing.realtime.faults import FAULTS
from tests.faults.__main__ import main
from tests.faults.realtime import BREAKS, EXPECTED


def test_every_fault_of_the_fake_server_has_its_row() -> None:
    assert {name.partition(":")[0] for name in EXPECTED} == {*FAULTS}


def test_faults_of_each_kind_end_as_the_table_says(capsys: pytest.CaptureFixture[str]) -> None:
    kinds = (
        *("hs-401", "hs-503", "close-1001", "close-1008", "close-midresponse", "invalid-json"),
        *("out-of-order", "resp-incomplete", "resp-failed-rate", "dup-done", "tool-split"),
    )
    assert main(["realtime", *kinds]) == 0, capsys.readouterr().out


@pytest.mark.slow
def test_every_fault_ends_as_the_table_says(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["realtime"]) == 0, capsys.readouterr().out
    totals = "other ends 0, raw exceptions 0, past the deadline 0, leaks 0"
    assert capsys.readouterr().out.endswith(f"realtime faults tried {len(EXPECTED)}, {totals}\n")


@pytest.mark.parametrize(
    ("guard", "column"),
    [
        ("error-map", "raw exceptions 2"),
        ("reconnect", "other ends 2"),
        ("event-ids", "other ends 1"),
        pytest.param("deadlines", "past the deadline 2", marks=pytest.mark.slow),
        ("replay", "other ends 1"),
        ("policy", "other ends 1"),
    ],
)
def test_without_a_guard_the_table_says_so(
    guard: str, column: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert guard in BREAKS
    for _ in range(3):  # where the machine stands still, something else goes wrong as well
        assert main(["realtime", "--break", guard]) == 1
        if column in (table := capsys.readouterr().out):
            break
    assert column in table
