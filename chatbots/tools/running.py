"""One call of a tool: checked, confirmed, bounded; whatever goes wrong is told to the model."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from contextvars import copy_context
from inspect import isawaitable
from threading import Thread
from typing import Any, Final, cast

import anyio
import msgspec
from anyio import from_thread, to_thread
from anyio.lowlevel import checkpoint_if_cancelled, current_token
from msgspec.structs import replace

from chatbots import telemetry
from chatbots.errors import ChatError
from chatbots.tool_calls import ToolCall, ToolContext, ToolResult
from chatbots.tools.arguments import digest_of, read_arguments
from chatbots.tools.tool import Tool

MAX_MESSAGE: Final = 1000
"""Characters the model is told of an error."""


class _Wrong(Exception):
    """What the model is told, in place of a result."""


async def run_tool(tool: Tool[..., Any], call: ToolCall, context: ToolContext) -> ToolResult:
    """Run one *call* of *tool* and return its result; see `ToolRunner.run`."""
    try:
        content = await _content(tool, call, replace(context, call_id=call.id))
    except _Wrong as wrong:
        return failure(call, str(wrong))
    return ToolResult(call.id, content)


def failure(call: ToolCall, message: str) -> ToolResult:
    """Return the result of a call that has none: an error, secrets taken out."""
    message = telemetry.redact(message)
    if len(message) > MAX_MESSAGE:
        message = f"{message[:MAX_MESSAGE]}…"
    error = msgspec.json.encode({"error": _sound(message)}).decode()
    return ToolResult(call.id, error, is_error=True)


async def _content(tool: Tool[..., Any], call: ToolCall, context: ToolContext) -> str:
    try:
        arguments = read_arguments(call.arguments)
        work = tool.shape.bind(call.arguments, context)
    except ChatError:  # It can be no tool.
        raise
    except ValueError as error:
        raise _Wrong(f"The arguments of {tool.name!r} are wrong: {error}.") from None
    # A validator of the tool's own may raise anything.
    except (Exception, SystemExit) as error:
        raise _Wrong(f"The arguments of {tool.name!r} are wrong: {_said(error)}.") from None
    if tool.marks.confirm:
        await _confirm(tool, call, arguments, context)
    content = await _bounded(tool, work)
    if len(content) > tool.marks.max_result:
        raise _Wrong(
            f"The result of {tool.name!r} has {len(content):,} characters; "
            f"at most {tool.marks.max_result:,} are allowed. Ask it for less."
        )
    return content


async def _confirm(
    tool: Tool[..., Any], call: ToolCall, arguments: dict[str, object], context: ToolContext
) -> None:
    """Ask a person, about this very call."""
    if context.confirm is None:
        raise _Wrong(f"{tool.name!r} wants a person's consent, and there is nobody to ask.")
    allowed = context.confirm(call, arguments, digest_of(arguments))
    if (await allowed if isawaitable(allowed) else allowed) is not True:
        raise _Wrong(f"The call of {tool.name!r} was not allowed.")


async def _bounded(tool: Tool[..., Any], work: Callable[[], object]) -> str:
    """Run *work* within the tool's time, and return its result as text."""
    with anyio.move_on_after(tool.marks.timeout):
        try:
            value = work() if tool.is_async else await _in_thread(lambda: _settled(work()))
            if isawaitable(value):
                value = await value
            if isinstance(value, AsyncIterator):
                value = [one async for one in cast("AsyncIterator[object]", value)]
            return _text_of(value)
        except anyio.get_cancelled_exc_class():
            # Ours goes on; of its own making it is an error like another.
            await checkpoint_if_cancelled()
            raise _Wrong(f"{tool.name!r} cancelled itself.") from None
        except GeneratorExit:
            raise
        # Whoever exits in a tool ends the tool: the process is not its own.
        except BaseException as error:
            name, said = type(error).__name__, _said(error)
            facts = {"tool": tool.name, "error": name, "message": telemetry.redact(said)}
            telemetry.emit("warning", "tool.error", **facts)
            raise _Wrong(f"{tool.name!r} failed: {said}") from None
    left = "stopped" if tool.is_async else "left behind: it may still be running"
    raise _Wrong(
        f"{tool.name!r} had no result after {tool.marks.timeout:g} seconds and was {left}."
    )


def _said(error: BaseException) -> str:
    """Return the type of *error* and its message, if it can be had."""
    name, why = type(error).__name__, ""
    with suppress(Exception):
        why = str(error)
    return f"{name}: {why}" if why else name


async def _in_thread(work: Callable[[], object]) -> object:
    """Run *work* in a thread that is left behind when this is cancelled.

    Not `anyio.to_thread`: its threads keep the process from ending.
    """
    done, token = anyio.Event(), current_token()
    outcome: list[object] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:
            failed.append(error)
        try:
            from_thread.run_sync(done.set, token=token)
        except RuntimeError:  # The loop has ended before.
            return

    async with to_thread.current_default_thread_limiter():
        Thread(target=copy_context().run, args=(run,), name="chatbots tool", daemon=True).start()
        await done.wait()
    if failed:
        raise failed[0]
    return outcome[0]


def _settled(value: object) -> object:
    """Return text where the value is there: an endless iterator then binds its thread alone."""
    if isinstance(value, Awaitable | AsyncIterator):
        return cast("object", value)
    return _text_of(value)


def _text_of(value: object) -> str:
    """Return a result as the model reads it: text as it is, anything else as JSON."""
    if isinstance(value, str):
        return _sound(value)
    from pydantic_core import to_json

    return to_json(value, inf_nan_mode="strings", serialize_unknown=True).decode()


def _sound(text: str) -> str:
    """Return *text* with U+FFFD for halves of surrogate pairs."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
