"""The bot with memory: turn N carries turns 1 to N-1."""

from __future__ import annotations

from chatbots.interfaces import ChatModel, SessionStore, Sink
from chatbots.messages import Prompt
from chatbots.services.recall import Explanation
from chatbots.services.remember import Remembered
from chatbots.services.take_turn import Manner


class MemoryChat:
    """A `ChatService` that remembers its sessions and asks upstream for whole answers."""

    def __init__(self, model: ChatModel, store: SessionStore, manner: Manner | None = None) -> None:
        self._remembered = Remembered(model, store, manner or Manner(), stream=False)

    async def respond(self, prompt: Prompt, out: Sink) -> None:
        """Answer *prompt*; see `ChatService.respond`."""
        await self._remembered.respond(prompt, out, bot="memory")

    async def explain(self, prompt: Prompt) -> Explanation:
        """Return what would be sent for *prompt* now; see `Explanation`."""
        return await self._remembered.explain(prompt)
