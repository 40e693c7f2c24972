"""The bot without memory: the second question cannot see the first."""

from __future__ import annotations

from chatbots.deltas import Done
from chatbots.interfaces import ChatModel, Sink
from chatbots.messages import Prompt
from chatbots.services.narration import Narration
from chatbots.services.structured import Structured
from chatbots.services.take_turn import Manner, ask_model, done_for, request_for, take_turn


class StatelessChat:
    """A `ChatService` that answers each prompt on its own, with one upstream request."""

    def __init__(self, model: ChatModel, manner: Manner | None = None) -> None:
        self._model = Structured(model)
        self._manner = manner or Manner()

    async def respond(self, prompt: Prompt, out: Sink) -> None:
        """Answer *prompt*; see `ChatService.respond`."""

        async def answer(narration: Narration) -> Done:
            request = request_for(prompt, self._manner, stream=False)
            return done_for(prompt, await ask_model(self._model, request, narration), narration)

        await take_turn(prompt, out, answer, manner=self._manner, bot="stateless")
