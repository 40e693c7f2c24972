"""A turn in a program without an event loop: a script, a notebook's cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack, overload

from chatbots.app import Chatbots
from chatbots.flow.calling import Asking, JsonShape, Said, answer
from chatbots.messages import Reply
from chatbots.output import T
from chatbots.settings import Settings

if TYPE_CHECKING:
    from typing_extensions import TypeForm


@overload
def ask_sync(
    said: Said,
    *,
    settings: Settings | None = None,
    output_type: None = None,
    **asking: Unpack[Asking],
) -> Reply[None]: ...
@overload
def ask_sync(
    said: Said,
    *,
    settings: Settings | None = None,
    output_type: JsonShape,
    **asking: Unpack[Asking],
) -> Reply[Any]: ...
@overload
def ask_sync(
    said: Said,
    *,
    settings: Settings | None = None,
    output_type: TypeForm[T],
    **asking: Unpack[Asking],
) -> Reply[T]: ...
def ask_sync(
    said: Said,
    *,
    settings: Settings | None = None,
    output_type: object = None,
    **asking: Unpack[Asking],
) -> Reply[Any]:
    """Ask a stateless bot from a program without an event loop, or from a notebook.

    Opens and closes everything around the one turn. Raises as `ask` does.
    """
    from anyio.from_thread import start_blocking_portal

    async def turn() -> Reply:
        async with Chatbots(settings) as bots:
            bot = bots.stateless()
            return await answer(bot.service, bot.prompt(said, output_type=output_type, **asking))

    # A loop in a thread of its own: a notebook's thread has one running already.
    with start_blocking_portal() as portal:
        future = portal.start_task_soon(turn)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise
