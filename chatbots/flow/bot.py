"""A handle on a service, bound to one conversation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack, overload

from chatbots.flow.calling import Asking, JsonShape, Said, Stream, answer, make_prompt, tools_of
from chatbots.interfaces import ChatService
from chatbots.messages import Prompt, Reply, SessionId
from chatbots.output import T

if TYPE_CHECKING:
    from typing_extensions import TypeForm


class Bot:
    """A bot to talk to: a `ChatService`, and keywords of `ask` that hold for every turn.

    Bound to a `session`, all its turns belong to that conversation.
    What a call names itself wins.
    """

    def __init__(self, service: ChatService, **defaults: Unpack[Asking]) -> None:
        self.service = service
        self._defaults = defaults
        # Once for all turns: a tool's schema is made on its first use.
        self._defaults["tools"] = tools_of(defaults.get("tools"))

    @property
    def session(self) -> SessionId | None:
        """The conversation the bot's turns belong to."""
        return self._defaults.get("session")

    def prompt(self, said: Said, *, output_type: object = None, **asking: Unpack[Asking]) -> Prompt:
        """Return what `ask` and `stream` would send to the service."""
        return make_prompt(said, output_type=output_type, **(self._defaults | asking))

    @overload
    async def ask(
        self, said: Said, *, output_type: None = None, **asking: Unpack[Asking]
    ) -> Reply[None]: ...
    @overload
    async def ask(
        self, said: Said, *, output_type: JsonShape, **asking: Unpack[Asking]
    ) -> Reply[Any]: ...
    @overload
    async def ask(
        self, said: Said, *, output_type: TypeForm[T], **asking: Unpack[Asking]
    ) -> Reply[T]: ...
    async def ask(
        self, said: Said, *, output_type: object = None, **asking: Unpack[Asking]
    ) -> Reply[Any]:
        """Ask and return the whole answer; raises the `ChatError` of a turn that failed."""
        prompt = self.prompt(said, output_type=output_type, **asking)
        return await answer(self.service, prompt)

    @overload
    def stream(
        self, said: Said, *, output_type: None = None, **asking: Unpack[Asking]
    ) -> Stream[None]: ...
    @overload
    def stream(
        self, said: Said, *, output_type: JsonShape, **asking: Unpack[Asking]
    ) -> Stream[Any]: ...
    @overload
    def stream(
        self, said: Said, *, output_type: TypeForm[T], **asking: Unpack[Asking]
    ) -> Stream[T]: ...
    def stream(
        self, said: Said, *, output_type: object = None, **asking: Unpack[Asking]
    ) -> Stream[Any]:
        """Ask and read the answer as it forms: `async with bot.stream(...) as s`."""
        return Stream(self.service, self.prompt(said, output_type=output_type, **asking))
