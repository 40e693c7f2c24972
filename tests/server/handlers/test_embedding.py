from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from chatbots.embedded import Embeddings
from chatbots.errors import ConfigurationError
from chatbots.server.handlers.embedding import MAX_INPUTS
from tests.server.peer import OneVector, application, connected


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


@pytest.mark.parametrize(
    ("code", "told"),
    [("not_configured", "model_not_available"), ("file_unreadable", "file_unreadable")],
)
async def test_a_model_that_embeds_nothing_is_not_the_servers_fault(code: str, told: str) -> None:
    class NoVector(OneVector):
        async def embed(self, *_: Any, **__: Any) -> Embeddings:
            raise ConfigurationError(code, "The local model does not embed texts.")

    app = application()
    app.backend = replace(app.backend, embedder=NoVector())
    async with connected(app) as peer:
        frame = await peer.ask("embedding", {"input": "x"})
    assert frame["error_code"] == told
    assert ("fault of its own" in frame["error"]) is (told == code)
