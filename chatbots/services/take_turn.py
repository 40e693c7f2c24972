"""One turn, whichever bot takes it: check, narrate, end with exactly one terminal delta."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Literal, TypeAlias

import anyio
from msgspec import Struct, field

from chatbots import telemetry
from chatbots.deltas import Done, Failed
from chatbots.errors import ChatError, InvalidRequest, ProviderError, TurnCancelled
from chatbots.interfaces import Sink
from chatbots.messages import Message, ModelAnswer, ModelRequest, Prompt, check_text
from chatbots.services.narration import Narration
from chatbots.sessions.window import Window

DEFAULT_MAX_CHARS: Final = 200_000
"""Characters a prompt may have; what a model can read is another, smaller matter."""

Answering: TypeAlias = Callable[[Narration], Awaitable[Done]]


class Manner(Struct, frozen=True, kw_only=True):
    """How a bot asks: its system message, how long a prompt may be, in characters, and how much of
    the past goes with it; and the `secrets` that no error of a tool may tell.

    Raises `InvalidRequest` for a system message that cannot be sent.
    """

    instructions: str = ""
    max_chars: int = DEFAULT_MAX_CHARS
    window: Window = field(default_factory=Window)
    secrets: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_text(self.instructions, "system message")


async def take_turn(
    prompt: Prompt, out: Sink, answer: Answering, *, manner: Manner, bot: str
) -> None:
    """Check *prompt*, run *answer* within its deadline, end *out* with one terminal delta.

    A `ChatError` becomes `Failed`; cancellation and bugs go through.
    *bot* names the service in the log.
    """
    narration = Narration(out)
    with telemetry.bound(request_id=prompt.request_id):
        telemetry.emit("info", "request.start", bot=bot, session=prompt.session)
        try:
            prompt.check(manner.max_chars)
            done = await _within_deadline(prompt, answer, narration)
        except ChatError as error:
            failed = _failed(prompt, error, narration)
            facts = {"code": error.code, "message": error.message, "state": failed.state}
            narration.log_end("error", "request.error", **facts)
            await out.send(failed)
        except anyio.get_cancelled_exc_class():
            narration.log_end("info", "request.end", state="cancelled")
            raise
        else:
            narration.log_end("info", "request.end", state=done.state, reason=done.reason)
            await out.send(done)


async def _within_deadline(prompt: Prompt, answer: Answering, narration: Narration) -> Done:
    with anyio.move_on_after(prompt.timeout) as narration.deadline:
        return await answer(narration)
    if narration.waits_for_session:
        raise InvalidRequest(
            "session_busy",
            f"The session {prompt.session!r} had another turn running for all of "
            f"{prompt.timeout:g} seconds.",
            hint="Wait for that turn, or stop it.",
        )
    raise ProviderError(
        "upstream_timeout",
        f"There was no whole answer within {prompt.timeout:g} seconds.",
        hint="Ask for less, or raise the timeout.",
    )


def request_for(
    prompt: Prompt, manner: Manner, past: Sequence[Message] = (), *, stream: bool
) -> ModelRequest:
    """Return the upstream request: the system message, the *past*, what is said now."""
    instructions = manner.instructions if prompt.instructions is None else prompt.instructions
    system = (Message("system", instructions),) if instructions.strip() else ()
    return ModelRequest(
        messages=(*system, *past, *prompt.messages),
        stream=stream,
        request_id=prompt.request_id,
        model=prompt.model,
        sampling=prompt.sampling,
        output=prompt.output,
        tools=() if prompt.tools is None else tuple(prompt.tools.specs()),
        tool_choice=prompt.tool_choice,
    )


def done_for(prompt: Prompt, answer: ModelAnswer, narration: Narration) -> Done:
    """Return the terminal delta of a turn the model has answered."""
    return Done(
        state=answer.state,
        reason=answer.reason,
        usage=answer.usage,
        request_id=prompt.request_id,
        session=prompt.session,
        logprobs=answer.logprobs,
        metrics=narration.metrics(answer),
    )


def broken_state(shown: str) -> Literal["failed", "interrupted"]:
    """Return how a turn ended that broke off after *shown*."""
    return "interrupted" if shown else "failed"


def _failed(prompt: Prompt, error: ChatError, narration: Narration) -> Failed:
    error.partial = narration.text
    return Failed(
        error=error,
        state="cancelled" if isinstance(error, TurnCancelled) else broken_state(narration.text),
        request_id=prompt.request_id,
        session=prompt.session,
        usage=narration.estimate(),
    )
