"""The one shared OpenAI client: made on first use, closed by its last user.

Everyone on one event loop who asks with equal `Access` gets the same client, and with it the same
connections. Two event loops never share. This is the package's only module state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from anyio.lowlevel import RunVar
from msgspec import Struct, field

from chatbots.errors import ConfigurationError
from chatbots.version import installing

if TYPE_CHECKING:
    import ssl

    import httpx2
    from openai import AsyncOpenAI

    from chatbots.provider.pool import Pool

OpenAIClient: TypeAlias = "AsyncOpenAI"
"""What other rooms call it: none but this one says the package's name."""

OPENAI_URL: Final = "https://api.openai.com/v1"

MAX_CONNECTIONS: Final = 1000
CONNECT_TIMEOUT: Final = 5.0
READ_TIMEOUT: Final = 600.0
"""Seconds between two reads; the deadline of a turn is the turn's, and shorter."""
WRITE_TIMEOUT: Final = 30.0
POOL_TIMEOUT: Final = 10.0
KEEPALIVE: Final = 60.0
"""Seconds an idle connection is kept; the SDK's 5 cost a person who thinks a new handshake."""


class Access(Struct, frozen=True, kw_only=True):
    """Where and as whom to ask; without a key, no header with one is sent.

    *azure*: the key goes into the header `api-key`, and *api_version*, if any, into dated URLs.
    *reuse*: whether a connection serves several requests. *connect_timeout*: seconds.
    *max_connections*: at the same time; further requests wait for one.
    """

    api_key: str | None
    base_url: str = OPENAI_URL
    organization: str | None = None
    project: str | None = None
    azure: bool = False
    api_version: str | None = None
    reuse: bool = True
    connect_timeout: float = CONNECT_TIMEOUT
    max_connections: int = MAX_CONNECTIONS

    @property
    def bears_key(self) -> bool:
        """Whether the key is sent as `Authorization: Bearer`."""
        return self.api_key is not None and not self.azure


def azure_access(endpoint: str, *, api_key: str | None, api_version: str | None) -> Access:
    """Return the access to an Azure OpenAI resource: its v1 API, or the dated one of a version.

    Source: Microsoft Learn, "Azure OpenAI in Microsoft Foundry Models v1 API".
    Raises `ConfigurationError` (`not_configured`) without a key.
    """
    if api_key is None:
        raise ConfigurationError(
            "not_configured",
            f"There is no key for {endpoint}.",
            hint="Set AZURE_OPENAI_API_KEY, or hand over an AsyncAzureOpenAI of your own.",
        )
    resource = endpoint.rstrip("/").removesuffix("/openai/v1")
    base_url = f"{resource}/openai" if api_version else f"{resource}/openai/v1"
    return Access(api_key=api_key, base_url=base_url, azure=True, api_version=api_version)


class Shared(Struct):
    """A client, how many use it, and our connections to its server (None: a proxy is between).

    `heads` are those of requests that went over them, by their path.
    """

    client: AsyncOpenAI
    access: Access
    pool: Pool | None
    users: int = 0
    heads: dict[str, bytes] = field(default_factory=dict[str, bytes])


_clients: Final[RunVar[dict[Access, Shared] | None]] = RunVar("chatbots_openai_clients", None)


def shared_by(client: AsyncOpenAI) -> Shared | None:
    """Return what is shared together with *client*; None for a client that was not made here."""
    return next((shared for shared in _on_this_loop().values() if shared.client is client), None)


def speaks_openai(client: AsyncOpenAI) -> bool:
    """Whether *client* asks OpenAI itself, or Azure, and not a server that is compatible."""
    from openai import AsyncAzureOpenAI

    if isinstance(client, AsyncAzureOpenAI):
        # The last stable version of the dated API does not know `max_completion_tokens` yet
        # (Azure/azure-rest-api-specs, AzureOpenAI/inference).
        return str(client.default_query.get("api-version")) > "2024-10-21"
    shared = shared_by(client)
    azure = shared is not None and shared.access.azure
    return azure or str(client.base_url).rstrip("/") == OPENAI_URL


