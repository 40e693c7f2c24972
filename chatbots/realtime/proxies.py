"""Which proxy leads to a server, by the variables everybody knows: HTTPS_PROXY, NO_PROXY, ..."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from typing import Self
from urllib.parse import urlsplit

from msgspec import Struct


class Proxies(Struct, frozen=True, kw_only=True):
    """A proxy's URL (`http://`, `https://`, `socks5://`) for each kind of URL, or None.

    *no*: where none is used: `*`, hosts (with their subdomains, or with a port), addresses and
    networks, separated by commas.
    """

    wss: str | None = None
    ws: str | None = None
    https: str | None = None
    http: str | None = None
    all: str | None = None
    no: str = ""

    def __repr__(self) -> str:
        return "Proxies()" if self == Proxies() else "Proxies(...)"  # they may hold passwords

    @classmethod
    def among(cls, variables: Mapping[str, str]) -> Self:
        """Return what *variables* say, by names such as `https_proxy`; small letters win."""
        lowered = {name.lower(): value for name, value in variables.items() if value}
        lowered |= {name: value for name, value in variables.items() if value and name.islower()}
        if "REQUEST_METHOD" in variables:
            lowered.pop("http_proxy", None)  # a CGI script's HTTP_PROXY is a client's header
        found = {kind: lowered.get(f"{kind}_proxy") for kind in cls.__struct_fields__}
        return cls(**{kind: url for kind, url in found.items() if url})

    def to(self, url: str) -> str | None:
        """Return the proxy for a `ws://` or `wss://` *url*; None where the way is direct."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        secure = parts.scheme == "wss"
        chosen = (self.wss or self.https) if secure else (self.ws or self.http)
        proxy = chosen or self.all
        port = parts.port or (443 if secure else 80)
        if proxy is None or any(_names(entry, host, port) for entry in self.no.split(",")):
            return None
        # As HTTP clients read it: the proxy looks up the name, who asks may be unable to.
        return proxy.replace("socks5://", "socks5h://", 1)


def _names(entry: str, host: str, port: int) -> bool:
    """Tell whether an *entry* of NO_PROXY names the *host*."""
    entry = entry.strip().lower()
    try:
        return ip_address(host) in ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        pass
    name, colon, its_port = entry.rpartition(":")
    if colon and its_port.isdecimal():
        if int(its_port) != port:
            return False
        entry = name.strip("[]")
    domain = entry.removeprefix("*").removeprefix(".")
    return entry == "*" or (domain != "" and f".{host}".endswith(f".{domain}"))
