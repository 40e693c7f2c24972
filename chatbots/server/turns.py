"""A chat request's turn: the bot that takes it, what is heard of it, what it costs."""

from __future__ import annotations

import anyio
from anyio.abc import ObjectSendStream

from chatbots.deltas import Delta, Done, Failed, Notice, TextDelta, ToolStarted
from chatbots.interfaces import ChatModel, ChatService, Sink
from chatbots.joined import Joined
from chatbots.messages import ModelAnswer, ModelRequest, Usage
from chatbots.server.asking import ChatPayload, prompt_of
from chatbots.server.call import Call
from chatbots.services.memory import MemoryChat
from chatbots.services.pass_through import PassThroughChat
from chatbots.services.stateless import StatelessChat
from chatbots.services.streaming import StreamingChat
from chatbots.sessions.tokens import estimate, tokens_of, tokens_of_tools
from chatbots.tool_calls import ToolCall


class Heard(ObjectSendStream[Delta]):
    """What a bot answers: its text, the calls that are the client's to run, its end."""

    def __init__(self, payload: ChatPayload) -> None:
        self.said = Joined()
        self.calls: list[ToolCall] = []
        self.end: Done | Failed | None = None
        self.replayed = False
        """Whether it was answered before: then it cost nothing."""
        self._takes_calls = payload.tool_mode == "client"

    async def send(self, item: Delta) -> None:
        """Take in *item*."""
        self.note(item)

    def note(self, item: Delta) -> bool:
        """Take in *item* if it is part of the answer, and return whether it is."""
        match item:
            case TextDelta(text):
                self.said.add(text)
            case ToolStarted(call_id, name, arguments) if self._takes_calls:
                self.calls.append(ToolCall(call_id, name, arguments))
            case Done() | Failed():
                self.end = item
            case Notice("replayed"):
                self.replayed = True
                return False
            case _:
                return False
        return True

    async def aclose(self) -> None:
        """Hear nothing more."""


class Asked:
    """A `ChatModel` that keeps what it was asked: a turn costs that, wherever it is stopped."""

    def __init__(self, model: ChatModel) -> None:
        self._model = model
        self._requests: list[ModelRequest] = []

    async def complete(self, request: ModelRequest, out: Sink) -> ModelAnswer:
        """Continue a conversation; see `ChatModel.complete`."""
        self._requests.append(request)
        return await self._model.complete(request, out)

    def cost(self, heard: Heard) -> Usage | None:
        """Return about how many tokens were read and written; None where nobody was asked."""
        if not self._requests:
            return None
        read = sum(
            tokens_of(asked.messages) + tokens_of_tools(asked.tools) for asked in self._requests
        )
        written = estimate(heard.said.text)
        return Usage(read, written, read + written, estimated=True)


async def take_turn(call: Call, payload: ChatPayload, heard: Heard, *, stream: bool) -> Done:
    """Have what *call* asks answered into *heard*, and return how it ended.

    What it cost is told to the call, however it ends: the server's count, or an estimate.
    Raises the `ChatError` of a turn that failed, with `.partial`.
    """
    prompt = prompt_of(
        payload,
        request_id=call.request.request_id,
        tools=call.backend.tools,
        timeout=call.backend.timeout,
        user=call.caller.user,
    )
    call.outlives_its_socket = payload.outlives_its_socket
    asked = Asked(call.backend.model)
    try:
        with call.taking_turn(prompt.session):
            await _bot(call, payload, asked, stream=stream).respond(prompt, heard)
    except anyio.get_cancelled_exc_class():
        call.usage = asked.cost(heard)
        raise
    end = heard.end
    if end is None:
        raise RuntimeError("The bot sent no terminal delta.")
    if isinstance(end, Failed):
        # Who gives a turn less time than it needs has it begun nevertheless.
        begun = heard.said.text or end.error.code == "upstream_timeout"
        call.usage = None if heard.replayed else end.usage or (asked.cost(heard) if begun else None)
        raise end.error
    call.usage = None if heard.replayed else end.usage or asked.cost(heard)
    return end


def _bot(call: Call, payload: ChatPayload, model: ChatModel, *, stream: bool) -> ChatService:
    manner = call.backend.manner
    if payload.session_id is not None:
        remembering = StreamingChat if stream else MemoryChat
        return remembering(model, call.store, manner)
    if payload.tool_mode == "server":
        return StatelessChat(model, manner, stream=stream)
    return PassThroughChat(model, manner, stream=stream)
