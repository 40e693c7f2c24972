from __future__ import annotations

import anyio
import pytest

from chatbots.errors import ProviderError
from chatbots.speech.writing import Writing


async def hear(piece: bytes) -> str:
    if piece == b"first":
        await anyio.sleep(0.05)  # it takes the longest, and is first all the same
    if piece == b"bad":
        raise ProviderError("upstream_error", "No.")
    return piece.decode()


async def test_pieces_are_written_down_in_their_order() -> None:
    writing = Writing(hear, "item_1")
    async with anyio.create_task_group() as tasks:
        for piece in (b"first", b"", b"second"):
            tasks.start_soon(writing.take, piece)
    assert writing.item == "item_1"
    assert await writing.whole(b"third") == "first second third"
    assert await writing.whole(b"") == "first second"


async def test_what_was_told_is_not_told_again() -> None:
    writing = Writing(hear)
    assert writing.untold() == ""
    for piece in (b"one", b"two"):
        await writing.take(piece)
    assert writing.untold() == "one two"
    assert writing.untold(await writing.whole(b"three")) == " three"
    assert writing.untold("one two three") == ""


async def test_of_what_cannot_be_made_out_in_part_nothing_is() -> None:
    writing = Writing(hear)
    for piece in (b"one", b"bad", b"two"):
        await writing.take(piece)
    with pytest.raises(ProviderError):
        await writing.whole(b"three")
