"""The seams: what each part needs of its neighbours. Read this page first.

Two are values' companions and live with them: `ToolRunner` and `Confirm` in `tool_calls.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias, runtime_checkable

from anyio.abc import ObjectReceiveStream, ObjectSendStream

from chatbots.conversations import Found, SessionInfo, StoreStats
from chatbots.deltas import Delta
from chatbots.embedded import Embeddings, Inputs
from chatbots.messages import (
    FinalState,
    Message,
    ModelAnswer,
    ModelRequest,
    Prompt,
    SessionId,
    Turn,
    UnderWay,
    Usage,
)

Sink: TypeAlias = ObjectSendStream[Delta]
"""Where deltas go. Sending waits while the reader is behind: that is the backpressure."""

Source: TypeAlias = ObjectReceiveStream[Delta]
"""Where deltas come from."""


class ChatService(Protocol):
    """A bot: one way of answering."""

    async def respond(self, prompt: Prompt, out: Sink) -> None:
        """Answer *prompt* into *out*: `body* (Done | Failed)`.

        What can be expected to go wrong is sent as `Failed`; only a bug raises.
        Cancelling stops the turn and closes what it had open upstream; then no terminal is sent.
        *out* stays open: it is the caller's.
        """
        ...


class ChatModel(Protocol):
    """A language model."""

    async def complete(self, request: ModelRequest, out: Sink) -> ModelAnswer:
        """Continue a conversation by one message, narrating into *out* on the way; return it.

        The text sent, joined, equals the text returned.
        Raises `ChatError`; what had been sent by then stands.
        """
        ...


class Embedder(Protocol):
    """A model that turns texts into vectors, close to each other where the meanings are."""

    async def embed(
        self, inputs: Inputs, *, model: str | None = None, dimensions: int | None = None
    ) -> Embeddings:
        """Return a vector for each of *inputs*, however many, in their order.

        *dimensions* is the length of a vector; the model decides if not given.
        Raises `ChatError`; then nothing is returned, not even of what had been embedded.
        """
        ...


class SessionStore(Protocol):
    """Keeps sessions. The turn is the unit: `begin` and `finish` are one transaction each.

    What a turn goes through is the table of `sessions/turn.py`.
    All methods raise `StorageError` when the store cannot do it; then nothing is stored half.
    """

    async def begin(self, session: SessionId, request_id: str, said: Sequence[Message]) -> Turn:
        """Accept a turn and keep what the user *said*, before anything is sent upstream.

        Waits while the session has another turn running; cancelled, it has accepted nothing.
        A *request_id* the session knows makes no second turn: its turn is returned as it is,
        in its final state, or `request_id_conflict` is raised if something else was said then.
        """
        ...

    async def checkpoint(
        self, turn: Turn, answer: Sequence[Message], *, state: UnderWay = "streaming"
    ) -> None:
        """Keep the *answer* as it stands, so that a crash loses little of it.

        `waiting_for_tools` is kept before a tool that the answer calls is run.
        """
        ...

    async def finish(
        self,
        turn: Turn,
        answer: Sequence[Message],
        *,
        state: FinalState,
        reason: str | None = None,
        usage: Usage | None = None,
    ) -> Turn:
        """Keep how the turn ended, and return it; its `seq` is 0 where the session was forgotten.

        Finishing a turn that is final raises `ValueError`.
        """
        ...

    async def load(self, session: SessionId, *, last: int | None = None) -> Sequence[Turn]:
        """Return the session's turns, oldest first; none if there is no such session.

        With *last*: the newest so many, those that are pinned, and the newest with a summary.
        A turn whose process died is `interrupted` with the reason `crashed`.
        """
        ...

    async def mark(
        self,
        session: SessionId,
        seq: int,
        *,
        pinned: bool | None = None,
        summary: str | None = None,
    ) -> None:
        """Pin a turn, or keep the summary up to it; None leaves as it is.

        Raises `InvalidRequest` (`session_not_found`) where there is no such turn.
        """
        ...

    async def forget(self, session: SessionId) -> None:
        """Delete a session and its text; a running turn of it may still finish, into nothing."""
        ...


@runtime_checkable
class SessionShelf(Protocol):
    """What a store can do beside, if people are to browse in it.

    With *within*, only sessions whose names begin so are looked at.
    Raises `InvalidRequest` (`session_not_found`, `session_exists`) and `StorageError`.
    """

    async def sessions(
        self, *, limit: int | None = None, within: str = ""
    ) -> Sequence[SessionInfo]:
        """Return what there is, the session that changed last first."""
        ...

    async def search(
        self,
        text: str,
        *,
        session: SessionId | None = None,
        limit: int = 50,
        within: str = "",
    ) -> Sequence[Found]:
        """Return where every word of *text* was said, or begins a word that was, newest first.

        Only turns that have ended are searched; capitals and small letters are the same.
        """
        ...

    async def rename(self, session: SessionId, to: SessionId) -> None:
        """Give a session another name. Raises `session_busy` while a turn of it is running."""
        ...

    async def fork(
        self, session: SessionId, to: SessionId, *, upto: int | None = None
    ) -> SessionInfo:
        """Begin a session with a copy of the ended turns of another, up to the seq *upto*.

        Raises `InvalidRequest` (`invalid_request`) where that is none.
        """
        ...

    async def restore(self, session: SessionId, turns: Sequence[Turn]) -> None:
        """Make a session of *turns* kept elsewhere; they are counted from 1 again.

        One that had not ended is `interrupted`.
        Raises `InvalidRequest` (`invalid_request`) for no turns, or two of one request id.
        """
        ...

    async def stats(self, *, within: str = "") -> StoreStats:
        """Count what is kept."""
        ...


class Consumer(Protocol):
    """Who reads a reply: a screen, a client's outbox, a loudspeaker."""

    async def consume(self, source: Source) -> None:
        """Read *source* to its end."""
        ...
