"""What all stores do alike: which turns are loaded, what a copy is, how they refuse."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from chatbots.errors import InvalidRequest
from chatbots.messages import Message, SessionId, Turn
from chatbots.sessions.turn import FINAL, recovered


def selected(turns: Sequence[Turn], last: int | None) -> tuple[Turn, ...]:
    """Return of all *turns* of a session those that `load` with *last* returns."""
    if last is None:
        return tuple(turns)
    summed = max((turn.seq for turn in turns if turn.summary is not None), default=0)
    first = len(turns) - last
    return tuple(
        turn
        for number, turn in enumerate(turns)
        if number >= first or turn.pinned or turn.seq == summed
    )


def marked(turn: Turn, *, pinned: bool | None, summary: str | None) -> Turn:
    """Return *turn* with its marks; None leaves one as it is."""
    return replace(
        turn,
        pinned=turn.pinned if pinned is None else pinned,
        summary=turn.summary if summary is None else summary,
    )


def copies(session: SessionId, turns: Sequence[Turn], now: float) -> list[Turn]:
    """Return *turns* as they are restored: of *session*, counted from 1, ended, begun by *now*.

    Raises `InvalidRequest` for no turns, or two of one request id.
    """
    if not turns or len({turn.request_id for turn in turns}) < len(turns):
        why = "two of them have one request id" if turns else "there is none that has ended"
        raise InvalidRequest(
            "invalid_request", f"The session {session!r} cannot be made of these turns: {why}."
        )
    return [
        replace(
            turn if turn.state in FINAL else recovered(turn),
            session=session,
            seq=seq,
            began_at=now if turn.began_at is None else turn.began_at,
        )
        for seq, turn in enumerate(turns, 1)
    ]


def spoken(messages: Sequence[Message]) -> str:
    """Return the text of *messages* that people said or read, to be searched."""
    texts = [m.content for m in messages if m.role in ("user", "assistant") and m.content]
    return "\n".join(texts)


def conflict(request_id: str) -> InvalidRequest:
    """Return the refusal of another question under a request id."""
    return InvalidRequest(
        "request_id_conflict",
        f"The request id {request_id!r} belongs to a turn that asked something else.",
        hint="Give each request an id of its own.",
        param="request_id",
    )


def not_found(session: SessionId, seq: int | None = None) -> InvalidRequest:
    """Return the refusal of a session, or a turn of it, that is not there."""
    what = f"session {session!r}" if seq is None else f"turn {seq} in the session {session!r}"
    return InvalidRequest("session_not_found", f"There is no {what}.", param="session")


def exists(session: SessionId) -> InvalidRequest:
    """Return the refusal of a name that is taken."""
    return InvalidRequest(
        "session_exists",
        f"There is a session {session!r} already.",
        hint="Take another name, or delete that session first.",
        param="session",
    )


def busy(session: SessionId) -> InvalidRequest:
    """Return the refusal to rename what is in use."""
    return InvalidRequest(
        "session_busy",
        f"The session {session!r} has a turn running.",
        hint="Wait for that turn, or stop it.",
        param="session",
    )
