"""A `ChatModel` over chat completions, whole and streamed."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeAlias

import anyio
import msgspec

from chatbots import telemetry
from chatbots.interfaces import Sink
from chatbots.messages import ModelAnswer, ModelRequest
from chatbots.provider.client import speaks_openai
from chatbots.provider.guard import Guards
from chatbots.provider.patience import Patience
from chatbots.provider.streamed import MAX_BODY, StreamedAnswer, senseless
from chatbots.provider.wire import Body, Dialect, encode_request
from chatbots.sampling import Sampling

if TYPE_CHECKING:
    from openai import AsyncOpenAI

    from chatbots.provider.transport import Response
    from chatbots.provider.tries import Clock, Tries

ClientSource: TypeAlias = Callable[[], Awaitable["AsyncOpenAI"]]

PATH: Final = "/chat/completions"
USAGE_TIMEOUT: Final = 1.0
"""Seconds to read on after a finish reason: what the server counted comes then."""
DRAIN_TIMEOUT: Final = 0.25
"""Seconds to read on after `[DONE]`, so that the connection can be used again."""


class OpenAIChat:
    """The model named *model* on whatever server the client of *client* asks.

    *client* is awaited for each request: it may be made, or made anew, on the way.
    *sampling* holds for requests that say nothing else; *patience* is how long to wait.
    *fallbacks* are models to ask, in this order, while the one asked for cannot answer.
    """

    def __init__(
        self,
        client: ClientSource,
        *,
        model: str,
        sampling: Sampling | None = None,
        patience: Patience | None = None,
        fallbacks: Sequence[str] = (),
        clock: Clock | None = None,
    ) -> None:
        self._client = client
        self._model = model
        self._sampling = sampling or Sampling()
        self._patience = patience or Patience()
        self._fallbacks = fallbacks
        self._clock = clock
        self._guards = Guards()

    async def complete(self, request: ModelRequest, out: Sink) -> ModelAnswer:
        """Continue a conversation by one message; see `ChatModel.complete`.

        Raises `ProviderError`, and `InvalidRequest` where the server refuses the request.
        """
        from chatbots.provider.tries import Clock, Tries

        tries = Tries(self._guards, out, self._clock or Clock())
        models = dict.fromkeys((request.model or self._model, *self._fallbacks))
        return await tries.in_turn(lambda model: self._ask(model, request, out, tries), *models)

    async def _ask(self, model: str, request: ModelRequest, out: Sink, tries: Tries) -> ModelAnswer:
        facts = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": model,
        }

        def body_for(client: AsyncOpenAI) -> Body:
            dialect: Dialect = "openai" if speaks_openai(client) else "compatible"
            return encode_request(request, model=model, default=self._sampling, dialect=dialect)

        with telemetry.span(f"chat {model}", facts) as span:
            exchange = _Exchange(self._client, body_for, out, self._patience)
            answer = await exchange.run(model, tries)
            if span is not None:
                _describe(span, answer)
        return answer


class _Exchange:
    """One request and its answer, tried again only while nothing of it was shown."""

    def __init__(
        self,
        source: ClientSource,
        body_for: Callable[[AsyncOpenAI], Body],
        out: Sink,
        patience: Patience,
    ) -> None:
        self._source = source
        self._body_for = body_for
        self._out = out
        self._patience = patience
        self._shown = False

    async def run(self, model: str, tries: Tries) -> ModelAnswer:
        answer = await tries.at(model, self._attempt, shown=lambda: self._shown)
        return msgspec.structs.replace(answer, retries=tries.retries)

    async def _attempt(self) -> ModelAnswer:
        from httpx2 import ReadTimeout

        from chatbots.provider.resilience import foreign_errors
        from chatbots.provider.transport import post

        response: Response | None = None
        # Anew for each try: the server may have died, and another stand in its place.
        client = await self._source()
        body = self._body_for(client)
        streams = bool(body.get("stream"))
        # A whole answer may take as long as its turn: not one byte comes before it is made.
        within = self._patience.first_token if streams else math.inf
        answer = StreamedAnswer(self._out, secret=client.api_key)
        try:
            with foreign_errors(client):
                try:
                    response = await post(client, PATH, body, within=within)
                except ReadTimeout as error:
                    raise self._patience.never_began() from error
            kind = response.headers.get("content-type", "").partition(";")[0].rpartition("/")[2]
            if kind.strip() == "html":
                raise senseless("it is a web page. Is the base URL right? It mostly ends in /v1")
            with foreign_errors(client, in_stream=True):
                if not streams or kind.strip() == "json":
                    return await self._whole(response, answer)
                return await self._streamed(response, answer)
        finally:
            self._shown = self._shown or answer.shown
            if response is not None:
                await response.aclose()

    async def _whole(self, response: Response, answer: StreamedAnswer) -> ModelAnswer:
        from chatbots.provider.transport import read

        data = await read(response, MAX_BODY)
        if len(data) > MAX_BODY:
            raise senseless(f"it has more than {MAX_BODY:,} bytes")
        answer.take_whole(data)
        await answer.settle()
        return answer.result()

    async def _streamed(self, response: Response, answer: StreamedAnswer) -> ModelAnswer:
        def begin(data: bytes) -> bool:
            return answer.take(data) or answer.shown  # from there on another deadline counts

        more = True
        while more and not (answer.ended or answer.answer.finished):
            with self._patience.for_content(answer):
                more = await response.pour(answer.take if answer.shown else begin)
            await answer.settle()
        if more and answer.answer.finished:
            await _read_on(response, answer)
        return answer.result()


async def _read_on(response: Response, answer: StreamedAnswer) -> None:
    """Read what follows a finish reason: the usage, `[DONE]`, and the end of the body.

    Nothing that goes wrong there changes the answer.
    """
    from httpx2 import HTTPError, StreamError

    more = True
    with suppress(HTTPError, StreamError):
        with anyio.move_on_after(USAGE_TIMEOUT):
            while more and not answer.ended:
                more = await response.pour(answer.take)
        if more and answer.ended:
            with anyio.move_on_after(DRAIN_TIMEOUT):
                while await response.pour(lambda _: False):
                    pass


def _describe(span: telemetry.Span, answer: ModelAnswer) -> None:
    span.set_attribute("gen_ai.response.finish_reasons", (answer.reason,))
    if answer.usage is not None:
        span.set_attribute("gen_ai.usage.input_tokens", answer.usage.input_tokens)
        span.set_attribute("gen_ai.usage.output_tokens", answer.usage.output_tokens)
