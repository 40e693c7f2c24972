"""Who may come in, and what a caller may do: the seam that the guards stand behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from chatbots.interfaces import SessionStore
from chatbots.messages import Usage


class Caller(Protocol):
    """Somebody who was let in, with one socket or one request over HTTP.

    Every message is counted in by `begin`, and out by `end` exactly once if that let it.
    """

    @property
    def user(self) -> str | None:
        """Who it is; None where nobody is told apart."""
        ...

    @property
    def subprotocol(self) -> str | None:
        """The WebSocket subprotocol to answer with (RFC 6455, section 4.2.2), if any."""
        ...

    def scope(self, store: SessionStore) -> SessionStore:
        """Return *store* as far as this caller may see it, by the names the caller gives."""
        ...

    def begin(self, kind: str) -> None:
        """Count in a request of a *kind* such as `chat_completion`.

        Raises `AccessDenied` where it is one too many, or the day's tokens are spent.
        """
        ...

    def end(self, kind: str, usage: Usage | None) -> None:
        """Count a request out that has begun, however it ended, and what it cost."""
        ...

    def leave(self) -> None:
        """Give back what being let in took: the socket has gone."""
        ...


class Guard(Protocol):
    """Lets callers in, before a socket is opened or a route answers."""

    def admit(
        self, headers: Mapping[str, Sequence[str]], *, path: str, peer: str | None, socket: bool
    ) -> Caller:
        """Return the caller, by its *headers*: their names in lower case, all values of each.

        *path* is below the server's own root, *peer* the address of the other end, and *socket*
        says whether it wants one. Raises `AccessDenied`; its code has the HTTP status.
        """
        ...


class Anybody:
    """The caller that an `OpenDoor` lets in: one who may do everything."""

    user: str | None = None
    subprotocol: str | None = None

    def scope(self, store: SessionStore) -> SessionStore:
        """Return the whole *store*."""
        return store

    def begin(self, kind: str) -> None:
        """Allow it."""

    def end(self, kind: str, usage: Usage | None) -> None:
        """Count nothing."""

    def leave(self) -> None:
        """Give back nothing."""


class OpenDoor:
    """A `Guard` that lets everybody in: for an application that has its own in front."""

    def admit(
        self,
        headers: Mapping[str, Sequence[str]],  # noqa: ARG002 - a guard's
        *,
        path: str,  # noqa: ARG002 - as above
        peer: str | None,  # noqa: ARG002 - as above
        socket: bool,  # noqa: ARG002 - as above
    ) -> Caller:
        """Let in whoever it is."""
        return Anybody()
