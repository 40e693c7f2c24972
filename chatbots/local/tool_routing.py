"""Calls of tools by a model that has not learnt to make any: it is asked in a schema, step by step.

Which tool, if any; with which arguments; and only then for the answer, which streams.
"""

from __future__ import annotations

from collections.abc import Sequence
from secrets import token_hex
from typing import Final

import msgspec
from anyio.abc import ObjectSendStream
from msgspec.structs import replace

from chatbots.deltas import Delta, TextDelta
from chatbots.errors import InvalidRequest, ProviderError
from chatbots.interfaces import ChatModel, Sink
from chatbots.local import tool_prompts
from chatbots.messages import Message, ModelAnswer, ModelRequest, Usage, total
from chatbots.output import OutputFormat
from chatbots.sampling import Sampling
from chatbots.tool_calls import ToolCall, ToolSpec

MAX_TRIES: Final = 2
"""Calls in a turn: a second one where the first has failed."""
NAME_TOKENS: Final = 60
ARGUMENT_TOKENS: Final = 1_024

_FIRM: Final = Sampling(temperature=0)


class ToolRouting:
    """A `ChatModel` that has *model*, which only answers in words or in a schema, call tools.

    A turn has one call, or another one where that has failed; then *model* answers.
    What cannot be made out as a call is answered in words.
    """

    def __init__(self, model: ChatModel) -> None:
        self._model = model

    async def complete(self, request: ModelRequest, out: Sink) -> ModelAnswer:
        """Continue a conversation by one message; see `ChatModel.complete`.

        Raises what *model* raises, `InvalidRequest` for too many tools, and `ProviderError`
        (`upstream_bad_response`) where a tool has to be called and is not.
        """
        turn = _Turn(self._model, request, out)
        if request.tools and request.tool_choice != "none" and turn.is_open:
            call = await turn.call()
            if call is not None:
                return ModelAnswer(
                    text="",
                    state="completed",
                    reason="tool_calls",
                    usage=turn.usage,
                    tool_calls=(call,),
                )
        asked = replace(
            request,
            messages=tool_prompts.plain(request.messages),
            # What a tool has given is to be told as it is, not in other words.
            sampling=request.sampling.over(_FIRM) if turn.has_results else request.sampling,
            tools=(),
            tool_choice=None,
        )
        answer = await self._model.complete(asked, out)
        return replace(answer, usage=total(turn.usage, answer.usage))


class _Turn:
    """What was said last, what was called since, and the steps to the next call."""

    def __init__(self, model: ChatModel, request: ModelRequest, out: Sink) -> None:
        self._model = model
        self._request = request
        self._out = _Quiet(out)
        self.usage: Usage | None = None
        said = [n for n, message in enumerate(request.messages) if message.role == "user"]
        last = said[-1] if said else len(request.messages)
        self._said = request.messages[last].content if said else ""
        since = request.messages[last:]
        self._calls = [call for message in since for call in message.tool_calls]
        self._results = [message for message in since if message.role == "tool"]

    @property
    def has_results(self) -> bool:
        return bool(self._results)

    @property
    def is_open(self) -> bool:
        """Whether another call may help: none has given anything yet."""
        failed = all(_is_error(result) for result in self._results)
        return len(self._results) < MAX_TRIES and failed

    async def call(self) -> ToolCall | None:
        """Return the call to make, or None to answer in words."""
        forced = self._request.tool_choice not in (None, "auto")
        spec = await self._choose(forced=forced)
        arguments = None if spec is None else await self._argue(spec)
        if spec is not None and arguments is not None:
            known = {(call.name, call.arguments) for call in self._calls}
            if (spec.name, arguments) not in known:
                return ToolCall(f"call_{token_hex(12)}", spec.name, arguments)
        if forced and not self._calls:
            raise ProviderError(
                "upstream_bad_response",
                "The model had to call a tool and made no call that can be read.",
                hint="Ask in other words, or leave tool_choice to auto.",
            )
        return None

    async def _choose(self, *, forced: bool) -> ToolSpec | None:
        specs = {spec.name: spec for spec in self._request.tools}
        wanted = self._request.tool_choice or ""
        if self._calls:  # It has failed: the same tool again, with other arguments.
            return specs.get(self._calls[-1].name)
        if wanted in specs:
            return specs[wanted]
        text = await self._ask(
            tool_prompts.choosing(self._request.tools, self._said),
            tool_prompts.choice_format(self._request.tools, forced=forced),
            NAME_TOKENS,
        )
        try:
            return specs.get(msgspec.json.decode(text, type=dict[str, str]).get("tool", ""))
        except ValueError:
            return None

    async def _argue(self, spec: ToolSpec) -> str | None:
        failures = [result.content for result in self._results]
        question = tool_prompts.arguing(spec, self._said, failures)
        shape = tool_prompts.argument_format(spec)
        try:
            text = await self._ask(question, shape, ARGUMENT_TOKENS)
        except InvalidRequest:  # The server cannot make a grammar of that schema.
            text = await self._ask(question, tool_prompts.loose_format(), ARGUMENT_TOKENS)
        try:
            return tool_prompts.arguments_of(text, self._said)
        except (ValueError, RecursionError):
            return None

    async def _ask(
        self, question: Sequence[Message], shape: OutputFormat[object], tokens: int
    ) -> str:
        """Return what the model says; nothing where it was cut."""
        asked = replace(
            self._request,
            messages=tuple(question),
            stream=False,
            sampling=Sampling(temperature=0, max_tokens=tokens, seed=self._request.sampling.seed),
            output=shape,
            tools=(),
            tool_choice=None,
        )
        answer = await self._model.complete(asked, self._out)
        self.usage = total(self.usage, answer.usage)
        return answer.text if answer.state == "completed" else ""


class _Quiet(ObjectSendStream[Delta]):
    """Lets everything through but the text: that is not for people."""

    def __init__(self, out: Sink) -> None:
        self._out = out

    async def send(self, item: Delta) -> None:
        if not isinstance(item, TextDelta):
            await self._out.send(item)

    async def aclose(self) -> None:
        """Leave the way open: it is the caller's."""


def _is_error(result: Message) -> bool:
    """Tell whether the tool has failed, by what a `ToolResult` of an error says."""
    try:
        return set(msgspec.json.decode(result.content, type=dict[str, msgspec.Raw])) == {"error"}
    except (ValueError, RecursionError):
        return False
