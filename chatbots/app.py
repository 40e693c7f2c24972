"""The one module that knows every concrete class and wires them together."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self, Unpack

import anyio
import anyio.to_thread

from chatbots.embedded import Embeddings, Inputs
from chatbots.errors import ConfigurationError
from chatbots.flow.bot import Bot
from chatbots.flow.calling import Asking, Said
from chatbots.interfaces import ChatModel, ChatService, SessionStore
from chatbots.messages import Reply
from chatbots.model_names import LOCAL
from chatbots.places import cache_folder, hub_cache, local_state, ollama_folder
from chatbots.provider.chat import OpenAIChat
from chatbots.provider.client import OPENAI_URL, Access, OpenAIClient, SharedClient, azure_access
from chatbots.sampling import Sampling
from chatbots.services.memory import MemoryChat
from chatbots.services.stateless import StatelessChat
from chatbots.services.streaming import StreamingChat
from chatbots.services.take_turn import Manner
from chatbots.sessions.in_memory import InMemorySessions
from chatbots.settings import Settings
from chatbots.telemetry import new_session_id

if TYPE_CHECKING:
    from chatbots.local.catalog import Weights
    from chatbots.local.model import LocalModel
    from chatbots.local.weights import WeightStore


class Chatbots:
    """The bots of an application, on one model, one client and one store.

    Use it as an async context manager, or call `aclose`.
    *settings* are read from the environment and `.env` if not given.
    *client* is an `AsyncOpenAI` of your own, which stays open; *store* a `SessionStore`.

    Nothing is sent before the first turn.
    Raises `ConfigurationError` (`not_configured`) where there is nobody to ask.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        client: OpenAIClient | None = None,
        store: SessionStore | None = None,
    ) -> None:
        self.settings = Settings.load() if settings is None else settings
        self._clients = _clients_for(self.settings, client)
        self._model: ChatModel = OpenAIChat(
            self._clients.get,
            model=LOCAL if self.settings.wants_local else self.settings.openai_model,
            sampling=Sampling(
                temperature=self.settings.openai_temperature,
                max_tokens=self.settings.openai_max_tokens,
            ),
            # The model on this machine answers to any name: another would be the same.
            fallbacks=() if self.settings.wants_local else self.settings.fallback_models,
        )
        # Not `store or ...`: a store that counts its sessions is false while it has none.
        self.store: SessionStore = (
            InMemorySessions(
                max_sessions=self.settings.chatbots_max_sessions,
                max_bytes=self.settings.chatbots_max_session_bytes,
            )
            if store is None
            else store
        )

    def stateless(self, **defaults: Unpack[Asking]) -> Bot:
        """Return a bot that answers each prompt on its own.

        *defaults* are keywords of `ask` that hold for every turn.
        """
        return self._bot(StatelessChat(self._model, self._manner), defaults)

    def memory(self, **defaults: Unpack[Asking]) -> Bot:
        """Return a bot that remembers; without a `session=`, a conversation of its own."""
        defaults.setdefault("session", new_session_id())
        return self._bot(MemoryChat(self._model, self.store, self._manner), defaults)

    def streaming(self, **defaults: Unpack[Asking]) -> Bot:
        """Return a bot that remembers and answers as the answer forms; see `memory`."""
        defaults.setdefault("session", new_session_id())
        return self._bot(StreamingChat(self._model, self.store, self._manner), defaults)

    async def embed(
        self, inputs: Inputs, *, model: str | None = None, dimensions: int | None = None
    ) -> Embeddings:
        """Return a vector for each of *inputs*; see `Embedder`. The local model makes none."""
        from chatbots.provider.embeddings import OpenAIEmbedder

        if isinstance(self._clients, _Local):
            raise ConfigurationError(
                "not_configured",
                "The local model does not embed texts.",
                hint="Ask one that does, with OPENAI_API_KEY or OPENAI_BASE_URL.",
            )
        embedder = OpenAIEmbedder(
            self._clients.get,
            model=self.settings.openai_embedding_model,
            timeout=self.settings.chatbots_timeout,
        )
        return await embedder.embed(inputs, model=model, dimensions=dimensions)

    async def aclose(self) -> None:
        """Give back the client and the local model. May be called again."""
        await self._clients.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with anyio.CancelScope(shield=True):
            await self.aclose()

    @property
    def _manner(self) -> Manner:
        return Manner(
            instructions=self.settings.assistant_instructions,
            max_chars=self.settings.chatbots_max_prompt_chars,
        )

    def _bot(self, service: ChatService, defaults: Asking) -> Bot:
        defaults.setdefault("timeout", self.settings.chatbots_timeout)
        return Bot(service, **defaults)


