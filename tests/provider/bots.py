"""The three bots on a fake server, over connections of ours."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

import hypothesis
from anyio.lowlevel import checkpoint
from openai import AsyncOpenAI

from chatbots.flow.bot import Bot
from chatbots.interfaces import ChatModel
from chatbots.provider.chat import OpenAIChat
from chatbots.provider.client import Access, SharedClient, shared_by
from chatbots.provider.patience import Patience
from chatbots.provider.pool import Pool
from chatbots.provider.tries import Clock
from chatbots.services.memory import MemoryChat
from chatbots.services.stateless import StatelessChat
from chatbots.services.streaming import StreamingChat
from chatbots.sessions.in_memory import InMemorySessions
from chatbots.testing import FakeOpenAI

few = hypothesis.settings(max_examples=max(10, hypothesis.settings().max_examples // 25))
"""For what goes over real sockets: 10 examples, or 200 by `make test-all`."""

Kind = Literal["stateless", "memory", "streaming"]
KINDS: list[Kind] = ["stateless", "memory", "streaming"]


def bot_of(kind: Kind, model: ChatModel, store: InMemorySessions) -> Bot:
    """Return a bot that talks in the session `s`."""
    if kind == "stateless":
        return Bot(StatelessChat(model), session="s")
    make = MemoryChat if kind == "memory" else StreamingChat
    return Bot(make(model, store), session="s")


@dataclass
class Talk:
    """Makes bots, each of which knows nothing of how the server failed before."""

    fake: FakeOpenAI
    shared: SharedClient
    patience: Patience
    store: InMemorySessions = field(default_factory=InMemorySessions)

    @property
    def pool(self) -> Pool:
        shared = shared_by(self.shared.get())
        assert shared is not None
        assert shared.pool is not None
        return shared.pool

    def bot(self, kind: Kind = "streaming") -> Bot:
        """Make a bot with a store of its own, which `store` then is."""
        self.store = InMemorySessions()
        model = OpenAIChat(
            self._client, model="m", patience=self.patience, clock=Clock(sleep=no_sleep)
        )
        return bot_of(kind, model, self.store)

    async def _client(self) -> AsyncOpenAI:
        return self.shared.get()


async def no_sleep(_: float) -> None:
    await checkpoint()


@asynccontextmanager
async def talk(patience: float = 30.0) -> AsyncIterator[Talk]:
    """Serve, and wait for answers for *patience* seconds."""
    async with FakeOpenAI() as fake:
        shared = SharedClient(Access(api_key=None, base_url=fake.base_url))
        try:
            yield Talk(fake, shared, Patience(first_token=patience, gap=patience))
        finally:
            await shared.aclose()
