from __future__ import annotations

from chatbots.realtime.recently import Recently


def test_a_name_is_new_once() -> None:
    recently = Recently(2)
    assert [recently.seen(name) for name in "aabab"] == [False, True, False, True, True]


def test_the_last_ones_are_remembered_and_no_more_than_twice_as_many() -> None:
    recently = Recently(3)
    for number in range(100):
        assert not recently.seen(str(number))
        assert all(recently.seen(str(n)) for n in range(max(0, number - 2), number + 1))
    assert not recently.seen("93")
    assert len(recently._new | recently._old) <= 6
