"""Parts to test a bot with: a fake OpenAI server, a scripted model, contract suites."""

from chatbots.testing.answers import Answer
from chatbots.testing.calls import Call
from chatbots.testing.fake_openai import FakeOpenAI
from chatbots.testing.http1 import Exchange
from chatbots.testing.scripted import CollectingSink, Gate, ScriptedModel
from chatbots.testing.service_contract import ChatServiceContract
from chatbots.testing.store_contract import SessionStoreContract

__all__ = [
    "Answer",
    "Call",
    "ChatServiceContract",
    "CollectingSink",
    "Exchange",
    "FakeOpenAI",
    "Gate",
    "ScriptedModel",
    "SessionStoreContract",
]
