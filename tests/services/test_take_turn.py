from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio
import pytest
import structlog
from structlog.testing import CapturingLogger

from chatbots.deltas import Done, Failed, Notice, TextDelta
from chatbots.errors import InvalidRequest, ProviderError, TurnCancelled
from chatbots.messages import (
    Message,
    ModelAnswer,
    Prompt,
    TokenLogprob,
    Usage,
)
from chatbots.sampling import Sampling
from chatbots.services import narration as narration_module
from chatbots.services.narration import Narration
from chatbots.services.take_turn import (
    Manner,
    broken_state,
    done_for,
    request_for,
    take_turn,
)
from chatbots.testing import CollectingSink, ScriptedModel

DONE = Done(state="completed", reason="stop", usage=None, request_id="r", session="s")


def prompt(said: str = "Hi", **fields: object) -> Prompt:
    values = {"messages": (Message("user", said),), "request_id": "r", "session": "s"}
    return Prompt(**(values | fields))  # type: ignore[arg-type]  # the fields under test


async def taken(
    answer: Callable[[Narration], Awaitable[Done]],
    asked: Prompt | None = None,
    manner: Manner | None = None,
) -> CollectingSink:
    sink = CollectingSink()
    with anyio.fail_after(10):
        await take_turn(asked or prompt(), sink, answer, manner=manner or Manner(), bot="test")
    return sink


async def hello(narration: Narration) -> Done:
    await narration.send(TextDelta("Hel"))
    await narration.send(Notice("n", "By the way."))
    await narration.send(TextDelta("lo"))
    return DONE


def end(sink: CollectingSink) -> Failed:
    last = sink.deltas[-1]
    assert isinstance(last, Failed)
    return last


# How a turn ends


async def test_an_answer_ends_with_done() -> None:
    sink = await taken(hello)
    wanted = [TextDelta("Hel"), Notice("n", "By the way."), TextDelta("lo"), DONE]
    assert sink.deltas == wanted
    assert not sink.closed


@pytest.mark.parametrize(("shown", "state"), [("", "failed"), ("Hel", "interrupted")])
async def test_an_expected_error_is_sent_with_what_was_shown(shown: str, state: str) -> None:
    error = ProviderError("rate_limited", "Slow down.")

    async def fail(narration: Narration) -> Done:
        if shown:
            await narration.send(TextDelta(shown))
        raise error

    failed = end(await taken(fail))
    assert failed.error is error
    assert error.partial == shown
    assert (failed.state, failed.request_id, failed.session) == (state, "r", "s")


async def test_a_turn_that_was_stopped_on_purpose_is_cancelled_not_broken() -> None:
    async def stop(narration: Narration) -> Done:
        await narration.send(TextDelta("Hel"))
        raise TurnCancelled("cancelled", "It was stopped.")

    assert end(await taken(stop)).state == "cancelled"


async def test_a_bug_goes_through() -> None:
    async def fail(narration: Narration) -> Done:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await taken(fail)


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (prompt(" "), "invalid_request"),
        (prompt("12345678901"), "prompt_too_long"),
        (prompt("a\0"), "invalid_request"),
        (prompt(timeout=0), "invalid_request"),
    ],
)
async def test_a_prompt_that_cannot_succeed_fails_before_anybody_is_asked(
    asked: Prompt, code: str
) -> None:
    async def never(narration: Narration) -> Done:
        raise AssertionError("asked")

    sink = await taken(never, asked, Manner(max_chars=10))
    failed = end(sink)
    assert isinstance(failed.error, InvalidRequest)
    assert (failed.error.code, failed.state, len(sink.deltas)) == (code, "failed", 1)


# The deadline


async def stall(narration: Narration) -> Done:
    await narration.send(TextDelta("Hel"))
    await anyio.sleep_forever()
    return DONE


@pytest.mark.usefixtures("time_flies")
async def test_a_turn_past_its_deadline_fails_with_what_was_shown() -> None:
    failed = end(await taken(stall, prompt(timeout=0.02)))
    assert (failed.error.code, failed.error.partial) == ("upstream_timeout", "Hel")
    assert failed.error.message == "There was no whole answer within 0.02 seconds."
    assert failed.error.hint == "Ask for less, or raise the timeout."
    assert failed.state == "interrupted"


@pytest.mark.usefixtures("time_flies")
async def test_a_turn_that_waited_for_its_session_until_then_says_so() -> None:
    async def wait(narration: Narration) -> Done:
        narration.waits_for_session = True
        await anyio.sleep_forever()
        return DONE

    error = end(await taken(wait, prompt(timeout=0.02))).error
    assert error.code == "session_busy"
    assert "'s' had another turn running for all of 0.02 seconds" in error.message


@pytest.mark.usefixtures("time_flies")
async def test_a_turn_knows_whether_its_deadline_has_passed() -> None:
    seen: list[bool] = []

    async def look(narration: Narration) -> Done:
        seen.append(narration.timed_out)
        try:
            return await stall(narration)
        finally:
            seen.append(narration.timed_out)

    await taken(look, prompt(timeout=0.02))
    assert seen == [False, True]


@pytest.mark.usefixtures("time_flies")
async def test_cancelling_goes_through_and_sends_no_end() -> None:
    sink = CollectingSink()
    with anyio.move_on_after(0.02) as scope:
        await take_turn(prompt(), sink, stall, manner=Manner(), bot="test")
    assert scope.cancelled_caught
    assert sink.deltas == [TextDelta("Hel")]


# What is logged


