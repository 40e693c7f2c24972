"""The bot without memory: the second question cannot see the first."""

from __future__ import annotations

from chatbots.deltas import Done
from chatbots.interfaces import ChatModel, Sink
from chatbots.messages import Prompt
from chatbots.services.narration import Narration
from chatbots.services.recall import frame
from chatbots.services.structured import Structured
from chatbots.services.take_turn import Manner, done_for, take_turn
from chatbots.services.tool_loop import ask_model


class StatelessChat:
    """A `ChatService` that answers each prompt on its own, with one upstream request, or as many as
    the tools it calls take; it asks for whole answers, or with *stream* as they form."""

    def __init__(
        self, model: ChatModel, manner: Manner | None = None, *, stream: bool = False
    ) -> None:
        self._model = Structured(model)
        self._manner = manner or Manner()
        self._stream = stream

    async def respond(self, prompt: Prompt, out: Sink) -> None:
        """Answer *prompt*; see `ChatService.respond`."""

        async def answer(narration: Narration) -> Done:
            request = frame(prompt, self._manner, stream=self._stream).request
            secrets = self._manner.secrets
            answer = await ask_model(self._model, request, narration, prompt, secrets=secrets)
            return done_for(prompt, answer, narration)

        await take_turn(prompt, out, answer, manner=self._manner, bot="stateless")
