"""A conversation as a file: JSON that can be read back whole, or Markdown for people."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec
from msgspec import Struct

from chatbots.cli.session_lines import asked_in, mark, plain, shown, when
from chatbots.errors import InvalidRequest
from chatbots.messages import SessionId, Turn, check_name


class Exported(Struct, frozen=True, kw_only=True):
    """A conversation in a file; `version` changes when older programs could not read it."""

    format: Literal["chatbots-session"] = "chatbots-session"
    version: Literal[1] = 1
    session: SessionId
    turns: tuple[Turn, ...]


def to_json(session: SessionId, turns: Sequence[Turn]) -> str:
    """Return a conversation as `from_json` reads it."""
    data = msgspec.json.encode(Exported(session=session, turns=tuple(turns)))
    return msgspec.json.format(data).decode()


def from_json(data: bytes) -> Exported:
    """Return the conversation in *data*; raises `InvalidRequest` where there is none."""
    try:
        exported = msgspec.json.decode(data, type=Exported)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(
            "invalid_request",
            f"The file holds no exported conversation: {error}.",
            hint="`chatbots sessions export NAME` writes one.",
        ) from error
    for turn in exported.turns:
        check_name(turn.request_id, "request_id")
    return exported


def to_markdown(session: SessionId, turns: Sequence[Turn]) -> Iterator[str]:
    """Yield a page of *turns* for people, piece by piece.

    Each text is a code block: whatever is in it, the page keeps its form.
    """
    yield f"# {_escaped(session)}\n"
    for turn in turns:
        parts = [str(turn.seq), when(turn.began_at), _escaped(mark(turn))]
        yield f"\n## {' · '.join(part for part in parts if part)}\n"
        for who, text in (("User", asked_in(turn)), ("Assistant", turn.text)):
            if text:
                yield f"\n**{who}**\n\n{_fenced(plain(text))}"


def _escaped(text: str) -> str:
    """Return *text* for a heading, where nothing of it is Markdown (CommonMark 0.31, 2.4)."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", shown(text))


def _fenced(text: str) -> str:
    """Return *text* in a fence longer than any in it (CommonMark 0.31, 4.5)."""
    runs = map(len, re.findall("`+", text))
    fence = "`" * max(3, 1 + max(runs, default=0))
    return f"{fence}text\n{text}\n{fence}\n"
