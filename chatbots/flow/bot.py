"""A handle on a service, bound to one conversation."""

from __future__ import annotations

from typing import Unpack

from chatbots.flow.calling import Asking, Said, Stream, ask, make_prompt, stream
from chatbots.interfaces import ChatService
from chatbots.messages import Prompt, Reply, SessionId


class Bot:
    """A bot to talk to: a `ChatService`, and keywords of `ask` that hold for every turn.

    Bound to a `session`, all its turns belong to that conversation.
    What a call names itself wins.
    """

    def __init__(self, service: ChatService, **defaults: Unpack[Asking]) -> None:
        self.service = service
        self._defaults = defaults

    @property
    def session(self) -> SessionId | None:
        """The conversation the bot's turns belong to."""
        return self._defaults.get("session")

    def prompt(self, said: Said, **asking: Unpack[Asking]) -> Prompt:
        """Return what `ask` and `stream` would send to the service."""
        return make_prompt(said, **(self._defaults | asking))

    async def ask(self, said: Said, **asking: Unpack[Asking]) -> Reply:
        """Ask and return the whole answer; raises the `ChatError` of a turn that failed."""
        return await ask(self.service, said, **(self._defaults | asking))

    def stream(self, said: Said, **asking: Unpack[Asking]) -> Stream:
        """Ask and read the answer as it forms: `async with bot.stream(...) as s`."""
        return stream(self.service, said, **(self._defaults | asking))
