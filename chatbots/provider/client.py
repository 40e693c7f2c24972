"""The one shared OpenAI client: made on first use, closed by its last user.

Everyone on one event loop who asks with equal `Access` gets the same client, and with it the same
connections. Two event loops never share. This is the package's only module state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from anyio.lowlevel import RunVar
from msgspec import Struct

if TYPE_CHECKING:
    import httpx2
    from openai import AsyncOpenAI

OpenAIClient: TypeAlias = "AsyncOpenAI"
"""What other rooms call it: none but this one says the package's name."""

OPENAI_URL: Final = "https://api.openai.com/v1"

CONNECT_TIMEOUT: Final = 5.0
READ_TIMEOUT: Final = 600.0
"""Seconds between two reads; the deadline of a turn is the turn's, and shorter."""
WRITE_TIMEOUT: Final = 30.0
POOL_TIMEOUT: Final = 10.0
KEEPALIVE: Final = 60.0
"""Seconds an idle connection is kept; the SDK's 5 cost a person who thinks a new handshake."""


class Access(Struct, frozen=True, kw_only=True):
    """Where and as whom to ask; without a key, no `Authorization` header is sent.

    *reuse*: whether a connection serves several requests.
    """

    api_key: str | None
    base_url: str = OPENAI_URL
    organization: str | None = None
    project: str | None = None
    reuse: bool = True


class _Shared(Struct):
    client: AsyncOpenAI
    users: int


_clients: Final[RunVar[dict[Access, _Shared]]] = RunVar("chatbots_openai_clients")


class SharedClient:
    """One user's hold on the shared client for *access*; to be closed when done."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self._held: _Shared | None = None

    def get(self) -> AsyncOpenAI:
        """Return the client, making it if nobody has yet."""
        if self._held is None:
            clients = _on_this_loop()
            shared = clients.get(self.access)
            if shared is None:
                shared = clients[self.access] = _Shared(_make(self.access), 0)
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
            await held.client.close()


def _on_this_loop() -> dict[Access, _Shared]:
    try:
        return _clients.get()
    except LookupError:
        clients: dict[Access, _Shared] = {}
        _clients.set(clients)
        return clients


def _make(access: Access) -> AsyncOpenAI:
    import httpx2
    from openai import AsyncOpenAI, DefaultAsyncHttpxClient

    client = AsyncOpenAI(
        # The SDK insists on a key even where none is to be sent.
        api_key=access.api_key or "none",
        base_url=access.base_url,
        # One policy decides about retries (resilience.py); two would multiply.
        max_retries=0,
        http_client=DefaultAsyncHttpxClient(
            # A redirect would take the whole prompt to another origin.
            follow_redirects=False,
            event_hooks={"request": [] if access.api_key else [_leave_out_key]},
            timeout=httpx2.Timeout(
                connect=CONNECT_TIMEOUT, read=READ_TIMEOUT, write=WRITE_TIMEOUT, pool=POOL_TIMEOUT
            ),
            limits=httpx2.Limits(
                max_connections=1000,
                max_keepalive_connections=100 if access.reuse else 0,
                keepalive_expiry=KEEPALIVE,
            ),
        ),
    )
    # Set here, not above: where it is given None the SDK would read the environment.
    client.organization = access.organization
    client.project = access.project
    return client


async def _leave_out_key(request: httpx2.Request) -> None:
    del request.headers["authorization"]
