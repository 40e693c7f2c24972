"""A handle on one remembered conversation: to talk, to look back, to try another way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, Unpack, runtime_checkable

from chatbots.errors import InvalidRequest
from chatbots.flow.bot import Bot
from chatbots.flow.calling import Asking, Said
from chatbots.interfaces import ChatService, SessionShelf, SessionStore
from chatbots.messages import Prompt, SessionId, Turn, check_session
from chatbots.services.recall import Explanation
from chatbots.telemetry import new_session_id


class Conversation(Bot):
    """A `Bot` that remembers in *store*; without a `session=`, a conversation of its own."""

    def __init__(
        self, service: ChatService, store: SessionStore, **defaults: Unpack[Asking]
    ) -> None:
        session = defaults.get("session")
        self._session = new_session_id() if session is None else session
        super().__init__(service, **(defaults | {"session": self._session}))
        self.store = store

    @property
    def session(self) -> SessionId:
        """The conversation the bot's turns belong to."""
        return self._session

    async def history(self, *, last: int | None = None) -> Sequence[Turn]:
        """Return the turns so far, oldest first; see `SessionStore.load` for *last*."""
        return await self.store.load(self.session, last=last)

    async def fork(self, to: SessionId | None = None, *, upto: int | None = None) -> Conversation:
        """Copy the turns that have ended, as far as number *upto*; return a handle on the copy.

        Its name is *to*, or else a new one.
        Raises `InvalidRequest`: `session_not_found` where nothing was said yet,
        `session_exists`, and `invalid_request` for a store that is no `SessionShelf`.
        """
        to = new_session_id() if to is None else to
        check_session(to)
        await shelf_of(self.store).fork(self.session, to, upto=upto)
        return Conversation(self.service, self.store, **(self._defaults | {"session": to}))

    async def explain(
        self, said: Said, *, output_type: object = None, **asking: Unpack[Asking]
    ) -> Explanation:
        """Return what the model would be sent, and what not, if this were asked; it is not.

        Raises `InvalidRequest` for what cannot be asked, and for a service that cannot tell.
        """
        prompt = self.prompt(said, output_type=output_type, **asking)
        return await explainer_of(self.service).explain(prompt)


@runtime_checkable
class Explains(Protocol):
    """A `ChatService` that can tell what it would send."""

    async def explain(self, prompt: Prompt) -> Explanation:
        """Return what would be sent for *prompt*; see `Explanation`."""
        ...


def explainer_of(service: ChatService) -> Explains:
    """Return *service* as what explains itself; raises `InvalidRequest` where it cannot."""
    if isinstance(service, Explains):
        return service
    raise InvalidRequest(
        "invalid_request", f"The service, {type(service).__name__}, cannot tell what it would send."
    )


def shelf_of(store: SessionStore) -> SessionShelf:
    """Return *store* as what can be browsed; raises `InvalidRequest` where it cannot be."""
    if isinstance(store, SessionShelf):
        return store
    raise InvalidRequest(
        "invalid_request",
        f"The store, {type(store).__name__}, keeps sessions but cannot list, search or fork them.",
        hint="Give it the methods of SessionShelf, or use SQLiteSessions.",
        param="store",
    )
