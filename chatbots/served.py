"""What an application serves to many clients: its model, its store, and tools."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from chatbots.errors import ConfigurationError
from chatbots.interfaces import ChatModel, Embedder, SessionStore
from chatbots.model_names import LOCAL
from chatbots.server.access import Guard, OpenDoor
from chatbots.server.backend import Backend, Limits
from chatbots.services.take_turn import Manner
from chatbots.settings import Settings
from chatbots.tools.registry import ToolRegistry

if TYPE_CHECKING:
    from chatbots.server.application import Application


def application_of(
    settings: Settings,
    model: ChatModel,
    manner: Manner,
    *,
    embedder: Embedder,
    store: Callable[[], SessionStore],
    tools: Iterable[object],
    guard: Guard | None,
) -> Application:
    """Return the server of these; without a *guard* everybody is let in.

    Raises `ConfigurationError` (`extra_missing`).
    """
    try:
        from chatbots.server.application import Application
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            "extra_missing",
            f"The server cannot be made: {error}.",
            hint="Install it with: pip install 'chatriver[server]'",
        ) from error
    backend = Backend(
        model=model,
        model_name=LOCAL if settings.wants_local else settings.openai_model,
        embedder=embedder,
        store=store,
        manner=manner,
        tools=tools if isinstance(tools, ToolRegistry) else ToolRegistry(tools),
        timeout=settings.chatbots_timeout,
    )
    limits = Limits(write_timeout=settings.server_write_timeout)
    return Application(backend, guard=guard or OpenDoor(), limits=limits)
