"""A chat request's turn: the bot that takes it, what is heard of it, what it costs."""

from __future__ import annotations

import anyio
from anyio.abc import ObjectSendStream

from chatbots.deltas import Delta, Done, Failed, TextDelta, ToolStarted
from chatbots.interfaces import ChatService
from chatbots.joined import Joined
from chatbots.messages import Prompt, Usage
from chatbots.server.asking import ChatPayload, prompt_of
from chatbots.server.call import Call
from chatbots.services.memory import MemoryChat
from chatbots.services.pass_through import PassThroughChat
from chatbots.services.stateless import StatelessChat
from chatbots.services.streaming import StreamingChat
from chatbots.sessions.tokens import estimate, tokens_of
from chatbots.tool_calls import ToolCall


class Heard(ObjectSendStream[Delta]):
    """What a bot answers: its text, the calls that are the client's to run, its end."""

    def __init__(self, payload: ChatPayload) -> None:
        self.said = Joined()
        self.calls: list[ToolCall] = []
        self.end: Done | Failed | None = None
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
            case _:
                return False
        return True

    async def aclose(self) -> None:
        """Hear nothing more."""


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
    try:
        await _bot(call, payload, stream=stream).respond(prompt, heard)
    except anyio.get_cancelled_exc_class():
        call.usage = _estimated(prompt, heard)
        raise
    if heard.end is None:
        raise RuntimeError("The bot sent no terminal delta.")
    if isinstance(heard.end, Failed):
        call.usage = heard.end.usage or (_estimated(prompt, heard) if heard.said.text else None)
        raise heard.end.error
    call.usage = heard.end.usage or _estimated(prompt, heard)
    return heard.end


def _bot(call: Call, payload: ChatPayload, *, stream: bool) -> ChatService:
    model, manner = call.backend.model, call.backend.manner
    if payload.session_id is not None:
        remembering = StreamingChat if stream else MemoryChat
        return remembering(model, call.store, manner)
    if payload.tool_mode == "server":
        return StatelessChat(model, manner, stream=stream)
    return PassThroughChat(model, manner, stream=stream)


def _estimated(prompt: Prompt, heard: Heard) -> Usage:
    read, written = tokens_of(prompt.messages), estimate(heard.said.text)
    return Usage(read, written, read + written, estimated=True)