class SharedClient:
    """One user's hold on the shared client for *access*; to be closed when done."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self._held: Shared | None = None

    def get(self) -> AsyncOpenAI:
        """Return the client, making it if nobody has yet."""
        if self._held is None:
            clients = _on_this_loop()
            shared = clients.get(self.access)
            if shared is None:
                shared = clients[self.access] = _make(self.access)
            shared.users += 1
            self._held = shared
        return self._held.client

    async def aclose(self) -> None:
        """Give the client back; the last user closes its connections. May be called again."""
        held, self._held = self._held, None
        if held is None:
            return
        held.users -= 1
        if held.users == 0:
            _on_this_loop().pop(self.access, None)
            if held.pool is not None:
                held.pool.close()
            await held.client.close()


def _on_this_loop() -> dict[Access, Shared]:
    clients = _clients.get()
    if clients is None:
        clients = dict[Access, Shared]()
        _clients.set(clients)
    return clients


def _make(access: Access) -> Shared:
    import httpx2
    from openai import AsyncAzureOpenAI, AsyncOpenAI

    # The system's certificates, or those of SSL_CERT_FILE and SSL_CERT_DIR.
    tls = httpx2.create_ssl_context()
    limits = httpx2.Limits(
        max_connections=access.max_connections,
        max_keepalive_connections=100 if access.reuse else 0,
        keepalive_expiry=KEEPALIVE,
    )
    http = _http(access, tls, limits)
    # The SDK insists on a key even where none is to be sent.
    key = access.api_key or "none"
    # One policy decides about retries (resilience.py); two would multiply.
    client = (
        AsyncOpenAI(
            api_key=key,
            base_url=access.base_url,
            default_headers={"api-key": key} if access.azure else None,
            max_retries=0,
            http_client=http,
        )
        if access.api_version is None
        else AsyncAzureOpenAI(
            api_key=key,
            base_url=access.base_url,
            api_version=access.api_version,
            max_retries=0,
            http_client=http,
        )
    )
    # Set here, not above: where it is given None the SDK would read the environment.
    client.organization = access.organization
    client.project = access.project
    return Shared(client, access, _pool(http, client.base_url, tls, limits))


def _http(access: Access, tls: ssl.SSLContext, limits: httpx2.Limits) -> httpx2.AsyncClient:
    import httpx2
    from openai import DefaultAsyncHttpxClient

    try:
        return DefaultAsyncHttpxClient(
            # A redirect would take the whole prompt to another origin.
            follow_redirects=False,
            event_hooks={"request": [] if access.bears_key else [_leave_out_key]},
            timeout=httpx2.Timeout(
                connect=access.connect_timeout,
                read=READ_TIMEOUT,
                write=WRITE_TIMEOUT,
                pool=POOL_TIMEOUT,
            ),
            limits=limits,
            verify=tls,
        )
    except ImportError as error:
        raise ConfigurationError(
            "extra_missing",
            "The environment names a SOCKS proxy, which needs socksio, which is not installed.",
            hint=f"Install it with: {installing('socks')}",
        ) from error
    except (ValueError, httpx2.InvalidURL) as error:
        raise ConfigurationError(
            "invalid_setting",
            "The environment names a proxy whose address cannot be used.",
            hint="Check HTTP_PROXY, HTTPS_PROXY and ALL_PROXY: http://, https:// or socks5://.",
        ) from error


def _pool(
    http: httpx2.AsyncClient, url: httpx2.URL, tls: ssl.SSLContext, limits: httpx2.Limits
) -> Pool | None:
    """Make connections of our own, unless the way to *url* is one only httpx2 knows."""
    from chatbots.provider.pool import Pool

    # What httpx2 made of HTTP_PROXY, NO_PROXY and the like; should it be called otherwise one day,
    # a proxy cannot be ruled out.
    ways: dict[Any, object] | None = vars(http).get("_mounts")
    if ways is None or next((way for place, way in ways.items() if place.matches(url)), None):
        return None
    if url.userinfo or url.query or url.scheme not in ("http", "https"):
        return None
    return Pool(url, tls if url.scheme == "https" else None, limits)


async def _leave_out_key(request: httpx2.Request) -> None:
    request.headers.pop("authorization", None)
