"""Which client to ask with: the application's own, the configured server's, the local model's."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol
from zlib import crc32

import anyio
import anyio.to_thread
from msgspec.structs import replace

from chatbots.errors import ConfigurationError
from chatbots.places import cache_folder, hub_cache, local_state, ollama_folder
from chatbots.provider.client import OPENAI_URL, Access, OpenAIClient, SharedClient, azure_access
from chatbots.settings import Settings, environment

if TYPE_CHECKING:
    from chatbots.local.catalog import Weights
    from chatbots.local.model import LocalModel
    from chatbots.local.weights import WeightStore
    from chatbots.realtime.address import Address
    from chatbots.realtime.transport import WebSocketDialer
    from chatbots.services.realtime import RealtimeClient
    from chatbots.tool_calls import Confirm


HERE: Final = "http://127.0.0.1/v1"
"""What stands for the speech stack until its port is known."""


class Clients(Protocol):
    """Where a client comes from, and goes."""

    async def get(self) -> OpenAIClient:
        """Return the client to ask with now."""
        ...

    async def aclose(self) -> None:
        """Give back what was made. May be called again."""
        ...


def clients_for(settings: Settings, client: OpenAIClient | None) -> Clients:
    """Return where the client comes from: the application's own *client*, or the *settings*.

    Raises `ConfigurationError` (`not_configured`) where there is nobody to ask.
    """
    if client is not None:
        return _Given(client)
    if settings.wants_local:
        return Local(settings)
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
        access = Access(
            api_key=key,
            base_url=settings.openai_base_url or OPENAI_URL,
            organization=settings.openai_org_id,
            project=settings.openai_project_id,
        )
    else:
        access = azure_access(settings.azure, api_key=key, api_version=settings.openai_api_version)
    return replace(
        access,
        connect_timeout=settings.chatbots_connect_timeout,
        max_connections=settings.chatbots_max_connections,
    )


def speaks_here(settings: Settings) -> bool:
    """Whether realtime sessions are held with the speech stack on this machine."""
    named = settings.says_where or settings.openai_realtime_url
    return settings.wants_local or not named


def realtime_address(settings: Settings) -> Address:
    """Return where realtime sessions are opened, and as whom.

    Where nobody else is named, that is this machine's speech stack: `realtime_dialer` finds it.
    Raises `ConfigurationError` (`not_configured`) for an Azure resource without a key.
    """
    from chatbots.realtime.address import Address

    if speaks_here(settings):
        return Address(base_url=HERE)
    access = _access_of(settings)
    return Address(
        key=access.api_key,
        base_url=access.base_url,
        realtime_url=settings.openai_realtime_url,
        azure=access.azure,
        api_version=access.api_version,
        organization=access.organization,
        project=access.project,
        dialect=settings.openai_realtime_dialect,
    )


def realtime_dialer(settings: Settings) -> WebSocketDialer:
    """Return what opens the sockets of realtime sessions, by the proxies of the environment.

    What leads to this machine's own speech stack is a `SpeechDialer`, to be closed.
    """
    from chatbots.realtime.proxies import Proxies
    from chatbots.realtime.transport import Limits
    from chatbots.realtime.websockets_transport import WebSocketsDialer

    if speaks_here(settings):
        from chatbots.speech.dialing import SpeechDialer

        return SpeechDialer(partial(local_speech, settings), WebSocketsDialer())
    limits = Limits(open=settings.chatbots_connect_timeout)
    return WebSocketsDialer(limits, proxies=Proxies.among(environment()))


def realtime_client(
    settings: Settings,
    dialer: WebSocketDialer,
    *,
    tools: Iterable[object] | None = None,
    on_confirm: Confirm | None = None,
) -> RealtimeClient:
    """Return what opens realtime sessions, with the patience that other answers get."""
    from chatbots.realtime.patience import Patience
    from chatbots.services.realtime import RealtimeClient

    return RealtimeClient(
        address=realtime_address(settings),
        model=settings.openai_realtime_model,
        tools=tools,
        on_confirm=on_confirm,
        dialer=dialer,
        patience=Patience(
            first_delta=settings.chatbots_first_token_timeout,
            gap=settings.chatbots_gap_timeout,
            response=settings.chatbots_timeout,
        ),
    )


class Local:
    """A client for the model on this machine; a new one when its process is a new one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._model: LocalModel | None = None
        self._shared: SharedClient | None = None
        self._one_at_a_time = anyio.Lock()

    async def get(self) -> OpenAIClient:
        """Return a client for the process that answers now, starting one if there is none."""
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
        """Give back the client and the process."""
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

    path = await anyio.to_thread.run_sync(_found, settings)
    _, weights = weights_of(settings)
    return LocalModel(
        path,
        name=path.stem,
        state_dir=local_state(),
        idle=settings.chatbots_local_idle,
        context=weights.context,
    )


def _found(settings: Settings, also: str = "") -> Path:
    path = find_weights(settings)
    if path is None:
        raise ConfigurationError(
            "weights_missing",
            f"The local model, {weights_of(settings)[1].title}, is not on this machine.",
            hint=f"Fetch it with: chatbots models pull{also}",
        )
    return path


async def local_speech(settings: Settings) -> LocalModel:
    """Return the speech stack of this machine, not yet started: a helper process like the model's.

    Raises `ConfigurationError` (`extra_missing`, `weights_missing`) where something is not here.
    """
    import msgspec

    from chatbots.local.model import LocalModel
    from chatbots.speech.files import check_packages, needs_of
    from chatbots.speech.helper import PROGRAM

    check_packages()
    store, weights = weights_of(settings)
    model = await anyio.to_thread.run_sync(_found, settings, " --speech")
    needs = await anyio.to_thread.run_sync(needs_of, store, model)
    told = msgspec.json.encode(needs)
    return LocalModel(
        Path(needs.voice),
        name=f"speech-{model.stem}-{crc32(told):08x}",  # with another voice it is another helper
        state_dir=local_state(),
        idle=settings.chatbots_local_idle,
        context=weights.context,
        program=(*PROGRAM, told.decode()),
    )
