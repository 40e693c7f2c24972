"""Where a caller says who it is: in a header, or, from a web page, among the subprotocols."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from chatbots.errors import AccessDenied

SUBPROTOCOL: Final = "chatbots"
"""What the server speaks; a client that offers subprotocols at all must offer this one too."""

BEARER: Final = "bearer."
"""Before the token, in the subprotocol that carries it: a browser lets a page set no header."""


class Shown(Struct, frozen=True):
    """What the headers of a request say.

    `subprotocol` is the one to answer with: never the one that carries the token.
    """

    host: str | None
    origin: str | None
    token: str | None
    subprotocol: str | None


def shown_in(headers: Mapping[str, Sequence[str]]) -> Shown:
    """Return what *headers* say (RFC 6750, section 2.1; RFC 6455, section 11.3.4).

    Raises `AccessDenied` where one that decides comes twice: a proxy may have read the other.
    """
    lists = headers.get("sec-websocket-protocol", ())
    offered = [part.strip() for line in lists for part in line.split(",")]
    scheme, _, token = (_single(headers, "authorization") or "").partition(" ")
    bearer = next((part.removeprefix(BEARER) for part in offered if part.startswith(BEARER)), None)
    return Shown(
        host=_single(headers, "host"),
        origin=_single(headers, "origin"),
        token=token.strip() if scheme.lower() == "bearer" else bearer,
        subprotocol=SUBPROTOCOL if SUBPROTOCOL in offered else None,
    )


def _single(headers: Mapping[str, Sequence[str]], name: str) -> str | None:
    values = headers.get(name, ())
    if len(values) > 1:
        raise AccessDenied("unauthorized", f"The request has {len(values)} headers {name.title()}.")
    return values[0].strip() if values else None
