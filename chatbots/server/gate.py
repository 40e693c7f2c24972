"""The guard of a server: who comes in from where, by which token, and what is theirs."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from hmac import compare_digest
from time import monotonic
from typing import Final

from chatbots import telemetry
from chatbots.errors import AccessDenied, ConfigurationError
from chatbots.interfaces import SessionStore
from chatbots.messages import Usage
from chatbots.server.access import Anybody, Caller
from chatbots.server.credentials import Shown, shown_in
from chatbots.server.exposure import is_loopback
from chatbots.server.members import Limits, Member, Members
from chatbots.server.origins import Names, Page
from chatbots.server.quota import Ledger
from chatbots.server.tokens import TokenFile
from chatbots.sessions.scoped import scoped

UNGUARDED: Final = frozenset({"/health"})
"""Paths for whoever looks after the machine: no name, no origin and no token is asked for."""

WITHOUT_TOKEN: Final = frozenset({"/"})
"""Paths that a browser opens before it could show a token."""


class Gate:
    """A `Guard` by names, origins, tokens and limits.

    Without *tokens* everybody is let in, but a web page only with the `page_token`: the server's
    own page carries it, and no other can read it. *limits* hold for users, and without tokens for
    addresses other than this machine's; what is spent is counted in *ledger*.
    *clock* tells seconds, and never goes back.
    """

    def __init__(
        self,
        *,
        names: Names | None = None,
        tokens: TokenFile | None = None,
        ledger: Ledger | None = None,
        limits: Limits | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.page_token = secrets.token_urlsafe(32)
        self._names = names or Names()
        self._tokens = tokens
        self._members = Members(limits or Limits(), ledger, clock=clock)

    def admit(
        self, headers: Mapping[str, Sequence[str]], *, path: str, peer: str | None, socket: bool
    ) -> Caller:
        """Return the caller; see `Guard.admit`."""
        if path in UNGUARDED:
            return Anybody()
        shown = shown_in(headers)
        page = self._check_place(shown)
        user = None if path in WITHOUT_TOKEN else self._check_token(shown, page)
        # No user's name begins so.
        stranger = f"@{peer}" if peer is not None and not is_loopback(peer) else None
        name = user or stranger
        member = None if name is None else self._members.of(name)
        return Admitted(shown, user=user, member=member, tokens=self._tokens, socket=socket)

    def _check_place(self, shown: Shown) -> Page:
        if not self._names.is_host(shown.host):
            raise AccessDenied(
                "host_not_allowed",
                f"This server is not called {shown.host!r}.",
                hint="Its operator lists its names in SERVER_HOSTS.",
            )
        page = self._names.page(shown.origin, shown.host)
        if page == "foreign":
            raise AccessDenied(
                "origin_not_allowed",
                f"Pages of {shown.origin!r} may not connect to this server.",
                hint="Its operator lists those that may in SERVER_ORIGINS.",
            )
        return page

    def _check_token(self, shown: Shown, page: Page) -> str | None:
        """Return whose token is shown; None where nobody is told apart."""
        token = shown.token or ""
        if self._tokens is not None:
            user = _user_of(self._tokens, token)
            if user is None:
                raise AccessDenied(
                    "unauthorized",
                    "The token is not valid." if token else "A token is needed.",
                    hint="Send `Authorization: Bearer TOKEN`, or, from a web page, offer the "
                    "subprotocols `chatbots` and `bearer.TOKEN`.",
                )
            return user
        if page == "own" and not compare_digest(token.encode(), self.page_token.encode()):
            raise AccessDenied(
                "unauthorized",
                "A web page needs the token that the server's own page carries.",
                hint="A program sends no Origin; pages of others are listed in SERVER_ORIGINS.",
            )
        return None


class Admitted:
    """A `Caller` that a `Gate` has let in; *member* is None for who has no limits."""

    def __init__(
        self,
        shown: Shown,
        *,
        user: str | None,
        member: Member | None,
        tokens: TokenFile | None,
        socket: bool,
    ) -> None:
        self.user = user
        self.subprotocol = shown.subprotocol
        self._token = shown.token or ""
        self._tokens = tokens
        self._member = member
        self._entered = socket and member is not None
        if socket and member is not None:
            member.enter()

    def scope(self, store: SessionStore) -> SessionStore:
        """Return the part of *store* that is the user's; all of it where nobody is told apart."""
        return store if self.user is None else scoped(store, f"{self.user}/")

    def begin(self, kind: str) -> None:
        """Count in a request; see `Caller.begin`. A token that was revoked counts at once."""
        if self._tokens is not None and _user_of(self._tokens, self._token) != self.user:
            raise AccessDenied("unauthorized", "The token was revoked.")
        if self._member is not None:
            self._member.begin(kind)

    def end(self, kind: str, usage: Usage | None) -> None:
        """Count a request out, and what it cost."""
        if self._member is not None:
            self._member.end(kind, usage)

    def leave(self) -> None:
        """Give the socket back."""
        if self._entered and self._member is not None:
            self._member.leave()
            self._entered = False


def _user_of(tokens: TokenFile, token: str) -> str | None:
    """Return whose *token* it is; while the file cannot be used, nobody's, and the log says why."""
    try:
        return tokens.user_of(token)
    except ConfigurationError as error:
        telemetry.emit("error", "server.tokens", error=str(error))
        return None
