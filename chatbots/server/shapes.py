"""What a bot says, in the shapes of the upstream's API (OpenAI's API reference, chat)."""

from __future__ import annotations

from collections.abc import Sequence

from chatbots.deltas import (
    Delta,
    Done,
    Notice,
    ReasoningDelta,
    ToolFinished,
    ToolProgress,
    ToolStarted,
)
from chatbots.embedded import Embeddings
from chatbots.messages import REFUSAL, Message, Turn, Usage
from chatbots.tool_calls import ToolCall

Json = dict[str, object]


def completion(done: Done, text: str, calls: Sequence[ToolCall], *, model: str, at: float) -> Json:
    """Return a whole answer, said at *at* (Unix seconds); `content` is null beside bare calls."""
    message: Json = {"role": "assistant", "content": text or None}
    if done.reason == REFUSAL:
        message |= {"content": None, "refusal": text}
    if calls:
        message["tool_calls"] = [_call(call) for call in calls]
    choice: Json = {"index": 0, "message": message, "finish_reason": finish_reason(done)}
    return _answer("chat.completion", choice, done, model, at)


def last_chunk(done: Done, *, model: str | None, at: float) -> Json:
    """Return what ends a streamed answer: why, at what cost, and that it is `done`."""
    choice: Json = {"index": 0, "delta": {}, "finish_reason": finish_reason(done)}
    return _answer("chat.completion.chunk", choice, done, model, at) | {"done": True}


def text_chunk(text: str) -> Json:
    """Return a piece of the answer."""
    return _chunk({"content": text})


def calls_chunk(calls: Sequence[ToolCall]) -> Json:
    """Return the calls that the client shall run, as the delta of a streamed answer."""
    called = [{"index": place, **_call(call)} for place, call in enumerate(calls)]
    return _chunk({"tool_calls": called})


def aside(delta: Delta) -> Json | None:
    """Return what is no part of the answer: thoughts, a notice, news of the server's tools.

    None for what a chat does not say.
    """
    match delta:
        case ReasoningDelta(text):
            return _chunk({"reasoning_content": text})
        case Notice(code, message):
            if code == "not_stored":  # Why names files of this machine.
                message = "This answer is not stored."
            return {"choices": [], "notice": {"code": code, "message": message}}
        case ToolStarted():
            return {"choices": [], "tool_started": delta}
        case ToolProgress():
            return {"choices": [], "tool_progress": delta}
        case ToolFinished():
            return {"choices": [], "tool_finished": delta}
        case _:
            return None


def embeddings(made: Embeddings) -> Json:
    """Return vectors as the embeddings API does."""
    rows = [
        {"object": "embedding", "index": place, "embedding": vector.tolist()}
        for place, vector in enumerate(made.vectors)
    ]
    return {"object": "list", "data": rows, "model": made.model} | _usage(made.usage)


def turn(kept: Turn) -> Json:
    """Return a turn of a session as its owner reads it again."""
    said: Json = {
        "seq": kept.seq,
        "request_id": kept.request_id,
        "state": kept.state,
        "messages": [_message(message) for message in (*kept.said, *kept.answer)],
        "reason": kept.reason,
        "began_at": kept.began_at,
    }
    return said | _usage(kept.usage)


def finish_reason(done: Done) -> str | None:
    """Return the upstream's word for how an answer ended; a refusal is an answer."""
    return "stop" if done.reason == REFUSAL else done.reason


def _chunk(delta: Json) -> Json:
    return {"choices": [{"index": 0, "delta": delta}]}


def _answer(kind: str, choice: Json, done: Done, model: str | None, at: float) -> Json:
    about: Json = {"id": done.request_id, "object": kind, "created": int(at), "model": model}
    if done.session is not None:
        about |= {"session_id": done.session, "stored": done.stored}
    return about | {"choices": [choice]} | _usage(done.usage)


def _usage(usage: Usage | None) -> Json:
    if usage is None:
        return {}
    counted: Json = {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
    }
    return {"usage": counted | ({"estimated": True} if usage.estimated else {})}


def _message(message: Message) -> Json:
    said: Json = {"role": message.role, "content": message.content}
    if message.images:
        said["images"] = [image.url for image in message.images]
    if message.tool_calls:
        said["tool_calls"] = [_call(call) for call in message.tool_calls]
    if message.tool_call_id is not None:
        said["tool_call_id"] = message.tool_call_id
    return said


def _call(call: ToolCall) -> Json:
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id, "type": "function", "function": function}
