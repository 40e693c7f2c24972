"""A service inside somebody else's program: `ask` for a reply, `stream` for its pieces.

Both raise the `ChatError` of a turn that failed, with `.partial`:
the usual loop cannot end normally on a broken answer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Generic, Self, TypeAlias, TypedDict, Unpack, overload

import anyio
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint_if_cancelled

from chatbots.deltas import Delta, Failed, TextDelta
from chatbots.flow.channel import ReceiveChannel, SendChannel, open_channel
from chatbots.flow.transcript import Collector, Transcript
from chatbots.flow.unwrap import unwrapped
from chatbots.interfaces import ChatService
from chatbots.messages import DEFAULT_TIMEOUT, Message, Prompt, Reply, SessionId
from chatbots.output import OutputFormat, OutputT_co, Schema, T
from chatbots.sampling import UNSAID, Effort, Sampling
from chatbots.telemetry import new_request_id
from chatbots.tool_calls import Confirm, ToolRunner, tool_choice_of

if TYPE_CHECKING:
    from typing_extensions import TypeForm

Said: TypeAlias = str | Message | Sequence[Message]
"""What a caller may say: a text, a message, or several."""


JsonShape: TypeAlias = Schema | OutputFormat[Any]
"""What has no type of its own that a checker could know: a JSON schema, or a shape made by hand."""

_SAMPLING: Final = frozenset(Sampling.__struct_fields__)


class Asking(TypedDict, total=False):
    """The keywords that `ask` and `stream` share."""

    session: SessionId | None
    """The conversation, for bots that remember."""
    request_id: str | None
    """Names the turn, so that a retry makes no second one."""
    timeout: float | None
    """Seconds for the whole turn, retries included."""
    model: str | None
    instructions: str | None
    """The system message of this turn, instead of the bot's."""
    temperature: float | None
    """This and what follows: see `Sampling`."""
    top_p: float | None
    frequency_penalty: float | None
    presence_penalty: float | None
    max_tokens: int | None
    stop: str | Sequence[str] | None
    seed: int | None
    logprobs: int | None
    reasoning_effort: Effort | None
    tools: ToolRunner | Iterable[object] | None
    """What the model may call: functions, `Tool`s, objects that describe themselves, a registry."""
    tool_choice: str | Mapping[str, object] | None
    """`auto`, `none`, `required`, or a tool by its name; see `tool_choice_of`."""
    on_confirm: Confirm | None
    """Asks a person about a call of a tool that wants it; else such a call is refused."""
    user: str | None
    """Who asks, for the tools to know."""


def make_prompt(said: Said, *, output_type: object = None, **asking: Unpack[Asking]) -> Prompt:
    """Return the `Prompt` for what is *said*.

    Raises `InvalidRequest` for an impossible number, output type or tool.
    """
    unknown = asking.keys() - Asking.__annotations__
    if unknown:
        raise TypeError(f"There is no keyword {min(unknown)!r} for asking a bot.")
    if isinstance(said, str):
        said = Message("user", said)
    timeout, choice = asking.get("timeout"), asking.get("tool_choice")
    return Prompt(
        messages=(said,) if isinstance(said, Message) else tuple(said),
        request_id=asking.get("request_id") or new_request_id(),
        session=asking.get("session"),
        model=asking.get("model"),
        instructions=asking.get("instructions"),
        sampling=_sampling(asking),
        timeout=DEFAULT_TIMEOUT if timeout is None else timeout,
        output=_format_of(output_type),
        tools=tools_of(asking.get("tools")),
        tool_choice=None if choice is None else tool_choice_of(choice),
        confirm=asking.get("on_confirm"),
        user=asking.get("user"),
    )


def _sampling(asking: Asking) -> Sampling:
    if _SAMPLING.isdisjoint(asking):
        return UNSAID
    stop = asking.get("stop")
    return Sampling(
        temperature=asking.get("temperature"),
        top_p=asking.get("top_p"),
        frequency_penalty=asking.get("frequency_penalty"),
        presence_penalty=asking.get("presence_penalty"),
        max_tokens=asking.get("max_tokens"),
        stop=(stop,) if isinstance(stop, str) else stop if stop is None else tuple(stop),
        seed=asking.get("seed"),
        logprobs=asking.get("logprobs"),
        reasoning_effort=asking.get("reasoning_effort"),
    )


def _format_of(output_type: object) -> OutputFormat | None:
    if output_type is None:
        return None
    from chatbots.flow.output import output_format

    return output_format(output_type)


def tools_of(tools: ToolRunner | Iterable[object] | None) -> ToolRunner | None:
    """Return what runs *tools*; see `Asking`."""
    if tools is None:
        return None
    from chatbots.tools.registry import runner_of

    return runner_of(tools)


async def answer(service: ChatService, prompt: Prompt) -> Reply[Any]:
    """Put *prompt* to *service* and return its whole answer; raises as `ask` does."""
    collector = Collector(prompt)
    await service.respond(prompt, collector)
    return collector.transcript.reply()


