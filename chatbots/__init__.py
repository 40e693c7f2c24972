"""Chatbot services over the OpenAI API and everything that speaks it.

    async with Chatbots() as bots:
        reply = await bots.stateless().ask("Capital of France?")

The names below are the public ones.
Each is imported on first use, so that `import chatbots` costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chatbots.app import Chatbots as Chatbots
    from chatbots.blocking import ask_sync as ask_sync
    from chatbots.conversations import (
        Found as Found,
        SessionInfo as SessionInfo,
        StoreStats as StoreStats,
    )
    from chatbots.deltas import (
        AudioDelta as AudioDelta,
        Delta as Delta,
        Done as Done,
        Failed as Failed,
        Interrupted as Interrupted,
        Notice as Notice,
        ReasoningDelta as ReasoningDelta,
        TextDelta as TextDelta,
        ToolFinished as ToolFinished,
        ToolProgress as ToolProgress,
        ToolStarted as ToolStarted,
        UserSaid as UserSaid,
    )
    from chatbots.embedded import Embeddings as Embeddings
    from chatbots.errors import (
        AccessDenied as AccessDenied,
        ChatError as ChatError,
        ConfigurationError as ConfigurationError,
        InvalidRequest as InvalidRequest,
        ProviderError as ProviderError,
        StorageError as StorageError,
        ToolError as ToolError,
        TurnCancelled as TurnCancelled,
    )
    from chatbots.flow.bot import Bot as Bot
    from chatbots.flow.calling import Said as Said, Stream as Stream, ask as ask, stream as stream
    from chatbots.flow.pipeline import Pipeline as Pipeline
    from chatbots.images import Image as Image
    from chatbots.interfaces import (
        ChatModel as ChatModel,
        ChatService as ChatService,
        Consumer as Consumer,
        Embedder as Embedder,
        SessionShelf as SessionShelf,
        SessionStore as SessionStore,
        Sink as Sink,
        Source as Source,
    )
    from chatbots.logs import set_up_logging as set_up_logging
    from chatbots.messages import (
        Message as Message,
        Metrics as Metrics,
        ModelAnswer as ModelAnswer,
        ModelRequest as ModelRequest,
        Prompt as Prompt,
        Reply as Reply,
        SessionId as SessionId,
        TokenLogprob as TokenLogprob,
        Turn as Turn,
        Usage as Usage,
    )
    from chatbots.output import OutputFormat as OutputFormat
    from chatbots.provider.chat import OpenAIChat as OpenAIChat
    from chatbots.provider.embeddings import OpenAIEmbedder as OpenAIEmbedder
    from chatbots.sampling import Sampling as Sampling
    from chatbots.services.call import VoiceCall as VoiceCall
    from chatbots.services.conversation import Conversation as Conversation
    from chatbots.services.memory import MemoryChat as MemoryChat
    from chatbots.services.realtime import (
        ConnHandler as ConnHandler,
        RealtimeClient as RealtimeClient,
        RealtimeConn as RealtimeConn,
    )
    from chatbots.services.realtime_chat import RealtimeChat as RealtimeChat
    from chatbots.services.recall import Explanation as Explanation
    from chatbots.services.speech import Speech as Speech
    from chatbots.services.stateless import StatelessChat as StatelessChat
    from chatbots.services.streaming import StreamingChat as StreamingChat
    from chatbots.services.take_turn import Manner as Manner
    from chatbots.services.voice import VoiceBot as VoiceBot, VoiceChat as VoiceChat
    from chatbots.sessions.in_memory import InMemorySessions as InMemorySessions
    from chatbots.sessions.simple import (
        SimpleSessions as SimpleSessions,
        SimpleStore as SimpleStore,
    )
    from chatbots.sessions.sqlite.store import SQLiteSessions as SQLiteSessions
    from chatbots.sessions.window import LeftOut as LeftOut, Window as Window
    from chatbots.settings import Settings as Settings
    from chatbots.tool_calls import (
        Confirm as Confirm,
        ToolCall as ToolCall,
        ToolContext as ToolContext,
        ToolResult as ToolResult,
        ToolRunner as ToolRunner,
        ToolSpec as ToolSpec,
    )
    from chatbots.tools.mcp import McpTools as McpTools
    from chatbots.tools.mcp_servers import McpServer as McpServer
    from chatbots.tools.registry import ToolRegistry as ToolRegistry
    from chatbots.tools.tool import Tool as Tool, tool as tool
    from chatbots.version import VERSION as VERSION

_HOMES: dict[str, str] = {
    "AccessDenied": "chatbots.errors",
    "AudioDelta": "chatbots.deltas",
    "Bot": "chatbots.flow.bot",
    "ChatError": "chatbots.errors",
    "ChatModel": "chatbots.interfaces",
    "ChatService": "chatbots.interfaces",
    "Chatbots": "chatbots.app",
    "ConfigurationError": "chatbots.errors",
    "Confirm": "chatbots.tool_calls",
    "ConnHandler": "chatbots.services.realtime",
    "Consumer": "chatbots.interfaces",
    "Conversation": "chatbots.services.conversation",
    "Delta": "chatbots.deltas",
    "Done": "chatbots.deltas",
    "Embedder": "chatbots.interfaces",
    "Embeddings": "chatbots.embedded",
    "Explanation": "chatbots.services.recall",
    "Failed": "chatbots.deltas",
    "Found": "chatbots.conversations",
    "Image": "chatbots.images",
    "InMemorySessions": "chatbots.sessions.in_memory",
    "Interrupted": "chatbots.deltas",
    "InvalidRequest": "chatbots.errors",
    "LeftOut": "chatbots.sessions.window",
    "Manner": "chatbots.services.take_turn",
    "McpServer": "chatbots.tools.mcp_servers",
    "McpTools": "chatbots.tools.mcp",
    "MemoryChat": "chatbots.services.memory",
    "Message": "chatbots.messages",
    "Metrics": "chatbots.messages",
    "ModelAnswer": "chatbots.messages",
    "ModelRequest": "chatbots.messages",
    "Notice": "chatbots.deltas",
    "OpenAIChat": "chatbots.provider.chat",
    "OpenAIEmbedder": "chatbots.provider.embeddings",
    "OutputFormat": "chatbots.output",
    "Pipeline": "chatbots.flow.pipeline",
    "Prompt": "chatbots.messages",
    "ProviderError": "chatbots.errors",
    "RealtimeChat": "chatbots.services.realtime_chat",
    "RealtimeClient": "chatbots.services.realtime",
    "RealtimeConn": "chatbots.services.realtime",
    "ReasoningDelta": "chatbots.deltas",
    "Reply": "chatbots.messages",
    "SQLiteSessions": "chatbots.sessions.sqlite.store",
    "Said": "chatbots.flow.calling",
    "Sampling": "chatbots.sampling",
    "SessionId": "chatbots.messages",
    "SessionInfo": "chatbots.conversations",
    "SessionShelf": "chatbots.interfaces",
    "SessionStore": "chatbots.interfaces",
    "Settings": "chatbots.settings",
    "SimpleSessions": "chatbots.sessions.simple",
    "SimpleStore": "chatbots.sessions.simple",
    "Sink": "chatbots.interfaces",
    "Source": "chatbots.interfaces",
    "Speech": "chatbots.services.speech",
    "StatelessChat": "chatbots.services.stateless",
    "StorageError": "chatbots.errors",
    "StoreStats": "chatbots.conversations",
    "Stream": "chatbots.flow.calling",
    "StreamingChat": "chatbots.services.streaming",
    "TextDelta": "chatbots.deltas",
    "TokenLogprob": "chatbots.messages",
    "Tool": "chatbots.tools.tool",
    "ToolCall": "chatbots.tool_calls",
    "ToolContext": "chatbots.tool_calls",
    "ToolError": "chatbots.errors",
    "ToolFinished": "chatbots.deltas",
    "ToolProgress": "chatbots.deltas",
    "ToolRegistry": "chatbots.tools.registry",
    "ToolResult": "chatbots.tool_calls",
    "ToolRunner": "chatbots.tool_calls",
    "ToolSpec": "chatbots.tool_calls",
    "ToolStarted": "chatbots.deltas",
    "Turn": "chatbots.messages",
    "TurnCancelled": "chatbots.errors",
    "Usage": "chatbots.messages",
    "UserSaid": "chatbots.deltas",
    "VERSION": "chatbots.version",
    "VoiceBot": "chatbots.services.voice",
    "VoiceCall": "chatbots.services.call",
    "VoiceChat": "chatbots.services.voice",
    "Window": "chatbots.sessions.window",
    "ask": "chatbots.flow.calling",
    "ask_sync": "chatbots.blocking",
    "set_up_logging": "chatbots.logs",
    "stream": "chatbots.flow.calling",
    "tool": "chatbots.tools.tool",
}


def __getattr__(name: str) -> object:
    if name == "__all__":
        return sorted(_HOMES)
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