def ask_sync(said: Said, *, settings: Settings | None = None, **asking: Unpack[Asking]) -> Reply:
    """Ask a stateless bot from a program without an event loop, or from a notebook.

    Opens and closes everything around the one turn. Raises as `ask` does.
    """

    from anyio.from_thread import start_blocking_portal

    async def turn() -> Reply:
        async with Chatbots(settings) as bots:
            return await bots.stateless().ask(said, **asking)

    # A loop in a thread of its own: a notebook's thread has one running already.
    with start_blocking_portal() as portal:
        future = portal.start_task_soon(turn)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise


class _Clients(Protocol):
    async def get(self) -> OpenAIClient: ...
    async def aclose(self) -> None: ...


def _clients_for(settings: Settings, client: OpenAIClient | None) -> _Clients:
    if client is not None:
        return _Given(client)
    if settings.wants_local:
        return _Local(settings)
    if settings.says_where:
        return _Remote(settings)
    raise ConfigurationError(
        "not_configured",
        "There is no model to ask: neither a key nor a base URL is set.",
        hint="Set OPENAI_API_KEY, or OPENAI_BASE_URL or AZURE_OPENAI_ENDPOINT for another server, "
        "or CHATBOTS_LOCAL=1 to answer with the model on this machine.",
    )


class _Given:
    """The application's own client: used, never closed."""

    def __init__(self, client: OpenAIClient) -> None:
        self._client = client

    async def get(self) -> OpenAIClient:
        return self._client

    async def aclose(self) -> None:
        pass


class _Remote:
    """The shared client for the configured server."""

    def __init__(self, settings: Settings) -> None:
        self._shared = SharedClient(_access_of(settings))

    async def get(self) -> OpenAIClient:
        return self._shared.get()

    async def aclose(self) -> None:
        await self._shared.aclose()


def _access_of(settings: Settings) -> Access:
    secret = settings.azure_openai_api_key if settings.azure else settings.openai_api_key
    key = secret.get_secret_value() if secret else None
    if settings.azure is None:
        return Access(
            api_key=key,
            base_url=settings.openai_base_url or OPENAI_URL,
            organization=settings.openai_org_id,
            project=settings.openai_project_id,
        )
    return azure_access(settings.azure, api_key=key, api_version=settings.openai_api_version)


class _Local:
    """A client for the model on this machine; a new one when its process is a new one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._model: LocalModel | None = None
        self._shared: SharedClient | None = None
        self._one_at_a_time = anyio.Lock()

    async def get(self) -> OpenAIClient:
        async with self._one_at_a_time:
            if self._model is None:
                self._model = await local_model(self._settings)
            endpoint = await self._model.endpoint()
            # llama.cpp ends the connection after a stream, without having said that it will.
            access = Access(api_key=endpoint.api_key, base_url=endpoint.base_url, reuse=False)
            if self._shared is None or self._shared.access != access:
                await self._give_back_client()
                self._shared = SharedClient(access)
            return self._shared.get()

    async def aclose(self) -> None:
        await self._give_back_client()
        if self._model is not None:
            await self._model.aclose()

    async def _give_back_client(self) -> None:
        if self._shared is not None:
            await self._shared.aclose()


def weights_of(settings: Settings) -> tuple[WeightStore, Weights]:
    """Return where this machine's weights are, and which of them the local model uses."""
    from chatbots.local.catalog import load
    from chatbots.local.weights import WeightStore

    store = WeightStore(
        cache_folder(settings),
        hub_cache=hub_cache(settings),
        ollama_dir=ollama_folder(settings),
    )
    return store, load()[0]


def find_weights(settings: Settings) -> Path | None:
    """Return the file the local model runs on, or None if it is not on this machine yet.

    May hash a whole file. Raises `ConfigurationError` for a file that cannot be used.
    """
    from chatbots.local.weights import own_file

    if settings.chatbots_local_model is not None:
        return own_file(settings.chatbots_local_model)
    store, weights = weights_of(settings)
    return store.find(weights)


async def local_model(settings: Settings) -> LocalModel:
    """Return the local model, not yet started.

    Raises `ConfigurationError` (`weights_missing`) where its weights are not on this machine.
    """
    from chatbots.local.model import LocalModel

    path = await anyio.to_thread.run_sync(find_weights, settings)
    _, weights = weights_of(settings)
    if path is None:
        raise ConfigurationError(
            "weights_missing",
            f"The local model, {weights.title}, is not on this machine.",
            hint="Fetch it with: chatbots models pull",
        )
    return LocalModel(
        path,
        name=path.stem,
        state_dir=local_state(),
        idle=settings.chatbots_local_idle,
        context=weights.context,
    )
