"""Guards, switched off one at a time: without its guard the table has to notice the fault.

Nothing in the package knows of this: each puts something else in the place of a guard.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any, Final, NamedTuple
from unittest import mock

import anyio

from chatbots.provider import transport
from chatbots.provider.answer import Answer
from chatbots.provider.sse import EventDecoder
from chatbots.provider.streamed import StreamedAnswer
from chatbots.provider.tries import Tries


class Break(NamedTuple):
    """A guard to be switched off: what it is for, how, and what notices that it is off.

    `faults` show it, in the `column` of the summary; not through programs, which nobody would
    stop, where only deadlines of the test's own are left.
    """

    about: str
    off: Callable[[], AbstractContextManager[object]]
    column: str
    faults: tuple[str, ...]
    programs: bool = True


@contextmanager
def finish_reason_off() -> Iterator[None]:
    """Take a clean end for the end of the answer."""

    def finished(self: Any) -> bool:
        self._finish_reason = self._finish_reason or "stop"
        return True

    with mock.patch.object(Answer, "finished", property(finished)):
        yield


def empty_answer_off() -> AbstractContextManager[object]:
    """Take an answer that says nothing for one."""
    return mock.patch.object(StreamedAnswer, "result", lambda self: self.answer.result())


@contextmanager
def redaction_off() -> Iterator[None]:
    """Show what the server says as it says it."""
    with ExitStack() as stack:
        for place in ("telemetry", "provider.streamed"):
            name = f"chatbots.{place}.redact"
            stack.enter_context(mock.patch(name, lambda text, *_: text))
        yield


def patience_off() -> AbstractContextManager[object]:
    """Wait for content as long as the turn may take."""
    name = "chatbots.provider.patience.Patience.for_content"
    return mock.patch(name, return_value=nullcontext())


@contextmanager
def turn_deadline_off() -> Iterator[None]:
    """Let a turn take as long as it takes."""
    within = anyio.move_on_after
    with mock.patch("chatbots.services.take_turn.anyio") as theirs:
        theirs.move_on_after = lambda _: within(None)
        theirs.get_cancelled_exc_class = anyio.get_cancelled_exc_class
        yield


@contextmanager
def content_type_off() -> Iterator[None]:
    """Read any answer as a stream."""
    post = transport.post

    class Untyped:
        def __init__(self, response: Any) -> None:
            self.headers = {**response.headers, "content-type": "text/event-stream"}
            self.pour, self.aclose = response.pour, response.aclose

    async def untyped(*asked: Any, **more: Any) -> Any:
        return Untyped(await post(*asked, **more))

    with mock.patch.object(transport, "post", untyped):
        yield


def error_map_off() -> AbstractContextManager[object]:
    """Let through what other packages raise."""
    name = "chatbots.provider.resilience.foreign_errors"
    return mock.patch(name, return_value=nullcontext())


@contextmanager
def shown_once_off() -> Iterator[None]:
    """Ask again even after something was shown."""
    at = Tries.at

    async def again(self: Tries, model: str, attempt: Any, **_: object) -> Any:
        return await at(self, model, attempt)

    with mock.patch.object(Tries, "at", again):
        yield


def tool_limit_off() -> AbstractContextManager[object]:
    """Run as many calls as an answer has."""
    return mock.patch("chatbots.services.tool_loop.MAX_CALLS", 2**40)


def event_cap_off() -> AbstractContextManager[object]:
    """Take an event of any size."""
    return mock.patch.object(EventDecoder.__init__, "__defaults__", (2**40,))


BREAKS: Final[Mapping[str, Break]] = {
    "finish-reason": Break("a clean end counts as the whole", finish_reason_off, "false completes",
        ("finish-missing", "midstream-eof", "midstream-500-text")),
    "empty-answer": Break("an answer may say nothing", empty_answer_off, "false completes",
        ("content-null", "delta-missing")),
    "event-cap": Break("an event may have any size", event_cap_off, "false completes",
        ("huge-line",)),
    "redaction": Break("keys are shown", redaction_off, "leaks",
        ("quoted-401", "quoted-text", "quoted-midstream")),
    "gap-deadline": Break("no deadline for content", patience_off, "past the deadline",
        ("midstream-stall", "keepalive-forever"), programs=False),
    "turn-deadline": Break("no deadline for the turn", turn_deadline_off, "past the deadline",
        ("hang",), programs=False),
    "content-type": Break("an answer is what was asked for", content_type_off, "other ends",
        ("json-unstreamed",)),
    "error-map": Break("foreign exceptions pass", error_map_off, "raw exceptions",
        ("reset", "refused", "midstream-reset")),
    "retry-shown": Break("asked again after text was shown", shown_once_off, "other ends",
        ("midstream-reset", "midstream-disconnect")),
    "tool-limit": Break("any number of calls is run", tool_limit_off, "false completes",
        ("tool-bomb",)),
}  # fmt: skip
"""By the name that `--break` takes."""
