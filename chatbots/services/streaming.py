"""The bot with memory that answers as the answer forms."""

from __future__ import annotations

from chatbots.interfaces import ChatModel, SessionStore, Sink
from chatbots.messages import Prompt
from chatbots.services.recall import Explanation
from chatbots.services.remember import Remembered
from chatbots.services.take_turn import Manner


class StreamingChat:
    """A `ChatService` that remembers its sessions and streams token by token.

    The whole text is stored at the end; an interrupted answer is stored and marked,
    and while an answer forms its partial is stored about once a second.
    """

    def __init__(self, model: ChatModel, store: SessionStore, manner: Manner | None = None) -> None:
        self._remembered = Remembered(model, store, manner or Manner(), stream=True)

    async def respond(self, prompt: Prompt, out: Sink) -> None:
        """Answer *prompt*; see `ChatService.respond`."""
        await self._remembered.respond(prompt, out, bot="streaming")

    async def explain(self, prompt: Prompt) -> Explanation:
        """Return what would be sent for *prompt* now; see `Explanation`."""
        return await self._remembered.explain(prompt)
