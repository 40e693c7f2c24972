"""The paths of the API, and who answers at each."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, TypeAlias
from urllib.parse import unquote

import msgspec

from chatbots.testing import bodies
from chatbots.testing.answers import Answer, Rule, failing, give
from chatbots.testing.bodies import Json
from chatbots.testing.embeddings import embeddings
from chatbots.testing.faults.names import PREFIX, Sequences
from chatbots.testing.http1 import JSON, Exchange, Player
from chatbots.testing.requests import ChatRequest, EmbeddingRequest, Refusal, read

Handler: TypeAlias = Callable[[Exchange], Awaitable[None]]

DEFAULT_MODELS: Final = ("fake-chat", "fake-embedding")
BEARER: Final = "bearer "
AZURE: Final = re.compile(r"^/openai/(?:v1|deployments/[^/]+)(?=/)")
"""What paths begin with on Azure, where the key is in the header `api-key`."""


class Endpoints:
    """Answers a request by its path: the player of every exchange that was not scripted.

    *queue* holds what the next chat calls get, *rule* makes the answer when it is empty.
    *models* None lets any model exist; one called `fault:NAME` always does, and fails that way.
    *seed* draws what a fault leaves to chance.
    """

    def __init__(
        self,
        queue: deque[Answer | Player | str],
        rule: Rule,
        *,
        api_key: str | None,
        models: Sequence[str] | None,
        seed: int = 0,
    ) -> None:
        self._queue = queue
        self._rule = rule
        self._api_key = api_key
        self._models = models
        self._seed = seed
        self._sequences = Sequences()
        self._routes: Mapping[str, Mapping[str, Handler]] = {
            "/v1/chat/completions": {"POST": self._chat},
            "/v1/embeddings": {"POST": self._embed},
            "/v1/models": {"GET": self._list_models, "HEAD": self._list_models},
        }
        self._model_routes: Mapping[str, Handler] = {
            "GET": self._show_model,
            "HEAD": self._show_model,
        }

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request; what is wrong with it is said in OpenAI's error shape."""
        try:
            self._check_key(exchange.call.headers)
            path = AZURE.sub("/v1", exchange.call.path)
            await self._find(exchange.call.method, path)(exchange)
        except Refusal as refusal:
            await reply(exchange, bodies.error(refusal.error), refusal.status, refusal.headers)

    def _check_key(self, headers: Mapping[str, str]) -> None:
        if self._api_key is None:
            return
        authorization = headers.get("authorization")
        if "api-key" in headers:
            authorization = BEARER + headers["api-key"]
        if authorization is None or not authorization.lower().startswith(BEARER):
            raise Refusal(
                401,
                "You didn't provide an API key. You need to provide your API key in an "
                "Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
            )
        given = authorization[len(BEARER) :].strip()
        if given != self._api_key:
            raise Refusal(
                401, f"Incorrect API key provided: {masked(given)}.", code="invalid_api_key"
            )

    def _find(self, method: str, path: str) -> Handler:
        known = self._routes.get(path)
        if known is None and path.startswith("/v1/models/"):
            known = self._model_routes
        if known is None:
            raise Refusal(404, f"Invalid URL ({method} {path})")
        if method not in known:
            raise Refusal(
                405,
                f"Not allowed to {method} on {path}.",
                code="method_not_supported",
                headers={"allow": ", ".join(known)},
            )
        return known[method]

    async def _chat(self, exchange: Exchange) -> None:
        request = read(exchange.call.body, ChatRequest)
        if request.stream_options is not None and not request.stream:
            raise Refusal(
                400,
                "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
                param="stream_options",
            )
        answer = self._next(request)
        if isinstance(answer, Answer):
            await give(answer, request, exchange, created=int(time.time()), seed=self._seed)
        else:
            await answer(exchange)

    def _next(self, request: ChatRequest) -> Answer | Player:
        if request.model.startswith(PREFIX):
            try:
                fault = self._sequences.next_of(request.model.removeprefix(PREFIX))
            except ValueError as error:
                raise Refusal(404, str(error), param="model", code="model_not_found") from error
            return failing(self._rule(request), fault)
        self._check_model(request.model)
        answer = self._queue.popleft() if self._queue else self._rule(request)
        return failing(self._rule(request), answer) if isinstance(answer, str) else answer

    async def _embed(self, exchange: Exchange) -> None:
        request = read(exchange.call.body, EmbeddingRequest)
        self._check_model(request.model)
        await reply(exchange, embeddings(request))

    async def _list_models(self, exchange: Exchange) -> None:
        names = DEFAULT_MODELS if self._models is None else self._models
        await reply(exchange, {"object": "list", "data": [bodies.model(name) for name in names]})

    async def _show_model(self, exchange: Exchange) -> None:
        name = unquote(exchange.call.path.removeprefix("/v1/models/"))
        self._check_model(name)
        await reply(exchange, bodies.model(name))

    def _check_model(self, name: str) -> None:
        if self._models is not None and name not in self._models:
            raise Refusal(
                404,
                f"The model `{name}` does not exist or you do not have access to it.",
                code="model_not_found",
            )


async def reply(
    exchange: Exchange, body: Json, status: int = 200, headers: Mapping[str, str] | None = None
) -> None:
    """Send *body* as JSON."""
    await exchange.respond(
        status,
        msgspec.json.encode(body),
        {
            "content-type": JSON,
            "x-request-id": bodies.token_like("req_", exchange.call.number, 32),
            **(headers or {}),
        },
    )


def masked(key: str) -> str:
    """Return *key* as OpenAI repeats it: the middle hidden, a short one altogether."""
    return f"{key[:8]}{'*' * (len(key) - 12)}{key[-4:]}" if len(key) > 16 else "*" * len(key)
