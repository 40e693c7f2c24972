"""Every bot keeps the same promises; a new one is a class here."""

from __future__ import annotations

import pytest

from chatbots.interfaces import ChatModel, ChatService
from chatbots.services.memory import MemoryChat
from chatbots.services.stateless import StatelessChat
from chatbots.services.streaming import StreamingChat
from chatbots.sessions.in_memory import InMemorySessions
from chatbots.testing import ChatServiceContract


@pytest.mark.checklist(180, 182)
@pytest.mark.usefixtures("time_flies")
class TestStatelessChat(ChatServiceContract):
    def make_service(self, model: ChatModel) -> ChatService:
        return StatelessChat(model)


@pytest.mark.checklist(180, 182)
@pytest.mark.usefixtures("time_flies")
class TestMemoryChat(ChatServiceContract):
    def make_service(self, model: ChatModel) -> ChatService:
        return MemoryChat(model, InMemorySessions())


@pytest.mark.checklist(180, 182)
@pytest.mark.usefixtures("time_flies")
class TestStreamingChat(ChatServiceContract):
    def make_service(self, model: ChatModel) -> ChatService:
        return StreamingChat(model, InMemorySessions())
