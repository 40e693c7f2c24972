"""What the server serves: a model, a store, tools; and how it treats its clients."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from msgspec import Struct, field

from chatbots.interfaces import ChatModel, Embedder, SessionStore
from chatbots.services.take_turn import Manner
from chatbots.tools.registry import ToolRegistry


class Backend(Struct, frozen=True, kw_only=True):
    """What answers the requests.

    `model_name` is the model that answers where a request names none, `timeout` a turn's in
    seconds, and `tools` are what a request may have run. `store` opens nothing before it is used,
    and `prepare` gets the model's client ready before the first request. `about` is what clients
    may know of the settings, and `hosts` are machines they may not.
    """

    model: ChatModel
    model_name: str
    embedder: Embedder
    store: Callable[[], SessionStore]
    manner: Manner
    tools: ToolRegistry
    timeout: float
    prepare: Callable[[], Awaitable[object]]
    about: Mapping[str, object] = field(default_factory=dict[str, object])
    hosts: tuple[str, ...] = ()


class Limits(Struct, frozen=True, kw_only=True):
    """What a client may take.

    `in_flight`: requests of one socket at the same time. `write_timeout`: seconds that sending to
    a client may take before it is cut. `drain`: seconds that running turns have to end when the
    server stops.
    """

    in_flight: int = 8
    write_timeout: float = 30.0
    drain: float = 10.0
