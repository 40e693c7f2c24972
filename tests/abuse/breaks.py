"""Guards, switched off one at a time: without its guard the table has to show what comes through.

Nothing in the package knows of this: each puts something else in the place of a guard.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final, NamedTuple
from unittest import mock

from chatbots.server import gate, members
from chatbots.server.connection import Connection
from chatbots.server.members import Member
from chatbots.server.origins import Names
from chatbots.server.outbox import Outbox
from chatbots.server.quota import Ledger
from chatbots.server.rates import TokenBucket
from chatbots.server.tokens import TokenFile
from tests.abuse import house, leaking

FOR_EVER: Final = 3600.0


class Break(NamedTuple):
    """A guard to be switched off: what it is for, how, and the cases that show it."""

    about: str
    off: Callable[[], AbstractContextManager[object]]
    cases: tuple[str, ...]


def patched(
    place: object, name: str, value: object
) -> Callable[[], AbstractContextManager[object]]:
    """Return what puts *value* in the place of a guard."""
    return lambda: mock.patch.object(place, name, value)


@contextmanager
def send_deadline_off() -> Generator[None]:
    """Wait for readers as long as they like."""
    make = Outbox.__init__

    def made(self: Outbox, send: Any, **more: Any) -> None:
        make(self, send, **{**more, "within": FOR_EVER})

    with mock.patch.object(Outbox, "__init__", made):
        yield


def _everybody(self: TokenFile, token: str) -> str | None:
    return "ada"


BREAKS: Final = {
    "tokens": Break(
        "a token is not looked at: everybody is ada",
        patched(TokenFile, "user_of", _everybody),
        ("no_valid_token", "revoked_while_open"),
    ),
    "origins": Break(
        "every page may connect",
        patched(Names, "page", lambda self, origin, host: "listed"),
        ("foreign_pages", "pages_without_the_token"),
    ),
    "hosts": Break(
        "the server answers to every name",
        patched(Names, "is_host", lambda self, host: True),
        ("rebound_names",),
    ),
    "scope": Break(
        "all users share one store",
        patched(gate, "scoped", lambda store, prefix: store),
        ("anothers_session",),
    ),
    "rates": Break(
        "a message never waits",
        patched(TokenBucket, "take", lambda self, now: 0.0),
        ("too_many_messages",),
    ),
    "sockets": Break(
        "a user may have any number of sockets",
        patched(Member, "enter", lambda self: None),
        ("too_many_sockets",),
    ),
    "turns": Break(
        "what costs tokens is taken for free",
        patched(members, "FREE", frozenset({"chat_completion", "chat_completion_stream"})),
        ("too_many_turns", "spent_quota"),
    ),
    "quota": Break(
        "nothing is counted as spent",
        patched(Ledger, "spend", lambda self, user, tokens: None),
        ("spent_quota",),
    ),
    "in_flight": Break(
        "a socket may have any number of requests running",
        patched(Connection, "_check", lambda self, call: None),
        ("many_in_one_write",),
    ),
    "handshake": Break(
        "who says nothing is held for ever",
        patched(house, "SOON", FOR_EVER),
        ("half_open",),
    ),
    "send_deadline": Break(
        "who reads nothing is held for ever", send_deadline_off, ("a_reader_that_stops",)
    ),
    "exposure": Break(
        "the server starts wherever it is told to",
        patched(
            leaking, "PRELUDE",
            "import chatbots.server.exposure as e; e.check_exposure = lambda *a, **k: None",
        ),
        ("open_to_strangers",),
    ),
    "redaction": Break(
        "what the model's server says is shown as it is",
        patched(
            leaking, "PRELUDE", "import chatbots.telemetry as t; t.redact = lambda text, *k: text"
        ),
        ("the_keys",),
    ),
}  # fmt: skip
