"""An `Embedder` over OpenAI's embeddings: any number of texts, a few requests at a time."""

from __future__ import annotations

import base64
import sys
from array import array
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

import anyio
import msgspec
from msgspec import Struct

from chatbots import telemetry
from chatbots.embedded import Embeddings, Input, Inputs, each_of
from chatbots.errors import ChatError, ProviderError
from chatbots.messages import Usage
from chatbots.provider.chat import ClientSource
from chatbots.provider.guard import Guards
from chatbots.provider.streamed import senseless
from chatbots.provider.wire import Body

if TYPE_CHECKING:
    from chatbots.provider.transport import Response

PATH: Final = "/embeddings"
MAX_INPUTS: Final = 2048
"""Texts a request may have (OpenAI's API reference, "Create embeddings"; so is the next)."""
MAX_TOKENS: Final = 300_000
"""Tokens a request may have, over all its texts."""
MAX_BODY: Final = 256 * 1024 * 1024
"""Bytes an answer may have: 2,048 vectors of 4,096 numbers, should they come as decimals."""
AT_ONCE: Final = 4
"""Requests of one call that run at the same time."""


class OpenAIEmbedder:
    """The embedding model named *model* on whatever server the client of *client* asks.

    *client* is awaited for each request. *timeout*: seconds a call may take, retries included.
    """

    def __init__(self, client: ClientSource, *, model: str, timeout: float = 300.0) -> None:
        self._client = client
        self._model = model
        self._timeout = timeout
        self._guards = Guards()

    async def embed(
        self, inputs: Inputs, *, model: str | None = None, dimensions: int | None = None
    ) -> Embeddings:
        """Return a vector for each of *inputs*, in their order; see `Embedder.embed`.

        Raises `ProviderError`, and `InvalidRequest` for what cannot be embedded.
        """
        batches = list(_batches(each_of(inputs)))
        # As base64 a vector is a quarter of its decimals; servers that cannot do it ignore it.
        wanted: Body = {"model": model or self._model, "encoding_format": "base64"}
        if dimensions is not None:
            wanted["dimensions"] = dimensions
        facts = {
            "gen_ai.operation.name": "embeddings",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": wanted["model"],
        }
        with (
            telemetry.span(f"embeddings {wanted['model']}", facts),
            anyio.move_on_after(self._timeout),
        ):
            return _joined(await self._ask_all(wanted, batches), dimensions)
        raise ProviderError("upstream_timeout", f"No embeddings within {self._timeout:g} seconds.")

    async def _ask_all(self, wanted: Body, batches: Sequence[list[Input]]) -> list[Embeddings]:
        from chatbots.provider.tries import Clock, Tries

        model: str = wanted["model"]
        answers: dict[int, Embeddings] = {}
        failed: list[ChatError] = []
        free = anyio.Semaphore(AT_ONCE)

        async def ask(place: int, batch: list[Input]) -> None:
            async with free:
                try:
                    tries = Tries(self._guards, None, Clock())
                    answers[place] = await tries.at(model, lambda: self._ask(wanted, batch))
                except ChatError as error:
                    failed.append(error)
                    tasks.cancel_scope.cancel()

        async with anyio.create_task_group() as tasks:
            for place, batch in enumerate(batches):
                tasks.start_soon(ask, place, batch)
        if failed:
            raise failed[0]
        return [answers[place] for place in range(len(batches))]

    async def _ask(self, wanted: Body, batch: list[Input]) -> Embeddings:
        from chatbots.provider.resilience import foreign_errors
        from chatbots.provider.transport import post, read

        response: Response | None = None
        client = await self._client()
        try:
            with foreign_errors(client):
                response = await post(client, PATH, {**wanted, "input": batch})
            with foreign_errors(client, in_stream=True):
                data = await read(response, MAX_BODY)
        finally:
            if response is not None:
                await response.aclose()
        if len(data) > MAX_BODY:
            raise senseless(f"it has more than {MAX_BODY:,} bytes")
        return _decoded(data, len(batch), wanted["model"])


def _batches(entries: Sequence[Input]) -> Iterator[list[Input]]:
    batch: list[Input] = []
    size = 0
    for entry in entries:
        # A token has a byte at least: counted so, a request is never too large.
        tokens = len(entry.encode()) if isinstance(entry, str) else len(entry)
        if batch and (len(batch) == MAX_INPUTS or size + tokens > MAX_TOKENS):
            yield batch
            batch, size = [], 0
        batch.append(entry if isinstance(entry, str) else list(entry))
        size += tokens
    yield batch


class _Item(Struct, gc=False):
    index: int
    embedding: str | list[float]


class _Usage(Struct, gc=False):
    prompt_tokens: int | None = 0
    total_tokens: int | None = 0


class _Answer(Struct, gc=False):
    data: list[_Item]
    model: str | None = None
    usage: _Usage | None = None


def _decoded(data: bytes, count: int, model: str) -> Embeddings:
    try:
        answer = msgspec.json.decode(data, type=_Answer)
        items = sorted(answer.data, key=lambda item: item.index)
        vectors = tuple(_vector(item.embedding) for item in items)
    except (ValueError, RecursionError) as error:
        raise senseless(str(error)) from error
    if [item.index for item in items] != list(range(count)):
        raise senseless(f"its {len(items)} vectors are not one for each of {count} texts")
    usage = None
    if answer.usage is not None:
        read = answer.usage.prompt_tokens or 0
        usage = Usage(read, 0, answer.usage.total_tokens or read)
    return Embeddings(vectors=vectors, model=answer.model or model, usage=usage)


def _vector(embedding: str | list[float]) -> array[float]:
    if not isinstance(embedding, str):
        return array("f", embedding)
    vector = array("f", base64.b64decode(embedding, validate=True))
    if sys.byteorder == "big":
        vector.byteswap()
    return vector


def _joined(answers: Sequence[Embeddings], dimensions: int | None) -> Embeddings:
    vectors = tuple(vector for answer in answers for vector in answer.vectors)
    lengths = {len(vector) for vector in vectors}
    if lengths != {dimensions or max(lengths)} or 0 in lengths:
        asked = f" where {dimensions} were asked for" if dimensions else ""
        raise senseless(f"its vectors have {sorted(lengths)} numbers{asked}")
    counted = [answer.usage for answer in answers if answer.usage is not None]
    read, total = sum(u.input_tokens for u in counted), sum(u.total_tokens for u in counted)
    usage = Usage(read, 0, total) if counted else None
    return Embeddings(vectors=vectors, model=answers[0].model, usage=usage)
