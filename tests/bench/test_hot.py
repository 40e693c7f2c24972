"""The tables of what a token costs."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import hot
from bench.hot import FLOOR, OURS, SDK, Row
from bench.measure import Found

PACED = hot.FULL["paced"]


def found(
    cpu_us: float, *, tokens_s: float = 5000.0, cpu: float = 20.0, waited: float = 0.0
) -> Found:
    return {
        "cpu_us": [cpu_us, cpu_us + 1, cpu_us - 1],
        "cpu_percent": [cpu],
        "waited_percent": [waited],
        "tokens_s": [tokens_s],
        "p50_ms": [0.1],
        "p99_ms": [0.2],
    }


def test_a_row_shows_median_spread_and_ratio() -> None:
    lines = hot.table(PACED, {FLOOR: found(10), OURS: found(25)}).splitlines()
    assert lines[0].startswith("50 streams of 100 tokens/s  (median of 3")
    assert lines[2].split()[:3] == ["ours,", "asyncio", "2.50"]
    assert "cpu_us 25.0 [24.0 to 26.0]" in lines[2]


def test_a_row_with_fewer_rounds_says_so() -> None:
    rows = {FLOOR: found(10), SDK: {name: values[:1] for name, values in found(99).items()}}
    full, fewer = hot.table(PACED, rows).splitlines()[1:]
    assert "(of" not in full
    assert fewer.endswith("(of 1)")


DISTURBED = "DISTURBED: others had its core or the upstream's"


@pytest.mark.parametrize(
    ("tokens_s", "cpu", "waited", "expected"),
    [
        (4950, 100, 10, []),
        (4900, 81, 10, ["OVERLOADED: read 98% in time"]),
        (4900, 80, 10, ["read 98% in time", DISTURBED]),
        (4900, 81, 11, ["OVERLOADED: read 98% in time", DISTURBED]),
        (5000, 20, 40, [DISTURBED]),
    ],
)
def test_a_client_that_falls_behind_is_overloaded_only_if_it_used_its_core(
    tokens_s: float, cpu: float, waited: float, expected: list[str]
) -> None:
    numbers = found(1, tokens_s=tokens_s, cpu=cpu, waited=waited)
    assert hot.marks(PACED, numbers) == expected


def test_in_a_burst_nobody_falls_behind() -> None:
    assert hot.FULL["burst"].due == 0
    assert hot.marks(hot.FULL["burst"], {"cpu_us": [1.0]}) == []


def test_every_comparison_has_rows_its_first_is_one_and_the_shown_column_exists() -> None:
    for comparison in (*hot.FULL.values(), *hot.SMOKE.values()):
        assert len(set(comparison.rows)) == len(comparison.rows) > 1
    assert PACED.due == 5000


def test_peers_are_compared_paced_in_a_burst_and_by_their_first_token() -> None:
    with_peers = {name for name, one in hot.FULL.items() if set(hot.PEERS) <= set(one.rows)}
    assert with_peers == {"paced", "burst", "first"}


def test_a_client_that_fails_says_its_last_words(tmp_path: Path) -> None:
    nobody = Row("nobody", "asyncio")
    with pytest.raises(RuntimeError, match=r"nobody, asyncio failed in(?s:.*)bench\.clients\.nob"):
        hot.ran(nobody, PACED, "http://127.0.0.1:9/v1", tmp_path)
