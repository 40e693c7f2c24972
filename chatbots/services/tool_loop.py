"""Ask, run every call of the answer, ask again with the results: until an answer calls nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from inspect import isawaitable
from itertools import chain, count
from time import monotonic
from typing import Final

import anyio
import msgspec
from msgspec.structs import replace

from chatbots import telemetry
from chatbots.deltas import Notice, ToolDelta, ToolFinished, ToolProgress, ToolStarted
from chatbots.errors import ChatError, ProviderError
from chatbots.flow.unwrap import unwrapped
from chatbots.interfaces import ChatModel
from chatbots.messages import Message, ModelAnswer, ModelRequest, Prompt, total
from chatbots.services.narration import Narration
from chatbots.tool_calls import ToolCall, ToolContext, ToolResult, ToolRunner
from chatbots.tools.optional import NOTICE, OptionalTools

MAX_ROUNDS: Final = 8
"""How often in a turn the model may call tools."""
MAX_CALLS: Final = 16
"""Calls an answer may have; they run at the same time."""
TOOL_LIMIT: Final = "tool_limit"
"""The reason of a turn that ends because its model calls tools on and on."""

_UNNAMED: Final = re.compile(r"[^a-zA-Z0-9_-]")


async def ask_model(
    model: ChatModel,
    request: ModelRequest,
    narration: Narration,
    prompt: Prompt,
    *,
    secrets: Sequence[str] = (),
) -> ModelAnswer:
    """Ask *model* until it calls no tool any more, and narrate; return its last answer.

    What fails in a tool is told without the *secrets*.

    The usage and the retries are those of all answers. Past a limit the answer is incomplete,
    and its reason `tool_limit`. Where `OptionalTools` are refused it goes without, and says so.
    Raises `ProviderError` for an answer that only calls a tool where none was offered.
    """
    tools, usage, retries = prompt.tools, None, 0
    rounds = 0
    while True:
        narration.request = request = _offering(request, tools)
        try:
            answer = await model.complete(request, narration)
        except ChatError as error:
            if rounds or narration.text or not _refused(request, tools, error):
                raise
            await narration.send(Notice("tools_refused", NOTICE))
            continue
        usage, retries = total(usage, answer.usage), retries + answer.retries
        answer = replace(answer, usage=usage, retries=retries)
        calls = answer.tool_calls
        if not calls or (tools is None and answer.text):
            return answer
        if tools is None:
            message = f"The model called the tool {calls[0].name!r}, and none was offered."
            raise ProviderError("upstream_bad_response", message)
        if rounds == MAX_ROUNDS or len(calls) > MAX_CALLS:
            return replace(answer, state="incomplete", reason=TOOL_LIMIT, tool_calls=())
        request = await _Round(tools, prompt, narration, secrets).run(request, answer)
        rounds += 1


def _offering(request: ModelRequest, tools: ToolRunner | None) -> ModelRequest:
    """Return the *request* without tools that its model is known to refuse."""
    if not isinstance(tools, OptionalTools) or tools.suit(request.model):
        return request
    return replace(request, tools=(), tool_choice=None)


def _refused(request: ModelRequest, tools: ToolRunner | None, error: ChatError) -> bool:
    if not isinstance(tools, OptionalTools) or not request.tools:
        return False
    return tools.refused(request.model, error)


class _Round:
    """The calls of one answer."""

    def __init__(
        self, tools: ToolRunner, prompt: Prompt, narration: Narration, secrets: Sequence[str]
    ) -> None:
        self._tools = tools
        self._prompt = prompt
        self._narration = narration
        self._secrets = secrets
        self._results: dict[int, ToolResult] = {}
        # A way out is for one sender at a time, and a person for one question.
        self._sending = anyio.Lock()
        self._asking = anyio.Lock()

    async def run(self, request: ModelRequest, answer: ModelAnswer) -> ModelRequest:
        """Run the calls and return the next request; what was done is kept however it ends."""
        taken = {message.tool_call_id for message in request.messages}
        calls = list(_sound(answer.tool_calls, taken))
        said = Message("assistant", answer.text, tool_calls=tuple(calls))
        self._narration.spoken.settle(said)
        # Kept before anything is done: after a crash it is known what may have been.
        await self._narration.keep_now("waiting_for_tools")
        for call, raw in zip(calls, answer.tool_calls, strict=True):
            await self._tell(ToolStarted(call.id, raw.name, raw.arguments))
        try:
            with unwrapped():
                async with anyio.create_task_group() as tasks:
                    for number, raw in enumerate(answer.tool_calls):
                        call = replace(raw, id=calls[number].id)
                        tasks.start_soon(self._run, number, call)
        finally:
            results = [
                Message("tool", result.content, tool_call_id=calls[number].id)
                for number, result in sorted(self._results.items())
            ]
            self._narration.spoken.settle(*results)
        await self._narration.keep_now("streaming")
        # What had to be called has been: another time would be without end.
        choice = "none" if request.tool_choice == "none" else None
        return replace(request, messages=(*request.messages, said, *results), tool_choice=choice)

    async def _run(self, number: int, call: ToolCall) -> None:
        prompt, started = self._prompt, monotonic()

        async def report(message: str, fraction: float | None) -> None:
            await self._tell(ToolProgress(call.id, message, fraction))

        context = ToolContext(
            request_id=prompt.request_id,
            call_id=call.id,
            session=prompt.session,
            user=prompt.user,
            deadline=self._narration.deadline.deadline,
            confirm=None if prompt.confirm is None else self._confirm,
            report=report,
        )
        result = await self._tools.run(call, context)
        if result.is_error:
            result = replace(result, content=telemetry.redact(result.content, *self._secrets))
        self._results[number] = result
        seconds, failed = monotonic() - started, result.is_error
        telemetry.emit(
            "info", "tool.end", tool=call.name, is_error=failed, seconds=round(seconds, 3)
        )
        await self._tell(ToolFinished(call.id, call.name, result.content, failed, seconds))

    async def _confirm(self, call: ToolCall, arguments: Mapping[str, object], digest: str) -> bool:
        confirm = self._prompt.confirm
        async with self._asking:
            allowed = False if confirm is None else confirm(call, arguments, digest)
            return (await allowed if isawaitable(allowed) else allowed) is True

    async def _tell(self, news: ToolDelta) -> None:
        async with self._sending:
            await self._narration.send(news)


def _sound(calls: Sequence[ToolCall], taken: set[str | None]) -> Iterator[ToolCall]:
    """Yield the calls as any server takes them back: ids of their own, names and JSON it knows."""
    for call in calls:
        ids = chain((call.id,), (f"{call.id}_{number}" for number in count(2)))
        own = next(name for name in ids if name and name not in taken)
        taken.add(own)
        yield ToolCall(own, _UNNAMED.sub("_", call.name)[:64] or "_", _object(call.arguments))


def _object(arguments: str) -> str:
    """Return *arguments* if they are a JSON object, or else one without any."""
    try:
        msgspec.json.decode(arguments, type=dict[str, msgspec.Raw])
    except (ValueError, RecursionError):
        return "{}"
    return arguments
