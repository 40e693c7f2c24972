"""The bot that runs no tools: what the model calls goes back to whoever asked."""

from __future__ import annotations

from chatbots.deltas import Done, ToolStarted
from chatbots.interfaces import ChatModel, Sink
from chatbots.messages import Prompt
from chatbots.services.narration import Narration
from chatbots.services.recall import frame
from chatbots.services.take_turn import Manner, done_for, take_turn


class PassThroughChat:
    """A `ChatService` that answers each prompt on its own, with one upstream request.

    Calls of the prompt's tools come out as `ToolStarted`, whole and last, and nobody runs them:
    the caller does, and asks again with the results.
    """

    def __init__(
        self, model: ChatModel, manner: Manner | None = None, *, stream: bool = True
    ) -> None:
        self._model = model
        self._manner = manner or Manner()
        self._stream = stream

    async def respond(self, prompt: Prompt, out: Sink) -> None:
        """Answer *prompt*; see `ChatService.respond`."""

        async def answer(narration: Narration) -> Done:
            request = frame(prompt, self._manner, stream=self._stream).request
            narration.request = request
            answer = await self._model.complete(request, narration)
            for call in answer.tool_calls:
                await narration.send(ToolStarted(call.id, call.name, call.arguments))
            return done_for(prompt, answer, narration)

        await take_turn(prompt, out, answer, manner=self._manner, bot="pass_through")
