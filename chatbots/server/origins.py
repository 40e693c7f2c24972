"""Which names the server answers to, and which web pages may call it.

A browser sends the address of the page as `Origin` (RFC 6454), and no page can change it.
`Host` (RFC 9110, section 7.2) is checked so that a foreign name that resolves to this machine
(DNS rebinding) gets nothing: an address cannot be rebound, a name must be one of ours.
"""

from __future__ import annotations

import re
from ipaddress import IPv6Address, ip_address
from typing import Final, Literal, TypeAlias

from msgspec import Struct

from chatbots.errors import ConfigurationError

Page: TypeAlias = Literal["none", "own", "listed", "foreign"]
"""Who calls: no web page, the server's own, one that the operator has listed, any other."""

_AUTHORITY: Final = re.compile(r"([a-z0-9_.-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?")
_PORTS: Final = {"http": "80", "https": "443"}


class Names(Struct, frozen=True):
    """The server's names beside `localhost` and addresses, and the origins of others' pages."""

    hosts: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()

    def is_host(self, host: str | None) -> bool:
        """Return whether *host*, a `Host` header, names this server."""
        parts = _authority(host or "")
        return parts is not None and (
            parts[0] == "localhost" or parts[0] in self.hosts or _is_address(parts[0])
        )

    def page(self, origin: str | None, host: str | None) -> Page:
        """Return whose page has this *origin*, on a server called *host*."""
        if origin is None:
            return "none"
        scheme, separator, rest = origin.lower().partition("://")
        caller, called = _authority(rest), _authority(host or "")
        if not separator or scheme not in _PORTS or caller is None:
            return "foreign"  # `null` is one: a page in a sandbox, or a file
        if _spelled(scheme, caller) in self.origins:
            return "listed"
        # The scheme is not compared: a proxy in front may speak TLS for us.
        port = _PORTS[scheme]
        same = called is not None and (caller[0], caller[1] or port) == (
            called[0],
            called[1] or port,
        )
        return "own" if same and self.is_host(host) else "foreign"


def names_of(hosts: str, origins: str) -> Names:
    """Return the names in two settings: `a.example,b.example` and `https://a.example,...`.

    Raises `ConfigurationError` (`invalid_setting`) for what is no name, or no origin.
    """
    listed: list[str] = []
    for text in _listed(origins):
        scheme, _, rest = text.partition("://")
        parts = _authority(rest)
        if scheme not in _PORTS or parts is None:
            raise _unusable("server_origins", text, "https://example.com")
        listed.append(_spelled(scheme, parts))
    for text in _listed(hosts):
        parts = _authority(text)
        if parts is None or parts[1]:
            raise _unusable("server_hosts", text, "chat.example.com")
    return Names(frozenset(_listed(hosts)), frozenset(listed))


def _listed(text: str) -> list[str]:
    return [part.strip().lower() for part in text.split(",") if part.strip()]


def _authority(text: str) -> tuple[str, str] | None:
    """Return the name and the port (or nothing) in *text*; None where it is no authority."""
    match = _AUTHORITY.fullmatch(text.lower())
    return None if match is None else (match[1], match[2] or "")


def _spelled(scheme: str, parts: tuple[str, str]) -> str:
    return f"{scheme}://{parts[0]}:{parts[1] or _PORTS[scheme]}"


def _is_address(name: str) -> bool:
    try:
        address = ip_address(name.strip("[]"))
    except ValueError:
        return False
    return isinstance(address, IPv6Address) == name.startswith("[")


def _unusable(name: str, text: str, example: str) -> ConfigurationError:
    return ConfigurationError(
        "invalid_setting",
        f"The setting {name.upper()} cannot be used: {text!r} is not like {example}.",
        param=name,
    )
