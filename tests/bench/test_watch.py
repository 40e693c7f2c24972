"""What a reader of streams costs, by clocks that stand where the test puts them."""

from __future__ import annotations

import os
import time
from types import SimpleNamespace

import pytest

from bench import watch
from bench.watch import Crowd, Watch

SECOND = 1_000_000_000


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    now: dict[str, float] = {"ns": 0, "cpu": 0.0, "wall": 0.0, "queue": 0.0, "upstream": 0.0}
    hands = SimpleNamespace(
        perf_counter_ns=lambda: int(now["ns"]),
        perf_counter=lambda: now["wall"],
        process_time=lambda: now["cpu"],
    )
    monkeypatch.setattr(watch, "time", hands)
    monkeypatch.setattr(watch, "waited", lambda: now["queue"])
    monkeypatch.setattr(watch, "cpu_of", lambda _: now["upstream"])
    return now


def token(written: int) -> str:
    return f"{written:016d} "


def test_a_crowd_counts_the_tokens_that_came_while_it_looked(clocks: dict[str, float]) -> None:
    crowd = Crowd(due=2, upstream=1, seconds=4.0)
    crowd.seen.append((SECOND - 1, token(0)))
    clocks |= {"ns": SECOND, "cpu": 1.0, "upstream": 5.0}
    crowd.begin()
    # One piece of two tokens, the older 3 ms late, the other 1 ms.
    at = 2 * SECOND
    crowd.seen.append((at, token(at - 3_000_000) + token(at - 1_000_000)))
    crowd.seen.append((4 * SECOND, token(4 * SECOND - 1_000_000)))
    clocks |= {"ns": 3 * SECOND, "cpu": 2.0, "queue": 0.2, "upstream": 5.5}
    result = crowd.result()
    assert result.pop("rss_mb") > 0
    assert result == {
        "kept_up": 0.5,
        "p50_ms": 2.0,
        "p99_ms": 3.0,
        "cpu_percent": 50.0,
        "waited_percent": 10.0,
        "upstream_percent": 25.0,
    }


def test_a_crowd_of_which_nothing_came_is_endlessly_late(clocks: dict[str, float]) -> None:
    crowd = Crowd(due=2, upstream=1, seconds=4.0)
    clocks["ns"] = SECOND
    assert crowd.result()["p99_ms"] == float("inf")
    assert crowd.result()["kept_up"] == 0


def test_a_crowd_opens_settles_and_is_looked_at() -> None:
    crowd = Crowd(due=1, upstream=1, seconds=4.0)
    assert (crowd.opening, crowd.settling, crowd.looking) == (2.0, 1.0, 4.0)


def test_what_a_token_costs_is_taken_from_the_steady_part(clocks: dict[str, float]) -> None:
    looking = Watch(100)
    for number in range(1, 101):
        # The beginning and the end are dear.
        clocks["cpu"] += 0.001 if 20 < number <= 90 else 1.0
        clocks["wall"] += 0.01
        clocks["queue"] += 0.002
        looking.count(1)
    result = looking.result()
    assert result["cpu_us"] == pytest.approx(1000)
    assert result["cpu_percent"] == pytest.approx(10)
    assert result["waited_percent"] == pytest.approx(20)
    assert result["tokens_s"] == pytest.approx(100)


def test_the_cpu_of_a_process_is_read_from_the_system() -> None:
    spent = sum(os.times()[:2])
    assert watch.cpu_of(os.getpid()) == pytest.approx(spent, abs=0.5)


def test_waiting_for_a_core_is_counted_and_work_is_not() -> None:
    begun, wall = watch.waited(), time.monotonic()
    spent = time.process_time()
    while time.process_time() - spent < 0.05:
        pass
    assert 0 <= watch.waited() - begun <= time.monotonic() - wall - 0.04
