from __future__ import annotations

import contextvars
import itertools
import json
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import anyio
import anyio.lowlevel
import pytest
import structlog
from anyio import to_thread
from pydantic import AfterValidator
from structlog.testing import CapturingLogger

from chatbots.errors import InvalidRequest
from chatbots.tool_calls import ToolCall, ToolContext, ToolResult
from chatbots.tools.running import MAX_MESSAGE, failure, run_tool
from chatbots.tools.tool import Marks, Tool, tool

HERE = ToolContext(request_id="r")


async def ran(
    function: Callable[..., object] | Tool[..., Any],
    arguments: str = "{}",
    context: ToolContext = HERE,
    **marks: Any,
) -> ToolResult:
    made = function if isinstance(function, Tool) else Tool(function, marks=Marks(**marks))
    with anyio.fail_after(10):
        return await run_tool(made, ToolCall("c1", made.name, arguments), context)


async def wrong(function: Callable[..., object], arguments: str = "{}", **marks: Any) -> str:
    """Return what the model is told of an error."""
    result = await ran(function, arguments, **marks)
    assert (result.call_id, result.is_error) == ("c1", True)
    told = json.loads(result.content)
    assert list(told) == ["error"]
    return str(told["error"])


def add(a: int, b: int) -> int:
    return a + b


async def later(a: int, b: int) -> int:
    await anyio.lowlevel.checkpoint()
    return a + b


# What comes back


@pytest.mark.parametrize("function", [add, later])
async def test_a_result_is_given_back(function: Callable[..., object]) -> None:
    assert await ran(function, '{"a":6,"b":7}') == ToolResult("c1", "13")


async def test_a_function_may_return_what_is_to_be_awaited() -> None:
    def start(a: int, b: int) -> object:
        return later(a, b)

    assert (await ran(start, '{"a":6,"b":7}')).content == "13"


@dataclass
class Point:
    x: int
    y: float


@pytest.mark.parametrize(
    ("value", "content"),
    [
        ("text, as it is", "text, as it is"),
        ("half \ud800 a pair", "half \ufffd a pair"),
        (None, "null"),
        (10**40, str(10**40)),
        ({"a": [1, True]}, '{"a":[1,true]}'),
        (Point(1, 2.5), '{"x":1,"y":2.5}'),
        (float("nan"), '"NaN"'),
        (Path("a"), '"a"'),
        ("Zürich", "Zürich"),
        (["Zürich"], '["Zürich"]'),
    ],
)
async def test_a_result_is_text_or_json(value: object, content: str) -> None:
    def give() -> object:
        return value

    assert await ran(give) == ToolResult("c1", content)


async def test_what_an_async_generator_yields_is_a_list() -> None:
    async def count(most: int) -> AsyncIterator[int]:
        for number in range(most):
            await anyio.lowlevel.checkpoint()
            yield number

    assert (await ran(count, '{"most":3}')).content == "[0,1,2]"


async def test_a_sync_tool_runs_in_a_thread_with_the_context_it_was_called_in() -> None:
    here = contextvars.ContextVar("here", default="nowhere")
    here.set("in the turn")

    def where() -> object:
        return threading.current_thread() is threading.main_thread(), here.get()

    assert (await ran(where)).content == '[false,"in the turn"]'


async def test_an_async_tool_runs_in_the_loop() -> None:
    async def where() -> object:
        return threading.current_thread() is threading.main_thread()

    assert (await ran(where)).content == "true"


# What the model did wrong


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ('{"a":1', "no valid JSON"),
        ('{"a":1}', "b: Field required"),
        ('{"a":1,"b":2,"c":3}', "c: Extra inputs are not permitted"),
        ('{"a":1,"b":"2"}', "b: Input should be a valid integer"),
        ('{"a":1,"b":NaN}', "NaN is no JSON number"),
        ('{"a":1,"a":2,"b":3}', "the same key twice"),
    ],
)
async def test_wrong_arguments_are_told_and_nothing_is_run(arguments: str, why: str) -> None:
    ran: list[int] = []

    def count(a: int, b: int) -> None:
        ran.append(1)

    told = await wrong(count, arguments)
    assert told.startswith("The arguments of 'count' are wrong: ")
    assert why in told
    assert not ran


def refuse(value: object) -> object:
    raise LookupError(f"{value} is not known to sk-canary-1234567890")


def leave(value: object) -> object:
    raise SystemExit(value)


