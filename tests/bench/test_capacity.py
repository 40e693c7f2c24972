"""How many streams one core carries: the search, its verdicts and its table."""

from __future__ import annotations

import pytest

from bench import capacity
from bench.capacity import TOP
from bench.hot import OURS, SDK
from bench.measure import Found
from bench.serving import Upstream

SERVED = Upstream("http://127.0.0.1:9/v1", 1)


def result(*, kept_up: float = 1.0, p99_ms: float = 1.0, waited: float = 0.0) -> Found:
    return {
        "kept_up": [kept_up],
        "p50_ms": [0.5],
        "p99_ms": [p99_ms],
        "cpu_percent": [99.0],
        "waited_percent": [waited],
        "upstream_percent": [30.0],
        "rss_mb": [60.0],
    }


def first(found: Found) -> dict[str, float]:
    return {name: values[0] for name, values in found.items()}


@pytest.mark.parametrize(
    ("kept_up", "p99_ms", "verdict"),
    [(0.99, 50.0, True), (0.989, 1.0, False), (1.0, 50.1, False)],
)
def test_keeping_up_is_nearly_all_tokens_and_nearly_all_soon(
    kept_up: float, p99_ms: float, verdict: bool
) -> None:
    assert capacity.kept_up(first(result(kept_up=kept_up, p99_ms=p99_ms))) is verdict


def searched(monkeypatch: pytest.MonkeyPatch, limit: int, unlucky: int = 0) -> Found:
    """Search a client with that *limit*, which fails once at the number *unlucky*."""
    bad_luck = [unlucky]

    def carried(row: object, streams: int, served: object, seconds: float) -> dict[str, float]:
        if streams in bad_luck:
            bad_luck.clear()
            return first(result(p99_ms=400))
        return first(result(kept_up=1.0 if streams <= limit else min(0.98, limit / streams)))

    monkeypatch.setattr(capacity, "carried", carried)
    return capacity.searched(OURS, 100, SERVED)


def test_every_try_of_a_search_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    found = searched(monkeypatch, 130)
    assert found["carried"][0] <= 130 < found["not_carried"][0] <= found["carried"][0] * 1.06
    assert found["tried_streams"][:3] == [100, 125, 175]
    assert {len(values) for name, values in found.items() if name.startswith("tried_")} == {
        len(found["tried_streams"])
    }


def test_a_noisy_moment_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    lucky = searched(monkeypatch, 130)
    unlucky = searched(monkeypatch, 130, unlucky=100)
    assert unlucky["carried"] == lucky["carried"]
    assert unlucky["tried_streams"][:2] == [100, 100]


def test_a_clear_failure_is_not_tried_again_and_a_close_one_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = searched(monkeypatch, 130)
    tries = found["tried_streams"]
    for streams in set(tries):
        assert tries.count(streams) == (2 if 130 < streams <= 136 else 1)
    assert found["not_carried"][0] <= 136


def limits(carried: int, not_carried: int, *, busy: float = 30.0, waited: float = 0.0) -> Found:
    tries = {f"tried_{name}": values * 2 for name, values in result(waited=waited).items()}
    tries["tried_streams"] = [carried, not_carried]
    tries["tried_upstream_percent"] = [busy, busy]
    return {"carried": [carried], "not_carried": [not_carried], **tries}


def test_the_table_shows_the_limit_where_it_lies_and_how_busy_both_were() -> None:
    rows = {str(OURS): limits(500, 520), str(SDK): limits(100, 105)}
    _, ours, sdk = capacity.table(rows).splitlines()
    assert ours.split()[:5] == ["ours,", "asyncio", "500", "[520]", "5.00"]
    assert "upstream_percent 30.0" in ours
    assert sdk.split()[4] == "1.00"
    assert "MORE" not in ours + sdk
    assert "DISTURBED" not in ours + sdk


def test_a_client_that_carries_nothing_has_a_row_too() -> None:
    rows = {str(OURS): limits(0, 1), str(SDK): limits(100, 105)}
    assert capacity.table(rows).splitlines()[1].split()[:5] == [
        *("ours,", "asyncio", "0", "[1]", "0.00")
    ]


@pytest.mark.parametrize(
    "found", [limits(500, 520, busy=95.0), limits(TOP, TOP + 1)], ids=["upstream", "search"]
)
def test_a_limit_that_is_not_the_clients_is_marked(found: Found) -> None:
    assert "OR MORE" in capacity.table({str(OURS): found})


def test_a_client_that_fell_behind_while_others_had_its_core_is_marked() -> None:
    rows = {str(OURS): limits(500, 520, waited=30.0)}
    assert "DISTURBED: others had its core 30 % of the time" in capacity.table(rows)


def test_the_upstream_and_the_client_have_a_core_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {3, 1, 2})
    assert capacity.cores() == (1, 3)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {3})
    with pytest.raises(RuntimeError, match="two are needed"):
        capacity.cores()
