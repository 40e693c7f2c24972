"""Client secrets: short-lived keys to open realtime sessions with, where a key must not be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import anyio
import msgspec
from msgspec import Struct

from chatbots.errors import ConfigurationError, ProviderError
from chatbots.provider.client import OpenAIClient, shared_by
from chatbots.provider.streamed import senseless

if TYPE_CHECKING:
    from chatbots.provider.transport import Response

MAX_BODY: Final = 1024 * 1024
"""Bytes an answer may have: it repeats the session, its instructions and tools included."""


class ClientSecret(Struct, frozen=True):
    """A key for realtime sessions, to be sent as `Authorization: Bearer`.

    *expires_at*: seconds since 1970. *session*: the configuration as the server has it;
    *session_id* is its id, if it has one.
    """

    value: str
    expires_at: int
    session: Mapping[str, object]

    def __repr__(self) -> str:
        return f"ClientSecret(session_id={self.session_id!r}, expires_at={self.expires_at})"

    @property
    def session_id(self) -> str | None:
        """What a connection may name as the session."""
        found = self.session.get("id")
        return found if isinstance(found, str) else None


async def create_client_secret(
    client: OpenAIClient,
    session: Mapping[str, object],
    *,
    lifetime: int | None = None,
    timeout: float = 30.0,
) -> ClientSecret:
    """Make a secret that opens sessions configured as *session* says, in the dialect of today.

    *lifetime*: seconds, 10 to 7200; the server's default is 600 (API reference, "Create client
    secret"). *timeout*: seconds. Raises `ChatError`.
    """
    body: dict[str, object] = {"session": session}
    if lifetime is not None:
        body["expires_after"] = {"anchor": "created_at", "seconds": lifetime}
    data = await _post(client, "/realtime/client_secrets", body, timeout)
    try:
        return msgspec.json.decode(data, type=ClientSecret)
    except (ValueError, RecursionError) as error:
        raise senseless(str(error)) from None


async def create_session(
    client: OpenAIClient, session: Mapping[str, object], *, timeout: float = 30.0
) -> ClientSecret:
    """Make a session, in the beta dialect, and a secret to open it with. Raises `ChatError`."""
    data = await _post(client, "/realtime/sessions", session, timeout)
    try:
        made = msgspec.json.decode(data, type=dict[str, object])
        secret = msgspec.convert(made.pop("client_secret", None), _Secret)
    except (ValueError, RecursionError) as error:
        raise senseless(str(error)) from None
    return ClientSecret(secret.value, secret.expires_at, made)


class _Secret(Struct):
    value: str
    expires_at: int


async def _post(
    client: OpenAIClient, path: str, body: Mapping[str, object], timeout: float
) -> bytes:
    from chatbots.provider.resilience import foreign_errors
    from chatbots.provider.transport import post, read

    shared = shared_by(client)
    if shared is not None and shared.access.api_version is not None:
        raise ConfigurationError(
            "invalid_setting",
            "Azure's dated API gives no client secrets.",
            hint="Use its v1 API: leave OPENAI_API_VERSION unset.",
        )
    response: Response | None = None
    with anyio.move_on_after(timeout):
        try:
            with foreign_errors(client):
                response = await post(client, path, dict(body))
                data = await read(response, MAX_BODY)
        finally:
            if response is not None:
                await response.aclose()
        if len(data) > MAX_BODY:
            raise senseless(f"it has more than {MAX_BODY:,} bytes")
        return data
    raise ProviderError("upstream_timeout", f"No client secret within {timeout:g} seconds.")
