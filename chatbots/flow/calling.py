"""A service inside somebody else's program: `ask` for a reply, `stream` for its pieces.

Both raise the `ChatError` of a turn that failed, with `.partial`:
the usual loop cannot end normally on a broken answer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Self, TypeAlias, TypedDict, Unpack

import anyio
from anyio.abc import ObjectSendStream, TaskGroup

from chatbots.deltas import Delta, Done, Failed, TextDelta
from chatbots.flow.channel import ReceiveChannel, SendChannel, open_channel
from chatbots.flow.unwrap import unwrapped
from chatbots.interfaces import ChatService
from chatbots.joined import Joined
from chatbots.messages import DEFAULT_TIMEOUT, Message, Prompt, Reply, SessionId
from chatbots.sampling import Effort, Sampling
from chatbots.telemetry import new_request_id

Said: TypeAlias = str | Message | Sequence[Message]
"""What a caller may say: a text, a message, or several."""


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


def make_prompt(said: Said, **asking: Unpack[Asking]) -> Prompt:
    """Return the `Prompt` for what is *said*; raises `InvalidRequest` for an impossible number."""
    unknown = asking.keys() - Asking.__annotations__
    if unknown:
        raise TypeError(f"There is no keyword {min(unknown)!r} for asking a bot.")
    if isinstance(said, str):
        said = Message("user", said)
    timeout, stop = asking.get("timeout"), asking.get("stop")
    return Prompt(
        messages=(said,) if isinstance(said, Message) else tuple(said),
        request_id=asking.get("request_id") or new_request_id(),
        session=asking.get("session"),
        model=asking.get("model"),
        instructions=asking.get("instructions"),
        sampling=Sampling(
            temperature=asking.get("temperature"),
            top_p=asking.get("top_p"),
            frequency_penalty=asking.get("frequency_penalty"),
            presence_penalty=asking.get("presence_penalty"),
            max_tokens=asking.get("max_tokens"),
            stop=(stop,) if isinstance(stop, str) else stop if stop is None else tuple(stop),
            seed=asking.get("seed"),
            logprobs=asking.get("logprobs"),
            reasoning_effort=asking.get("reasoning_effort"),
        ),
        timeout=DEFAULT_TIMEOUT if timeout is None else timeout,
    )


async def ask(service: ChatService, said: Said, **asking: Unpack[Asking]) -> Reply:
    """Ask *service* and return its whole answer.

    Raises the `ChatError` of a turn that failed or was cut off, with `.partial`.
    """
    collector = _Collector()
    await service.respond(make_prompt(said, **asking), collector)
    return collector.transcript.reply()


def stream(service: ChatService, said: Said, **asking: Unpack[Asking]) -> Stream:
    """Ask *service* and read its answer as it forms: `async with stream(...) as s`.

    See `Stream`.
    """
    return Stream(service, make_prompt(said, **asking))


class Stream:
    """A running turn, to be used as an async context manager.

    Iterate over it for deltas (`Done` comes last), or over `.text` for pieces of text;
    either way a turn that failed raises its `ChatError` with `.partial`.
    After the end `.reply` is the `Reply`.
    Leaving early cancels the turn and closes what it had open upstream.
    """

    def __init__(self, service: ChatService, prompt: Prompt) -> None:
        self._service = service
        self._prompt = prompt
        self._transcript = Transcript()
        self._group: TaskGroup
        self._source: ReceiveChannel | None = None

    @property
    def request_id(self) -> str:
        """The name of this turn."""
        return self._prompt.request_id

    @property
    def partial(self) -> str:
        """The text read so far."""
        return self._transcript.text

    @property
    def reply(self) -> Reply:
        """The finished turn; raises its `ChatError` if it failed, `RuntimeError` before its end."""
        return self._transcript.reply()

    @property
    def text(self) -> AsyncIterator[str]:
        """The text in pieces, as they arrive."""
        return _Texts(self)

    async def __aenter__(self) -> Self:
        out, source = open_channel()
        self._source = source
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
        self._group.cancel_scope.cancel("the stream was left")
        if self._source is not None:
            self._source.close()
        with unwrapped():
            await self._group.__aexit__(None, None, None)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Delta:
        if self._transcript.terminal is not None:
            self._transcript.reply()  # a failed turn raises, however often it is asked
            raise StopAsyncIteration
        if self._source is None:
            raise RuntimeError("A stream is read inside `async with stream(...) as s`.")
        try:
            delta = await self._source.receive()
        except anyio.EndOfStream:
            self._transcript.reply()  # a service that sent no terminal: say so
            raise
        self._transcript.add(delta)
        if isinstance(delta, Failed):
            self._transcript.reply()
        return delta

    async def _run(self, out: SendChannel) -> None:
        async with out:
            await self._service.respond(self._prompt, out)


class _Texts(AsyncIterator[str]):
    # No generator: one that is left early is closed later, by a task of the loop's.
    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    async def __anext__(self) -> str:
        while True:
            delta = await anext(self._stream)
            if isinstance(delta, TextDelta):
                return delta.text


class Transcript:
    """What a reply's deltas add up to."""

    def __init__(self) -> None:
        self._said = Joined()
        self.terminal: Done | Failed | None = None

    @property
    def text(self) -> str:
        """The text so far."""
        return self._said.text

    def add(self, delta: Delta) -> None:
        """Take in the next delta."""
        if isinstance(delta, TextDelta):
            self._said.add(delta.text)
        elif isinstance(delta, Done | Failed):
            self.terminal = delta

    def reply(self) -> Reply:
        """Return the reply, or raise the error it ended with."""
        end = self.terminal
        if end is None:
            raise RuntimeError("The reply has not ended: its service sent no terminal delta yet.")
        if isinstance(end, Failed):
            end.error.partial = self.text
            raise end.error
        return Reply(
            text=self.text,
            state=end.state,
            reason=end.reason,
            usage=end.usage,
            request_id=end.request_id,
            session=end.session,
            logprobs=end.logprobs,
            metrics=end.metrics,
        )


class _Collector(ObjectSendStream[Delta]):
    def __init__(self) -> None:
        self.transcript = Transcript()

    async def send(self, item: Delta) -> None:
        self.transcript.add(item)

    async def aclose(self) -> None:
        pass
