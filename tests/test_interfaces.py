"""The seams fit: type checkers judge the assignments, the bodies are run to see them work."""

from __future__ import annotations

import anyio
from msgspec.structs import replace

from chatbots.deltas import Delta, Done, TextDelta
from chatbots.flow.channel import open_channel
from chatbots.interfaces import (
    ChatModel,
    ChatService,
    Consumer,
    Embedder,
    SessionStore,
    Sink,
    Source,
)
from chatbots.messages import Message, Prompt
from chatbots.provider.chat import OpenAIChat
from chatbots.provider.embeddings import OpenAIEmbedder
from chatbots.services.memory import MemoryChat
from chatbots.services.stateless import StatelessChat
from chatbots.services.streaming import StreamingChat
from chatbots.sessions.in_memory import InMemorySessions
from chatbots.terminal.console import Console
from chatbots.testing import CollectingSink, ScriptedModel

PROMPT = Prompt(messages=(Message("user", "Hi"),), request_id="r", session="s")
WHOLE = [
    TextDelta("Hello."),
    Done(state="completed", reason="stop", usage=None, request_id="r", session="s"),
]

models: list[type[ChatModel]] = [OpenAIChat, ScriptedModel]
embedders: list[type[Embedder]] = [OpenAIEmbedder]
stores: list[type[SessionStore]] = [InMemorySessions]
consumers: list[type[Consumer]] = [Console]


def bots() -> list[ChatService]:
    model: ChatModel = ScriptedModel(*["Hello."] * 3)
    store: SessionStore = InMemorySessions()
    return [
        StatelessChat(model),
        MemoryChat(model, store),
        StreamingChat(model, InMemorySessions()),
    ]


def unmeasured(deltas: list[Delta]) -> list[Delta]:
    """Leave out how quick it was, which differs from one time to the other."""
    return [replace(d, metrics=None) if isinstance(d, Done) else d for d in deltas]


async def test_the_bots_accept_our_own_sink() -> None:
    for bot in bots():
        sink: Sink = CollectingSink()
        await bot.respond(PROMPT, sink)
        assert isinstance(sink, CollectingSink)
        assert unmeasured(sink.deltas) == WHOLE


async def test_the_bots_accept_a_memory_stream_of_anyio_as_a_sink() -> None:
    for bot in bots():
        send, receive = anyio.create_memory_object_stream[Delta](10)
        sink: Sink = send
        source: Source = receive
        async with source:
            async with sink:
                await bot.respond(PROMPT, sink)
            assert unmeasured([delta async for delta in source]) == WHOLE


async def test_the_bots_accept_our_own_channel_as_a_sink() -> None:
    for bot in bots():
        send, receive = open_channel()
        sink: Sink = send
        source: Source = receive
        async with sink:
            await bot.respond(PROMPT, sink)
        assert unmeasured([delta async for delta in source]) == WHOLE


def test_the_classes_have_the_methods_of_their_seam() -> None:
    for seam, classes in (
        (ChatModel, models),
        (Embedder, embedders),
        (SessionStore, stores),
        (Consumer, consumers),
    ):
        wanted = {name for name in vars(seam) if not name.startswith("_")}
        assert wanted
        for kind in classes:
            assert wanted <= set(dir(kind)), kind


def test_a_seam_has_few_methods() -> None:
    for seam in (ChatService, ChatModel, SessionStore, Consumer):
        assert len([name for name in vars(seam) if not name.startswith("_")]) <= 6