@pytest.mark.parametrize(
    ("validator", "why"),
    [(refuse, "LookupError: 3 is not known to [redacted]"), (leave, "SystemExit: 3")],
)
async def test_whatever_a_validator_of_ones_own_raises_is_told(
    validator: Callable[[object], object], why: str
) -> None:
    def take(a: int) -> None:
        """Take a number."""

    take.__annotations__["a"] = Annotated[int, AfterValidator(validator)]
    assert await wrong(take, '{"a":3}') == f"The arguments of 'take' are wrong: {why}."


async def test_a_function_that_can_be_no_tool_raises() -> None:
    def print_all(*values: object) -> None:
        """Print them."""

    with pytest.raises(InvalidRequest, match="cannot be a tool"):
        await ran(print_all)


# What the tool did wrong


class Mute(Exception):
    """It cannot even be printed."""

    def __str__(self) -> str:
        raise RuntimeError


def raising(error: BaseException, *, waits: bool) -> Callable[..., object]:
    async def raises_later() -> None:
        await anyio.lowlevel.checkpoint()
        raise error

    def raises() -> None:
        raise error

    return raises_later if waits else raises


class Odd(BaseException):
    """Not even an `Exception`."""


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("There is no such city."), "ValueError: There is no such city."),
        (KeyError(), "KeyError"),
        (SystemExit(3), "SystemExit: 3"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (StopIteration(), "RuntimeError|StopIteration"),
        (TimeoutError("too slow"), "TimeoutError: too slow"),
        (Odd("odd"), "Odd: odd"),
        (Mute(), "failed: Mute"),
        (BaseExceptionGroup("two", [SystemExit(1)]), "BaseExceptionGroup: two"),
    ],
)
async def test_whatever_a_tool_raises_is_told(error: BaseException, told: str, waits: bool) -> None:
    said = await wrong(raising(error, waits=waits))
    assert any(one in said for one in told.split("|"))
    assert "Traceback" not in said
    assert __file__ not in said


@pytest.mark.parametrize("waits", [False, True])
async def test_a_tool_that_cancels_itself_has_a_result_all_the_same(waits: bool) -> None:
    told = await wrong(raising(anyio.get_cancelled_exc_class()(), waits=waits))
    assert "cancelled itself" in told


async def test_what_a_tool_raises_is_logged() -> None:
    log = CapturingLogger()
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars],
        logger_factory=lambda *_: log,
        cache_logger_on_first_use=False,
    )
    await wrong(raising(ValueError("key sk-canary-1234567890"), waits=False))
    (line,) = [call.kwargs for call in log.calls]
    assert (line["event"], line["tool"], line["error"]) == ("tool.error", "raises", "ValueError")
    assert "canary" not in line["message"]


async def test_a_secret_is_not_told_and_a_long_story_is_cut() -> None:
    told = await wrong(raising(ValueError("with the key sk-canary-1234567890"), waits=False))
    assert "canary" not in told
    assert "[redacted]" in told
    assert len(await wrong(raising(ValueError("x" * 10_000), waits=False))) == MAX_MESSAGE + 1
    odd = failure(ToolCall("c", "f", ""), "half \ud800")
    assert json.loads(odd.content) == {"error": "half \ufffd"}


async def test_a_result_json_cannot_say_is_an_error() -> None:
    def give() -> bytes:
        return b"\xff"

    assert "'give' failed: PydanticSerializationError" in await wrong(give)


@pytest.mark.parametrize(("size", "is_error"), [(10, False), (11, True)])
async def test_a_result_that_is_too_long_is_an_error(size: int, is_error: bool) -> None:
    def give() -> str:
        return "x" * size

    result = await ran(give, max_result=10)
    assert result.is_error is is_error
    if is_error:
        assert "has 11 characters; at most 10 are allowed" in result.content


# Time


@pytest.mark.checklist(222)
@pytest.mark.usefixtures("time_flies")
async def test_an_async_tool_that_takes_too_long_is_stopped() -> None:
    stopped: list[bool] = []

    async def stuck() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            stopped.append(True)

    told = await wrong(stuck, timeout=0.02)
    assert told == "'stuck' had no result after 0.02 seconds and was stopped."
    assert stopped


async def test_a_sync_tool_that_takes_too_long_is_left_behind() -> None:
    go, ended = threading.Event(), threading.Event()

    def stuck() -> None:
        go.wait(10)
        ended.set()

    told = await wrong(stuck, timeout=0.02)
    assert "had no result after 0.02 seconds and was left behind: it may still be running" in told
    assert not ended.is_set()
    go.set()
    assert await to_thread.run_sync(ended.wait, 20)


