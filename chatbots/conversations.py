"""What is said about sessions: what there is, where something was said, how much it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from chatbots.messages import Message, Role, SessionId, TurnState

MAX_TITLE: Final = 80
"""Characters of a title."""


class SessionInfo(Struct, frozen=True, kw_only=True):
    """A session, as it is listed.

    `turns` counts those it holds; `created_at` and `changed_at` are Unix seconds;
    `tokens` are those the server counted for its turns, what it read and what it wrote.
    """

    name: SessionId
    turns: int
    created_at: float
    changed_at: float
    title: str
    tokens: int


class Found(Struct, frozen=True, kw_only=True):
    """Where something was said: by whom (`role`), when (`at`, Unix seconds), and the words around.

    `seq` and `request_id` are those of the turn.
    """

    session: SessionId
    seq: int
    request_id: str
    role: Role
    snippet: str
    at: float


class StoreStats(Struct, frozen=True, kw_only=True):
    """How much a store holds; `bytes` is what it takes of the disk, or of the memory."""

    sessions: int
    turns: int
    by_state: Mapping[TurnState, int]
    input_tokens: int
    output_tokens: int
    bytes: int


def title_of(said: Sequence[Message]) -> str:
    """Return the first words of what the user *said*, on one line of 80 characters at most."""
    first = next((m.content for m in said if m.role == "user" and m.content.strip()), "")
    line = " ".join(first[: 8 * MAX_TITLE].split())
    if len(line) <= MAX_TITLE:
        return line
    whole = line[:MAX_TITLE].rpartition(" ")[0]
    return f"{whole or line[: MAX_TITLE - 1]}…"
