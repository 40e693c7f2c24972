"""The paths of the API, and who answers at each."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, TypeAlias
from urllib.parse import unquote

from chatbots.testing import bodies
from chatbots.testing.answers import Answer, give
from chatbots.testing.desk import Desk
from chatbots.testing.embeddings import embeddings
from chatbots.testing.faults.names import PREFIX
from chatbots.testing.http1 import Exchange, Player, reply
from chatbots.testing.realtime.endpoint import Realtime, key_of
from chatbots.testing.realtime.talk import Talk
from chatbots.testing.requests import ChatRequest, EmbeddingRequest, Refusal, read

Handler: TypeAlias = Callable[[Exchange], Awaitable[None]]

DEFAULT_MODELS: Final = ("fake-chat", "fake-embedding")
AZURE: Final = re.compile(r"^/openai/(?:(?:v1|deployments/[^/]+)/|(?=realtime$))")
"""What paths begin with on Azure, where the key is in the header `api-key`."""


class Endpoints:
    """Answers a request by its path: the player of every exchange that was not scripted.

    *desk* knows what the next calls get; *talks* gets what is said on realtime sockets.
    *models* None lets any model exist; one called `fault:NAME` always does, and fails that way.
    *seed* draws what a fault leaves to chance.
    """

    def __init__(
        self,
        desk: Desk,
        talks: list[Talk],
        *,
        api_key: str | None,
        models: Sequence[str] | None,
        seed: int = 0,
    ) -> None:
        self._desk = desk
        self._api_key = api_key
        self._models = models
        self._seed = seed
        self._realtime = Realtime(desk, talks, self._check_model, seed=seed)
        self._routes: Mapping[str, Mapping[str, Handler]] = {
            "/v1/chat/completions": {"POST": self._chat},
            "/v1/embeddings": {"POST": self._embed},
            "/v1/models": {"GET": self._list_models, "HEAD": self._list_models},
            "/v1/realtime": {"GET": self._realtime.connect},
            "/v1/realtime/client_secrets": {"POST": self._realtime.make_secret},
            "/v1/realtime/sessions": {"POST": self._realtime.make_session},
        }
        self._model_routes: Mapping[str, Handler] = {
            "GET": self._show_model,
            "HEAD": self._show_model,
        }

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request; what is wrong with it is said in OpenAI's error shape."""
        try:
            self._check_key(exchange.call.headers)
            path = AZURE.sub("/v1/", exchange.call.path)
            await self._find(exchange.call.method, path)(exchange)
        except Refusal as refusal:
            await reply(exchange, bodies.error(refusal.error), refusal.status, refusal.headers)

    def _check_key(self, headers: Mapping[str, str]) -> None:
        if self._api_key is None:
            return
        given = key_of(headers)
        if not given:
            raise Refusal(
                401,
                "You didn't provide an API key. You need to provide your API key in an "
                "Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
            )
        if given != self._api_key and not self._realtime.opens(given):
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
        self._check_model(request.model)
        try:
            return self._desk.next(request)
        except ValueError as error:
            raise Refusal(404, str(error), param="model", code="model_not_found") from error

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
        if name.startswith(PREFIX):
            return
        if self._models is not None and name not in self._models:
            raise Refusal(
                404,
                f"The model `{name}` does not exist or you do not have access to it.",
                code="model_not_found",
            )


def masked(key: str) -> str:
    """Return *key* as OpenAI repeats it: the middle hidden, a short one altogether."""
    return f"{key[:8]}{'*' * (len(key) - 12)}{key[-4:]}" if len(key) > 16 else "*" * len(key)
