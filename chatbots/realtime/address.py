"""Where a realtime session is opened, and as whom: OpenAI, Azure, or any server alike."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from msgspec import Struct

from chatbots.errors import ConfigurationError
from chatbots.realtime.events.event import BETA, GA, Dialect

OPENAI_URL: Final = "https://api.openai.com/v1"

Token: TypeAlias = Callable[[], str | Awaitable[str]]
"""Gives a token whenever a socket is opened: Entra's, which are short-lived, or a client secret."""

_SCHEMES: Final = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}


class Address(Struct, frozen=True, kw_only=True):
    """A server that speaks the Realtime API, and who asks it.

    *key*: an API key or a client secret; a `Token` is sent as `Authorization: Bearer` to Azure
    as well, where a key is an `api-key`. None: no key is sent.
    *base_url*: the REST address, with its `/v1`, or Azure's resource (*azure*); the socket's is
    made of it, unless *realtime_url* says another.
    *api_version*: of Azure's dated API; its v1 API without one.
    Sources: OpenAI's guide "Realtime API with WebSocket"; Microsoft Learn, "GPT Realtime API for
    speech and audio".
    """

    key: str | Token | None = None
    base_url: str = OPENAI_URL
    realtime_url: str | None = None
    azure: bool = False
    api_version: str | None = None
    organization: str | None = None
    project: str | None = None
    dialect: Dialect = GA

    def __repr__(self) -> str:
        return f"Address({self.realtime_url or self.base_url!r})"

    def url(
        self,
        *,
        model: str | None = None,
        session_id: str | None = None,
        call_id: str | None = None,
        intent: str | None = None,
    ) -> str:
        """Return the URL of the socket; what it asks for already is not asked for twice.

        *model* is Azure's deployment; a session made by REST has an id (*session_id*), or a client
        secret, which names its model itself. *call_id*: of a call to listen to.
        Raises `ConfigurationError` (`invalid_setting`) where there is no usable URL.
        """
        dated = self.azure and self.api_version is not None
        scheme, host, path, query = _split(self.realtime_url or self.base_url)
        if self.realtime_url is None:
            path = self._path(path)
        asked = {
            "api-version": self.api_version if dated else None,
            "deployment" if dated else "model": model,
            "session_id": session_id,
            "call_id": call_id,
            "intent": intent,
        }
        fields = dict(parse_qsl(query, keep_blank_values=True))
        fields = {name: value for name, value in asked.items() if value is not None} | fields
        return urlunsplit((scheme, host, path, urlencode(fields, quote_via=quote), ""))

    async def headers(self) -> dict[str, str]:
        """Return the headers of the handshake.

        Raises what a `Token` raises, and `ConfigurationError` (`invalid_setting`) for a value
        that no header may have.
        """
        key = self.key() if callable(self.key) else self.key
        if isinstance(key, Awaitable):
            key = await key
        bare = self.azure and not callable(self.key)
        fields = {
            "Authorization": f"Bearer {key}" if key and not bare else None,
            "api-key": key if bare else None,
            "OpenAI-Organization": self.organization,
            "OpenAI-Project": self.project,
            "OpenAI-Beta": "realtime=v1" if self.dialect == BETA else None,
        }
        for name, value in fields.items():
            if value and not (value.isascii() and value.isprintable()):
                raise ConfigurationError(
                    "invalid_setting",
                    f"What is to be sent as {name} has a character that no header may have.",
                    hint="Check the key, the organization and the project.",
                )
        return {name: value for name, value in fields.items() if value}

    def _path(self, path: str) -> str:
        """Return where the socket is on the server of a REST address with this *path*."""
        path = path.removesuffix("/realtime")
        if not self.azure:
            return f"{path}/realtime"
        resource = path.removesuffix("/v1").removesuffix("/openai")
        return (
            f"{resource}/openai/realtime" if self.api_version else f"{resource}/openai/v1/realtime"
        )


def _split(url: str) -> tuple[str, str, str, str]:
    """Return scheme, host, path and query of the socket at *url*."""
    try:
        parts = urlsplit(url.strip())
        scheme, host = _SCHEMES[parts.scheme], parts.netloc
        if parts.hostname and parts.port != 0 and "@" not in host:
            return scheme, host, parts.path.rstrip("/"), parts.query
    except (KeyError, ValueError):
        pass
    raise ConfigurationError(
        "invalid_setting",
        "The address of the realtime server cannot be used.",
        hint="It begins with https:// or wss:// (http:// or ws:// without TLS), "
        "and has no name or password in it.",
    )
