"""Parts to test a bot with: a fake OpenAI server with faults, a scripted model, contract suites.

Each name is imported on first use, so that the pytest plugin beside them costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chatbots.testing.answers import Answer as Answer
    from chatbots.testing.calls import Call as Call
    from chatbots.testing.fake_openai import FakeOpenAI as FakeOpenAI
    from chatbots.testing.http1 import Exchange as Exchange
    from chatbots.testing.realtime.talk import Talk as Talk
    from chatbots.testing.recording import Recorder as Recorder, Replay as Replay
    from chatbots.testing.scripted import (
        CollectingSink as CollectingSink,
        Gate as Gate,
        ScriptedModel as ScriptedModel,
    )
    from chatbots.testing.service_contract import ChatServiceContract as ChatServiceContract
    from chatbots.testing.shelf_contract import SessionShelfContract as SessionShelfContract
    from chatbots.testing.store_contract import (
        DurableStoreContract as DurableStoreContract,
        SessionStoreContract as SessionStoreContract,
    )
    from chatbots.testing.transport_contract import (
        WebSocketTransportContract as WebSocketTransportContract,
    )

_HOMES = {
    "Answer": "answers",
    "Call": "calls",
    "ChatServiceContract": "service_contract",
    "CollectingSink": "scripted",
    "DurableStoreContract": "store_contract",
    "Exchange": "http1",
    "FakeOpenAI": "fake_openai",
    "Gate": "scripted",
    "Recorder": "recording",
    "Replay": "recording",
    "ScriptedModel": "scripted",
    "SessionShelfContract": "shelf_contract",
    "SessionStoreContract": "store_contract",
    "Talk": "realtime.talk",
    "WebSocketTransportContract": "transport_contract",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *_HOMES]
