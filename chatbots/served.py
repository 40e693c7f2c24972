"""What an application serves to many clients: its model, its store, and tools."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Iterable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from pydantic import SecretStr

from chatbots.errors import ConfigurationError
from chatbots.flow.calling import Stream
from chatbots.interfaces import ChatModel, Embedder, SessionStore
from chatbots.model_names import LOCAL
from chatbots.provider.client import OPENAI_URL
from chatbots.services.take_turn import Manner
from chatbots.settings import Settings
from chatbots.version import installing

if TYPE_CHECKING:
    from chatbots.server.access import Guard
    from chatbots.server.application import Application
    from chatbots.server.sse import EventStream

TOLD: Final = (
    "server_host", "server_port", "server_read_timeout", "server_write_timeout",
    "openai_model", "openai_max_tokens", "openai_temperature", "db_type", "db_port", "db_name",
)  # fmt: skip
"""Settings that a client may know."""
KEPT: Final = ("openai_api_key", "openai_base_url", "db_host", "db_user", "db_password")
"""Settings of which it may know whether they are set."""


def application_of(
    settings: Settings,
    model: ChatModel,
    manner: Manner,
    *,
    embedder: Embedder,
    store: Callable[[], SessionStore],
    prepare: Callable[[], Awaitable[object]],
    tools: Iterable[object],
    guard: Guard | None,
) -> Application:
    """Return the server of these; without a *guard* everybody is let in.

    Raises `ConfigurationError` (`extra_missing`).
    """
    # A program that serves nobody need not load it.
    from chatbots.server.access import OpenDoor
    from chatbots.server.backend import Backend, Limits
    from chatbots.tools.registry import ToolRegistry

    with _extra():
        from chatbots.server.application import Application
    backend = Backend(
        model=model,
        model_name=LOCAL if settings.wants_local else settings.openai_model,
        embedder=embedder,
        store=store,
        manner=manner,
        tools=tools if isinstance(tools, ToolRegistry) else ToolRegistry(tools),
        timeout=settings.chatbots_timeout,
        prepare=prepare,
        about=_told(settings),
        hosts=_hosts(settings),
    )
    limits = Limits(
        in_flight=settings.server_in_flight,
        write_timeout=settings.server_write_timeout,
        drain=settings.server_drain_timeout,
    )
    return Application(backend, guard=guard or OpenDoor(), limits=limits)


def response_of(stream: Stream[Any], *, model: str | None = None) -> EventStream:
    """Return the response in which a route of yours answers with what *stream* says.

    A client that leaves cancels the turn. *model* is the name it is told.
    Raises `ConfigurationError` (`extra_missing`).
    """
    with _extra():
        from chatbots.server.sse import EventStream
    return EventStream(stream, model=model)


def _hosts(settings: Settings) -> tuple[str, ...]:
    urls = (settings.openai_base_url, settings.azure_openai_endpoint)
    return tuple(urlsplit(url).netloc for url in urls if url and url != OPENAI_URL)


def _told(settings: Settings) -> dict[str, object]:
    """Return the settings as clients may know them; what names other machines only by default."""
    said: dict[str, object] = {name.upper(): getattr(settings, name) for name in TOLD}
    for name in KEPT:
        usual = OPENAI_URL if name == "openai_base_url" else Settings.model_fields[name].default
        is_set = getattr(settings, name) != Settings.model_fields[name].default
        said[name.upper()] = "set" if is_set else None if isinstance(usual, SecretStr) else usual
    return said


@contextmanager
def _extra() -> Generator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            "extra_missing",
            f"The server cannot be made: {error}.",
            hint=f"Install it with: {installing('server')}",
        ) from error