async def test_an_endless_result_is_left_behind_as_well() -> None:
    stop = threading.Event()

    def endless() -> object:
        return itertools.takewhile(lambda _: not stop.wait(0.001), itertools.count())

    told = await wrong(endless, timeout=0.02)
    stop.set()
    assert "left behind" in told


def test_a_tool_that_was_left_behind_does_not_keep_the_process() -> None:
    code = """if True:
        import anyio, time
        from chatbots.tool_calls import ToolCall, ToolContext
        from chatbots.tools.running import run_tool
        from chatbots.tools.tool import tool

        @tool(timeout=0.05)
        def stuck() -> None:
            time.sleep(600)

        async def main():
            print(await run_tool(stuck, ToolCall("c", "stuck", ""), ToolContext(request_id="r")))

        anyio.run(main)
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=90)
    assert (done.returncode, done.stderr) == (0, "")
    assert "left behind" in done.stdout


@pytest.mark.checklist(222)
async def test_cancelling_the_turn_goes_through() -> None:
    started = anyio.Event()

    async def stuck() -> None:
        started.set()
        await anyio.sleep_forever()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ran, stuck)
        await started.wait()
        tasks.cancel_scope.cancel()
    assert tasks.cancel_scope.cancelled_caught


async def test_a_tool_whose_loop_has_ended_ends_quietly(recwarn: pytest.WarningsRecorder) -> None:
    go, ended = threading.Event(), threading.Event()

    def stuck() -> None:
        go.wait(10)
        ended.set()

    def elsewhere() -> None:
        anyio.run(wrong_there)

    async def wrong_there() -> None:
        await ran(stuck, timeout=0.02)

    await to_thread.run_sync(elsewhere)
    go.set()
    assert await to_thread.run_sync(ended.wait, 20)
    assert not recwarn.list


# A person


@tool(confirm=True)
async def erase(name: str) -> str:
    return f"erased {name}"


async def test_consent_is_for_this_very_call() -> None:
    asked: list[object] = []

    def confirm(call: ToolCall, arguments: Mapping[str, object], digest: str) -> bool:
        asked.extend([call, dict(arguments), digest])
        return True

    context = ToolContext(request_id="r", confirm=confirm)
    assert (await ran(erase, '{"name": "a"}', context)).content == "erased a"
    # printf '{"name":"a"}' | sha256sum
    digest = "d9d719b27480b55cd4918020e7473e716ed3569c8adafe926cf9b10b4f8ef064"
    assert asked == [ToolCall("c1", "erase", '{"name": "a"}'), {"name": "a"}, digest]


@pytest.mark.parametrize("said", [False, None, "yes", 1])
async def test_anything_but_a_yes_is_a_no(said: Any) -> None:
    async def confirm(call: ToolCall, arguments: Mapping[str, object], digest: str) -> bool:
        return said  # type: ignore[no-any-return]  # the mistake under test

    result = await ran(erase, '{"name":"a"}', ToolContext(request_id="r", confirm=confirm))
    assert result == failure(ToolCall("c1", "erase", ""), "The call of 'erase' was not allowed.")


async def test_with_nobody_to_ask_a_call_is_refused() -> None:
    result = await ran(erase, '{"name":"a"}')
    assert "wants a person's consent, and there is nobody to ask" in result.content


async def test_nobody_is_asked_about_a_call_that_is_wrong() -> None:
    def confirm(call: ToolCall, arguments: Mapping[str, object], digest: str) -> bool:
        raise AssertionError("asked")

    result = await ran(erase, "{}", ToolContext(request_id="r", confirm=confirm))
    assert "name: Field required" in result.content


@pytest.mark.usefixtures("time_flies")
async def test_the_time_a_person_takes_is_not_the_tools() -> None:
    async def confirm(call: ToolCall, arguments: Mapping[str, object], digest: str) -> bool:
        await anyio.sleep(0.05)
        return True

    quick = tool(confirm=True, timeout=0.02)(erase.function)
    context = ToolContext(request_id="r", confirm=confirm)
    assert (await ran(quick, '{"name":"a"}', context)).content == "erased a"


async def test_progress_is_told_with_the_id_of_the_call() -> None:
    async def look(ctx: ToolContext) -> str:
        return ctx.call_id

    assert (await ran(look)).content == "c1"
