"""`embedding`: texts in, vectors out."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta, Struct

from chatbots.errors import ConfigurationError, ProviderError
from chatbots.server.call import Call, Route
from chatbots.server.shapes import embeddings

MAX_INPUTS: Final = 256
"""Texts a request may have: the vectors of them all are one frame."""


class Payload(Struct):
    """What is embedded: a text, texts, or either as token ids; and by which model."""

    input: str | Annotated[list[str | int | list[int]], Meta(max_length=MAX_INPUTS)]
    model: str | None = None
    dimensions: int | None = None


async def handle(call: Call, payload: Payload) -> dict[str, object]:
    """Return the vectors, in the order of the texts."""
    try:
        made = await call.backend.embedder.embed(
            payload.input,  # type: ignore[arg-type]  # a mixture is refused there
            model=payload.model,
            dimensions=payload.dimensions,
        )
    except ConfigurationError as error:
        if error.code != "not_configured":
            raise
        why = "The model of this server embeds no texts."
        raise ProviderError("model_not_available", why) from error
    call.usage = made.usage
    return embeddings(made)


ROUTE: Final = Route(Payload, handle, "embedding_response")
