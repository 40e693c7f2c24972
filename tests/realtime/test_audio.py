from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given, strategies as st

from chatbots.realtime.audio import Chunker, JitterBuffer, ms_of, size_of


def test_milliseconds_are_bytes_and_bytes_are_milliseconds() -> None:
    assert size_of(20) == 960
    assert size_of(20, 8000) == 320
    assert ms_of(960) == 20
    assert ms_of(961) == 20
    assert size_of(1, 22050) == 44  # whole samples


@given(st.lists(st.binary(max_size=50)), st.integers(1, 8))
def test_what_is_cut_up_is_what_went_in_in_equal_chunks(pieces: list[bytes], half: int) -> None:
    chunker = Chunker(2 * half)
    chunks = [chunk for piece in pieces for chunk in chunker.push(piece)]
    assert {len(chunk) for chunk in chunks} <= {2 * half}
    whole = b"".join(pieces)
    rest = chunker.end()
    assert len(rest) < 2 * half
    assert b"".join(chunks) + rest == whole[: len(whole) // 2 * 2]
    assert chunker.end() == b""


def buffer(*, start_ms: int = 100) -> JitterBuffer:
    return JitterBuffer(start_ms=start_ms, max_ms=1000)


def test_nothing_sounds_until_enough_is_there() -> None:
    queue = buffer()
    assert queue.take() is None
    queue.add("a", bytes(size_of(99)))
    assert queue.take() is None
    queue.add("a", bytes(size_of(1)))
    assert queue.take(size_of(40)) == ("a", bytes(size_of(40)))
    assert queue.take(size_of(40)) == ("a", bytes(size_of(40)))


def test_a_short_answer_sounds_though_it_is_less_than_enough() -> None:
    queue = buffer()
    queue.add("a", b"ab")
    queue.end()
    assert queue.take() == ("a", b"ab")
    assert queue.take() is None


def test_who_ran_dry_waits_again_until_enough_is_there() -> None:
    queue = buffer()
    queue.add("a", bytes(size_of(100)))
    assert queue.take(size_of(100)) is not None
    assert queue.take() is None
    queue.add("a", bytes(size_of(50)))
    assert queue.take() is None
    queue.add("a", b"")
    assert queue.take() is None
    queue.add("a", bytes(size_of(50)))
    assert queue.take() is not None


def test_pieces_of_two_items_are_taken_apart_and_counted_apart() -> None:
    queue = buffer(start_ms=0)
    queue.add("a", bytes(size_of(30)))
    queue.add("b", bytes(size_of(50)))
    assert queue.take(size_of(40)) == ("a", bytes(size_of(30)))
    assert queue.taken_ms("a") == 30
    assert queue.take(size_of(40)) == ("b", bytes(size_of(40)))
    assert queue.take(size_of(40)) == ("b", bytes(size_of(10)))
    assert queue.taken_ms("b") == 50
    assert queue.taken_ms("a") == 0


@pytest.mark.checklist(160)
def test_an_hour_of_sound_leaves_memory_where_it_was() -> None:
    queue, chunker, second = buffer(), Chunker(), bytes(size_of(1000))
    tracemalloc.start()
    try:
        for _ in range(3600):
            for chunk in chunker.push(second):
                queue.add("a", chunk)
            while queue.take():
                pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert queue.taken_ms("a") == 3_600_000
    assert peak < 1_000_000


@pytest.mark.checklist(158)
def test_what_is_dropped_is_gone_at_once_and_what_was_taken_still_counts() -> None:
    queue = buffer(start_ms=0)
    queue.add("a", bytes(size_of(1000)))
    assert queue.full
    queue.take(size_of(40))
    assert queue.drop() == 960
    assert queue.size == 0
    assert queue.take() is None
    assert queue.taken_ms("a") == 40
    queue.add("b", bytes(size_of(999)))
    assert not queue.full
