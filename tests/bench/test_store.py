"""The table about stores, and what its runs measure, briefly."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import store, storing
from bench.measure import Found
from bench.stores.ours import Store


def test_the_table_says_how_often_ours_is_faster() -> None:
    rows: dict[str, Found] = {}
    for client, scale in (("ours", 1.0), ("langgraph", 40.0)):
        store.gather(rows, client, {"turns_per_second": 2000 / scale, "p99_ms": 20 * scale})
        store.gather(rows, client, {"cpu_us": 100 * scale})
        store.gather(rows, client, {"messages": 1e6, "last_us": 50 * scale})
    store.gather(rows, "ours", {"reader_us": 30})
    store.gather(rows, "memory", {"cpu_us": 300, "stall_ms": 2})
    store.gather(rows, "sqlite", {"cpu_us": 400, "stall_ms": 3})
    text = "\n".join(store.lines(rows, ("ours", "langgraph")))
    assert "langgraph           50 turns/s  p99   800.0 ms" in text
    assert text.count(" 40.0\n") == 2
    assert "30 us in its reader" in text
    assert "what SQLite adds to a turn         100 us of CPU" in text


async def test_ours_takes_turns_and_reads_the_newest(tmp_path: Path) -> None:
    kept = Store(tmp_path)
    await kept.open()
    found = await storing.turns(kept, 4, 0.05)
    assert found["turns_per_second"] > 1
    assert 0 < found["p50_ms"] <= found["p99_ms"]
    found = await storing.last(kept, 100, 3)
    assert found["messages"] == 100
    assert found["last_us"] > 0
    await kept.close()


def test_a_store_that_fails_says_why() -> None:
    with pytest.raises(RuntimeError, match=r"No module named 'bench\.stores\.nobody'"):
        store.result("nobody", "turns", 1, 1)