@pytest.fixture
def log() -> CapturingLogger:
    """Return what gets the lines, as an application would set it up."""
    logger = CapturingLogger()
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars],
        logger_factory=lambda *_: logger,
        cache_logger_on_first_use=False,
    )
    return logger


def events(log: CapturingLogger) -> list[tuple[str, str]]:
    return [(call.method_name, call.kwargs["event"]) for call in log.calls]


async def test_a_turn_is_logged_with_its_request_id_on_every_line(log: CapturingLogger) -> None:
    await taken(hello)
    assert events(log) == [
        ("info", "request.start"),
        ("debug", "token.flush"),
        ("info", "request.end"),
    ]
    start, flush, ended = (call.kwargs for call in log.calls)
    assert {call.kwargs["request_id"] for call in log.calls} == {"r"}
    assert (start["bot"], start["session"]) == ("test", "s")
    assert (flush["pieces"], flush["chars"]) == (2, 5)
    assert (ended["state"], ended["reason"]) == ("completed", "stop")
    assert ended["seconds"] >= 0


async def test_flushes_are_counted_not_logged_one_by_one(
    log: CapturingLogger, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def much(narration: Narration) -> Done:
        monkeypatch.setattr(narration_module, "KEEP_INTERVAL", 60.0)
        for _number in range(1000):
            await narration.send(TextDelta("x"))
        monkeypatch.setattr(narration_module, "KEEP_INTERVAL", 0.0)
        await narration.send(TextDelta("y"))
        return DONE

    await taken(much)
    flushes = [call.kwargs for call in log.calls if call.kwargs["event"] == "token.flush"]
    assert [(flush["pieces"], flush["chars"]) for flush in flushes] == [(1001, 1001)]


async def test_an_error_is_logged_with_its_code(log: CapturingLogger) -> None:
    async def fail(narration: Narration) -> Done:
        raise ProviderError("rate_limited", "Slow down.")

    await taken(fail)
    assert events(log) == [("info", "request.start"), ("error", "request.error")]
    assert log.calls[-1].kwargs["code"] == "rate_limited"
    assert log.calls[-1].kwargs["state"] == "failed"


@pytest.mark.usefixtures("time_flies")
async def test_a_cancelled_turn_is_logged_as_one(log: CapturingLogger) -> None:
    with anyio.move_on_after(0.02):
        await take_turn(prompt(), CollectingSink(), stall, manner=Manner(), bot="test")
    assert events(log)[-1] == ("info", "request.end")
    assert log.calls[-1].kwargs["state"] == "cancelled"


# The parts


PAST = (Message("user", "Before"), Message("assistant", "Then"))


@pytest.mark.parametrize(
    ("said", "made_with", "system"),
    [
        (None, "Be brief.", ["Be brief."]),
        ("Be long.", "Be brief.", ["Be long."]),
        ("", "Be brief.", []),
        (None, "", []),
        (None, " \n", []),
        ("Be long.", "", ["Be long."]),
    ],
)
def test_a_request_begins_with_the_system_message_if_there_is_one(
    said: str | None, made_with: str, system: list[str]
) -> None:
    request = request_for(
        prompt(instructions=said), Manner(instructions=made_with), PAST, stream=True
    )
    first = tuple(Message("system", text) for text in system)
    assert request.messages == (*first, *PAST, Message("user", "Hi"))


@pytest.mark.parametrize("stream", [True, False])
def test_a_request_carries_what_the_prompt_asks_for(stream: bool) -> None:
    sampling = Sampling(temperature=0.0, max_tokens=5)
    request = request_for(prompt(model="m", sampling=sampling), Manner(), stream=stream)
    assert (request.request_id, request.model, request.sampling) == ("r", "m", sampling)
    assert request.stream is stream


def asked_before() -> Narration:
    return Narration(CollectingSink())


async def test_done_says_what_the_model_answered_to_which_turn() -> None:
    usage = Usage(1, 2, 3)
    answer = ModelAnswer(text="Hel", state="incomplete", reason="length", usage=usage, retries=2)
    done = done_for(prompt(), answer, asked_before())
    assert (done.state, done.reason, done.usage) == ("incomplete", "length", usage)
    assert (done.request_id, done.session) == ("r", "s")
    assert done.metrics is not None
    assert done.metrics.retries == 2


async def test_done_carries_the_probabilities() -> None:
    logprobs = (TokenLogprob("Hi", -0.25),)
    answer = ModelAnswer(text="Hi", state="completed", reason="stop", logprobs=logprobs)
    assert done_for(prompt(), answer, asked_before()).logprobs == logprobs


async def test_a_turn_that_broke_off_says_about_what_it_cost() -> None:
    model = ScriptedModel(["Hello there.", ProviderError("stream_interrupted", "Gone.")])

    async def answer(narration: Narration) -> Done:
        request = request_for(prompt("Say hello"), Manner(), stream=True)
        narration.request = request
        return done_for(prompt(), await model.complete(request, narration), narration)

    failed = end(await taken(answer))
    assert failed.state == "interrupted"
    assert failed.usage == Usage(7, 4, 11, estimated=True)


def test_a_turn_that_showed_something_was_interrupted() -> None:
    assert (broken_state(""), broken_state("Hel")) == ("failed", "interrupted")


def test_a_manner_may_say_nothing() -> None:
    assert (Manner().instructions, Manner().max_chars) == ("", 200_000)


def test_a_manner_whose_instructions_cannot_be_sent_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="system message"):
        Manner(instructions="\ud800")
