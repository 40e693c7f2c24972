from __future__ import annotations

import tracemalloc

from hypothesis import given, strategies as st

from chatbots.joined import Joined


@given(st.lists(st.text(max_size=3), max_size=20), st.integers(1, 512))
def test_it_is_all_its_pieces_in_order(pieces: list[str], times: int) -> None:
    joined = Joined()
    for piece in pieces * times:
        joined.add(piece)
    assert joined.text == "".join(pieces * times)
    joined.add("!")
    assert joined.text == "".join(pieces * times) + "!"


def test_line_ends_stay_what_they_are() -> None:
    joined = Joined()
    for piece in ("a\r", "\nb\n", "c\r"):
        joined.add(piece)
    assert joined.text == "a\r\nb\nc\r"


def test_all_who_ask_before_the_next_piece_get_the_same_string() -> None:
    joined = Joined()
    sizes = []
    for piece in ("a", "b"):
        joined.add(piece * 100)
        sizes.append(joined.size)
        assert joined.text is joined.text
        assert joined.size == sizes[-1]
    assert sizes == [100, 200]


def test_a_sink_that_keeps_its_text_is_known_by_it() -> None:
    class Keeps:
        said = Joined()

    class Says:
        said = "something else"

    assert Joined.of(Keeps()) is Keeps.said
    assert Joined.of(Says()) is None
    assert Joined.of(object()) is None


def test_nothing_is_an_empty_text() -> None:
    assert Joined().text == ""


def test_a_hundred_thousand_pieces_take_little_more_room_than_their_text() -> None:
    tracemalloc.start()
    try:
        joined = Joined()
        for n in range(100_000):
            joined.add(f"{n:06}")
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 600_000 < held < 800_000
