"""From the type of a request to its handler, and from what comes of it to a frame."""

from __future__ import annotations

from time import monotonic
from typing import Final

import msgspec

from chatbots import telemetry
from chatbots.errors import ChatError, ConfigurationError, InvalidRequest, StorageError
from chatbots.server import rpc
from chatbots.server.call import Call, Route
from chatbots.server.handlers import (
    cancel,
    chat_completion,
    chat_completion_stream,
    embedding,
    ping,
    session_delete,
    session_fork,
    session_history,
    sessions_list,
    tool_execute,
    tools_list,
)

FOR_THE_OPERATOR: Final = (
    "upstream_auth",
    "upstream_tls",
    "upstream_unreachable",
    "quota_exhausted",
)
"""What a client can do nothing about; it names the model's server, and what to set."""

ROUTES: Final = {
    "ping": ping.ROUTE,
    "chat_completion": chat_completion.ROUTE,
    "chat_completion_stream": chat_completion_stream.ROUTE,
    "embedding": embedding.ROUTE,
    "tools_list": tools_list.ROUTE,
    "tool_execute": tool_execute.ROUTE,
    "cancel": cancel.ROUTE,
    "sessions_list": sessions_list.ROUTE,
    "session_history": session_history.ROUTE,
    "session_delete": session_delete.ROUTE,
    "session_fork": session_fork.ROUTE,
}

HINTS: Final = {
    "circuit_open": "Ask again later.",
    "model_not_available": "Name another in `model`.",
    "prompt_too_long": "Shorten it.",
    "upstream_bad_response": None,
    "upstream_timeout": "Ask again, or for less.",
}
"""What a client can do, where an error's own hint is for the operator."""

FIELDS: Final = {
    "images": "messages", "prompt": "messages", "session": "session_id",
    "system message": "messages",
}  # fmt: skip
"""What a request calls that which an error names otherwise."""

BUG: Final = "The server failed at this request; its log says where."


def route_of(kind: str) -> Route:
    """Return how requests of this type are answered; raises `InvalidRequest` for none."""
    route = ROUTES.get(kind)
    if route is None:
        known = ", ".join(ROUTES)
        raise InvalidRequest(
            "unknown_type", f"There is no request of the type {kind!r}.", hint=f"There are {known}."
        )
    return route


async def answer(call: Call) -> str:
    """Answer a request, whatever comes of it, and log it; return a word for how it went."""
    started, code = monotonic(), "cancelled"
    try:
        frame, code = await _outcome(call)
        await call.outbox.put(frame)
    finally:
        tokens = call.usage.total_tokens if call.usage else None
        telemetry.count("chatbots.server.requests", type=call.request.type, code=code)
        telemetry.count("chatbots.server.tokens", tokens or 0, type=call.request.type)
        telemetry.emit(
            "info",
            "server.request",
            type=call.request.type,
            request_id=call.request.request_id,
            user=call.caller.user,
            code=code,
            seconds=round(monotonic() - started, 3),
            tokens=tokens,
        )
    return code


def failure(call: Call, error: ChatError) -> str:
    """Log a request that is not begun, and return the frame that says why not."""
    request = call.request
    about = {"type": request.type, "user": call.caller.user, "code": error.code}
    telemetry.emit("info", "server.refused", request_id=request.request_id, **about)
    return _failure(call, error)


def _failure(call: Call, error: ChatError) -> str:
    """Return the frame that says what went wrong; what had arrived goes with it."""
    request_id = call.request.request_id
    data: dict[str, object] = {}
    taken = call.running.get(request_id, call) is not call
    if taken:
        # A frame under this id would be taken for the end of the other request that has it.
        data["request_id"] = request_id
    elif call.route.streams:
        data["done"] = True
    elif error.partial:
        data["partial"] = error.partial
    if error.hint is not None:
        error.hint = HINTS.get(error.code, error.hint)
    message = telemetry.redact(str(error), *call.backend.manner.secrets)
    meaning = error.CODES[error.code].meaning
    if isinstance(error, ConfigurationError | StorageError):
        # It names files of this machine: that is for the operator.
        telemetry.emit("error", "server.trouble", code=error.code, error=message)
        message = f"The server has a fault of its own: {meaning}."
    elif error.code in FOR_THE_OPERATOR:
        telemetry.emit("error", "server.trouble", code=error.code, error=message)
        message = f"The model cannot be asked: {meaning}."
    message = telemetry.redact(message, *call.backend.hosts)
    error.param = FIELDS.get(error.param or "", error.param)
    kind, name = (rpc.NO_TYPE, None) if taken else (call.route.answer, request_id)
    return rpc.failure(kind, name, error, message=message, data=data)


async def _outcome(call: Call) -> tuple[str, str]:
    """Return the last frame of the answer, and a word for how it went."""
    kind, route = call.request.type, call.route
    try:
        call.caller.begin(kind)
        try:
            payload = _payload(call)
            with call.scope:
                data = await route.handle(call, payload)
                return rpc.answer(route.answer, call.request.request_id, data), "ok"
            error = call.why
        finally:
            call.caller.end(kind, call.usage)
    except ChatError as failed:
        error = failed
    except Exception as bug:
        what = f"{type(bug).__name__}: {bug}"
        telemetry.emit("error", "server.bug", type=kind, error=what, exc_info=True)
        data = {"done": True} if route.streams else None
        request_id = call.request.request_id
        return rpc.failure(route.answer, request_id, None, message=BUG, data=data), rpc.INTERNAL
    return _failure(call, error), error.code


def _payload(call: Call) -> msgspec.Struct:
    raw = bytes(call.request.payload)
    try:
        return msgspec.json.decode(b"{}" if raw == b"null" else raw, type=call.route.payload)
    except (ValueError, RecursionError) as error:
        raise rpc.refused("payload", error) from None