@overload
async def ask(
    service: ChatService, said: Said, *, output_type: None = None, **asking: Unpack[Asking]
) -> Reply[None]: ...
@overload
async def ask(
    service: ChatService, said: Said, *, output_type: JsonShape, **asking: Unpack[Asking]
) -> Reply[Any]: ...
@overload
async def ask(
    service: ChatService, said: Said, *, output_type: TypeForm[T], **asking: Unpack[Asking]
) -> Reply[T]: ...
async def ask(
    service: ChatService, said: Said, *, output_type: object = None, **asking: Unpack[Asking]
) -> Reply[Any]:
    """Ask *service* and return its whole answer.

    *output_type* is the type that `Reply.output` shall have, or a JSON schema.
    Raises the `ChatError` of a turn that failed or was cut off, with `.partial`.
    """
    return await answer(service, make_prompt(said, output_type=output_type, **asking))


@overload
def stream(
    service: ChatService, said: Said, *, output_type: None = None, **asking: Unpack[Asking]
) -> Stream[None]: ...
@overload
def stream(
    service: ChatService, said: Said, *, output_type: JsonShape, **asking: Unpack[Asking]
) -> Stream[Any]: ...
@overload
def stream(
    service: ChatService, said: Said, *, output_type: TypeForm[T], **asking: Unpack[Asking]
) -> Stream[T]: ...
def stream(
    service: ChatService, said: Said, *, output_type: object = None, **asking: Unpack[Asking]
) -> Stream[Any]:
    """Ask *service* and read its answer as it forms: `async with stream(...) as s`.

    See `Stream` and `ask`.
    """
    return Stream(service, make_prompt(said, output_type=output_type, **asking))


class Stream(Generic[OutputT_co]):
    """A running turn, to be used as an async context manager.

    Iterate over it for deltas (`Done` comes last), or over `.text` for pieces of text;
    either way a turn that failed raises its `ChatError` with `.partial`.
    After the end `.reply` is the `Reply`.
    Leaving early cancels the turn and closes what it had open upstream.
    """

    def __init__(self, service: ChatService, prompt: Prompt) -> None:
        self._service = service
        self._prompt = prompt
        self._transcript = Transcript[OutputT_co](prompt)
        self._group: TaskGroup
        self._source: ReceiveChannel | None = None
        self._over = False

    @property
    def request_id(self) -> str:
        """The name of this turn."""
        return self._prompt.request_id

    @property
    def partial(self) -> str:
        """The text read so far."""
        return self._transcript.text

    @property
    def reply(self) -> Reply[OutputT_co]:
        """The finished turn; raises its `ChatError` if it failed, `RuntimeError` before its end."""
        return self._transcript.reply()

    @property
    def text(self) -> AsyncIterator[str]:
        """The text in pieces, as they arrive."""
        return _Texts(self)

    async def __aenter__(self) -> Self:
        out, source = open_channel()
        self._source = source
        self._transcript.said = out.said
        self._group = anyio.create_task_group()
        await self._group.__aenter__()
        self._group.start_soon(self._run, out)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self._over:
            self._group.cancel_scope.cancel("the stream was left")
        if self._source is not None:
            self._source.close()
        with unwrapped():
            await self._group.__aexit__(None, None, None)

    def __aiter__(self) -> Self:
        return self

    def __anext__(self) -> Awaitable[Delta]:
        return self.following()

    async def following(self, only: type[str] | None = None) -> Any:
        """Return the next `Delta`, or, where *only* `str` is wanted, the next piece of text.

        It is one coroutine for both, for it is made for each token.
        Raises `StopAsyncIteration` after the last, and the `ChatError` of a turn that failed.
        """
        while self._transcript.terminal is None:
            if self._source is None:
                raise RuntimeError("A stream is read inside `async with stream(...) as s`.")
            try:
                delta = await self._source.receive()
            except anyio.EndOfStream:
                # The turn and its reader may both be cancelled, the turn first; that is the word.
                await checkpoint_if_cancelled()
                self._transcript.reply()  # a service that sent no terminal: say so
                raise
            if isinstance(delta, TextDelta):
                self._transcript.heard += len(delta.text)
                return delta.text if only is str else delta
            self._transcript.add(delta)
            if isinstance(delta, Failed):
                break
            if only is None:
                return delta
        self._transcript.reply()  # a failed turn raises, however often it is asked
        raise StopAsyncIteration

    async def _run(self, out: SendChannel) -> None:
        async with out:
            await self._service.respond(self._prompt, out)
        self._over = True


class _Texts(AsyncIterator[str]):
    # No generator: one that is left early is closed later, by a task of the loop's.
    def __init__(self, stream: Stream[Any]) -> None:
        self._following = stream.following

    def __anext__(self) -> Awaitable[str]:
        return self._following(str)
