"""Which conversation a program goes on with, and what was left open in it."""

from __future__ import annotations

from chatbots.cli.flags import Remembering
from chatbots.cli.outcome import show, tell
from chatbots.cli.session_lines import exchange, mark, shown
from chatbots.errors import InvalidRequest
from chatbots.interfaces import SessionStore
from chatbots.messages import SessionId, check_session
from chatbots.services.conversation import shelf_of
from chatbots.sessions.turn import FINAL


async def resume(store: SessionStore, flags: Remembering) -> SessionId | None:
    """Return the conversation that *flags* name, None for a new one.

    Where its last turn broke off, that is shown first, with a mark.
    Raises `InvalidRequest` (`session_not_found`) where there is none to continue.
    """
    name = await _newest(store) if flags.newest else flags.session
    if name is None:
        # Asked again under this id, it has to be the same conversation.
        return flags.request_id
    check_session(name)
    for turn in (await store.load(name, last=1))[-1:]:
        asked_again = turn.request_id == flags.request_id
        if turn.state in FINAL and mark(turn) and not asked_again:
            tell(f"The last turn of {shown(name)} is {turn.state}:")
            show(f"{exchange(turn)}\n[{mark(turn)}]")
    return name


async def _newest(store: SessionStore) -> SessionId:
    for session in await shelf_of(store).sessions(limit=1):
        tell(f"This goes on with {shown(session.name)}.")
        return session.name
    raise InvalidRequest(
        "session_not_found",
        "There is no conversation to continue.",
        hint="Begin one without --continue.",
        param="session",
    )
