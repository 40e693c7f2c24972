from __future__ import annotations

import pytest

from chatbots.server.handlers.embedding import MAX_INPUTS
from tests.server.peer import application, connected


@pytest.mark.checklist(204, 243)
@pytest.mark.parametrize(("asked", "count"), [("one", 1), (["one", "two"], 2), ([[1, 2], [3]], 2)])
async def test_every_text_has_a_vector(asked: object, count: int) -> None:
    async with connected(application()) as peer:
        frame = await peer.ask("embedding", {"input": asked, "model": "m", "dimensions": 3})
    data = frame["data"]
    assert [row["embedding"] for row in data["data"]] == [[0.5] * 3] * count
    assert (data["model"], data["usage"]["total_tokens"]) == ("m", count)


async def test_there_are_only_so_many_texts_at_once() -> None:
    async with connected(application()) as peer:
        frame = await peer.ask("embedding", {"input": ["a"] * (MAX_INPUTS + 1)})
    assert (frame["error_code"], frame["param"]) == ("invalid_request", "input")
