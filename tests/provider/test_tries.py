"""The tries of one turn: alone with a clock of the test's own, and against a real socket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from time import perf_counter

import anyio
import pytest
from openai import AsyncOpenAI

from chatbots.deltas import Delta, Notice, TextDelta
from chatbots.errors import ChatError, ProviderError
from chatbots.flow.channel import open_channel
from chatbots.messages import Message, ModelAnswer, ModelRequest
from chatbots.provider.breaker import OPEN_FOR
from chatbots.provider.chat import OpenAIChat
from chatbots.provider.client import Access, SharedClient
from chatbots.provider.guard import Guards
from chatbots.provider.tries import Clock, Tries
from chatbots.testing import FakeOpenAI


class Watch:
    """A clock that only goes on when somebody sleeps."""

    def __init__(self, chance: float = 1.0) -> None:
        self.time = 1000.0
        self.slept: list[float] = []
        self.clock = Clock(now=lambda: self.time, sleep=self.sleep, chance=lambda: chance)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds
        await anyio.lowlevel.checkpoint()


def error(code: str, retry_after: float | None = None) -> ProviderError:
    return ProviderError(code, "no", retry_after=retry_after)


class Turn:
    """A turn whose tries fail in the given ways, one by one, and then answer."""

    def __init__(
        self, *ends: BaseException | str, watch: Watch | None = None, guards: Guards | None = None
    ) -> None:
        self.watch = watch or Watch()
        self.out, self.source = open_channel()
        self.tries = Tries(guards or Guards(), self.out, self.watch.clock)
        self.asked: list[str] = []
        self.shown = False
        self._ends = [error(end) if isinstance(end, str) else end for end in ends]

    async def run(self, *models: str) -> str | ChatError:
        """Return the answer, or the error."""
        try:
            return await self.tries.in_turn(self.ask, *(models or ("m",)))
        except ChatError as failed:
            return failed

    async def ask(self, model: str) -> str:
        async def attempt() -> str:
            self.asked.append(model)
            if self._ends:
                raise self._ends.pop(0)
            return f"by {model}"

        return await self.tries.at(model, attempt, shown=lambda: self.shown)

    async def told(self) -> list[Delta]:
        self.out.close()
        return [delta async for delta in self.source]


def code(ended: object) -> str:
    assert isinstance(ended, ChatError), ended
    return ended.code


# What is asked again


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        ("upstream_error", 3),
        ("upstream_unreachable", 3),
        ("stream_interrupted", 3),
        ("rate_limited", 3),
        ("upstream_bad_response", 2),
        ("upstream_timeout", 2),
        ("stream_stalled", 2),
        ("upstream_tls", 1),
        ("upstream_auth", 1),
        ("quota_exhausted", 1),
        ("model_not_available", 1),
        ("context_too_long", 1),
        ("content_filtered", 1),
    ],
)
async def test_how_often_each_failure_is_met_before_it_is_believed(kind: str, asked: int) -> None:
    turn = Turn(*[kind] * 9)
    assert code(await turn.run()) == kind
    assert (len(turn.asked), turn.tries.retries) == (asked, asked - 1)


async def test_a_turn_that_fails_twice_is_answered_at_last() -> None:
    turn = Turn("upstream_error", "upstream_unreachable")
    assert await turn.run() == "by m"
    assert turn.tries.retries == 2


async def test_a_turn_that_is_answered_at_once_had_no_retries() -> None:
    turn = Turn()
    assert await turn.run() == "by m"
    assert (turn.tries.retries, turn.watch.slept) == (0, [])


async def test_a_failure_that_is_retried_once_is_not_when_another_has_been() -> None:
    turn = Turn("upstream_error", "upstream_timeout")
    assert code(await turn.run()) == "upstream_timeout"


async def test_the_last_failure_is_the_one_that_is_told() -> None:
    turn = Turn("upstream_error", "upstream_error", "upstream_unreachable")
    assert code(await turn.run()) == "upstream_unreachable"


@pytest.mark.parametrize("retryable", [False, True])
async def test_what_the_server_forbids_or_cannot_do_is_not_asked_again(retryable: bool) -> None:
    kind = "upstream_auth" if retryable else "upstream_error"
    turn = Turn(ProviderError(kind, "no", retryable=retryable))
    assert code(await turn.run()) == kind


async def test_nothing_is_asked_again_once_something_was_shown() -> None:
    turn = Turn("stream_interrupted")
    turn.shown = True
    assert code(await turn.run("m", "other")) == "stream_interrupted"
    assert turn.asked == ["m"]


async def test_a_bug_is_not_asked_again() -> None:
    turn = Turn(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        await turn.run()
    turn = Turn("upstream_error", ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        await turn.run()


async def test_tasks_that_retry_at_the_same_time_do_not_lose_their_failures() -> None:
    turns = [Turn(*["upstream_error"] * times) for times in (0, 1, 2, 3, 3)]
    ends: list[str | ChatError] = []

    async def one(turn: Turn) -> None:
        ends.append(await turn.run())

    async with anyio.create_task_group() as group:
        for turn in turns:
            group.start_soon(one, turn)
    assert [len(turn.asked) for turn in turns] == [1, 2, 3, 3, 3]
    assert ends.count("by m") == 3


# How long is waited


@pytest.mark.checklist(159)
@pytest.mark.parametrize(("chance", "slept"), [(0.0, [0.25, 0.5]), (1.0, [0.5, 1.0])])
async def test_the_pauses_grow_and_differ_by_chance(chance: float, slept: list[float]) -> None:
    turn = Turn("upstream_error", "upstream_error", watch=Watch(chance))
    await turn.run()
    assert turn.watch.slept == slept


@pytest.mark.checklist(159)
async def test_a_server_that_names_a_time_is_asked_again_then() -> None:
    turn = Turn(error("upstream_error", retry_after=3.0))
    assert await turn.run() == "by m"
    assert turn.watch.slept == [pytest.approx(3.3)]
    assert await turn.told() == []


@pytest.mark.parametrize("kind", ["upstream_error", "rate_limited"])
async def test_a_time_of_more_than_five_seconds_is_told_instead_of_waited_for(kind: str) -> None:
    turn = Turn(error(kind, retry_after=5.1))
    ended = await turn.run()
    assert isinstance(ended, ChatError)
    assert (ended.code, ended.retry_after, len(turn.asked)) == (kind, 5.1, 1)
    assert turn.watch.slept == []


@pytest.mark.parametrize("retry_after", [None, 3.0])
async def test_what_the_turn_has_no_time_left_for_is_not_waited_for(
    retry_after: float | None,
) -> None:
    turn = Turn(error("upstream_error", retry_after))
    with anyio.fail_after(0.3):
        assert code(await turn.run()) == "upstream_error"
    assert turn.watch.slept == []


async def test_cancelling_during_the_pause_ends_the_turn() -> None:
    turn = Turn("upstream_error")

    async def cancel(_: float) -> None:
        scope.cancel()
        await anyio.sleep_forever()

    turn.tries = Tries(Guards(), turn.out, Clock(sleep=cancel))
    with anyio.CancelScope() as scope:
        await turn.run()
    assert scope.cancelled_caught
    assert len(turn.asked) == 1


async def test_retries_end_with_the_budget_that_all_turns_share() -> None:
    guards, watch = Guards(), Watch()
    asked: list[int] = []
    for _ in range(3):
        # A success in between: it is the budget that is used up, not the circuit that opens.
        await Turn(guards=guards, watch=watch).run()
        turn = Turn("upstream_error", "upstream_error", guards=guards, watch=watch)
        await turn.run()
        asked.append(len(turn.asked))
    assert asked == [3, 2, 1]


# The shared pause


async def test_told_to_slow_down_the_turn_says_how_long_it_waits() -> None:
    turn = Turn(error("rate_limited", retry_after=4.0), watch=Watch(0.5))
    assert await turn.run() == "by m"
    assert turn.watch.slept == [0.0, pytest.approx(4.2)]
    assert await turn.told() == [
        Notice("queued", "The model's server asks to slow down; waiting 4 seconds.")
    ]


async def test_a_wait_that_nobody_notices_is_not_told() -> None:
    turn = Turn(error("rate_limited", retry_after=0.05))
    assert await turn.run() == "by m"
    assert await turn.told() == []


async def test_the_others_wait_as_well_without_asking_first() -> None:
    guards, watch = Guards(), Watch()
    await Turn(error("rate_limited", retry_after=9.0), guards=guards, watch=watch).run()
    hasty = Turn(guards=guards, watch=watch)
    ended = await hasty.run()
    assert (code(ended), hasty.asked) == ("rate_limited", [])
    watch.time += 5
    patient = Turn(guards=guards, watch=watch)
    assert await patient.run() == "by m"
    assert [delta.code for delta in await patient.told() if isinstance(delta, Notice)] == ["queued"]


async def test_a_pause_the_turn_has_no_time_left_for_is_not_waited_for() -> None:
    guards, watch = Guards(), Watch()
    guard = guards.of("m")
    guard.leave(guard.enter(watch.time), error("rate_limited", 3.0), watch.time)
    with anyio.fail_after(0.3):
        assert code(await Turn(guards=guards, watch=watch).run()) == "rate_limited"
    assert watch.slept == []


async def test_another_model_does_not_wait() -> None:
    guards, watch = Guards(), Watch()
    await Turn(error("rate_limited", retry_after=9.0), guards=guards, watch=watch).run("a")
    assert await Turn(guards=guards, watch=watch).run("b") == "by b"
    assert watch.slept == []


async def test_those_who_wait_do_not_all_come_at_once() -> None:
    guards = Guards()
    watch = Watch()
    await Turn(error("rate_limited", retry_after=5.1), guards=guards, watch=watch).run()
    waited: list[float] = []
    for chance in (0.0, 0.3, 0.9):
        one = Watch(chance)
        one.time = watch.time + 1.1
        await Turn(guards=guards, watch=one).run()
        waited += one.slept
    assert waited == [pytest.approx(4 * (1 + 0.1 * chance)) for chance in (0.0, 0.3, 0.9)]


async def test_a_turn_queues_five_seconds_in_all_however_often_the_pause_grows() -> None:
    guards, watch = Guards(), Watch(0.0)
    turn = Turn(guards=guards, watch=watch)
    guard = guards.of("m")
    guard.leave(guard.enter(watch.time), error("rate_limited", 3.0), watch.time)
    sleep = watch.sleep

    async def sleep_while_another_is_told_to_slow_down(seconds: float) -> None:
        await sleep(seconds)
        guard.leave(guard.enter(watch.time), error("rate_limited", 3.0), watch.time)

    clock = Clock(now=lambda: watch.time, sleep=sleep_while_another_is_told_to_slow_down)
    turn.tries = Tries(guards, turn.out, clock)
    assert code(await turn.run()) == "rate_limited"
    assert (turn.asked, turn.tries.retries) == ([], 0)
    assert sum(watch.slept) < 5.5


async def test_a_rate_limit_without_a_time_is_waited_out_by_who_met_it() -> None:
    guards, watch = Guards(), Watch()
    turn = Turn("rate_limited", guards=guards, watch=watch)
    assert await turn.run() == "by m"
    assert watch.slept == [0.5]
    assert await turn.told() == []


# The circuit


async def test_the_circuit_opens_in_the_midst_of_a_turn_and_the_failure_itself_is_told() -> None:
    guards, watch = Guards(), Watch()
    await Turn(*["upstream_error"] * 3, guards=guards, watch=watch).run()
    turn = Turn(*["upstream_error"] * 3, guards=guards, watch=watch)
    assert code(await turn.run()) == "upstream_error"
    assert len(turn.asked) == 2, "the fifth failure in a row opened it"
    assert code(await Turn(guards=guards, watch=watch).run()) == "circuit_open"


async def test_a_cancelled_probe_lets_another_try() -> None:
    guards, watch = Guards(), Watch()
    for _ in range(2):
        await Turn(*["upstream_error"] * 3, guards=guards, watch=watch).run()
    watch.time += OPEN_FOR
    probe, begun = Turn(guards=guards, watch=watch), anyio.Event()

    async def never() -> str:
        begun.set()
        await anyio.sleep_forever()
        raise AssertionError

    async with anyio.create_task_group() as group:

        async def ask() -> None:
            await probe.tries.at("m", never, shown=lambda: False)

        group.start_soon(ask)
        await begun.wait()
        assert code(await Turn(guards=guards, watch=watch).run()) == "circuit_open"
        group.cancel_scope.cancel()
    second = Turn("upstream_error", guards=guards, watch=watch)
    assert code(await second.run()) == "upstream_error"
    assert second.asked == ["m"], "it was the probe: the first one had proved nothing"
    assert code(await Turn(guards=guards, watch=watch).run()) == "circuit_open"


# Other models


@pytest.mark.parametrize(
    "kind",
    [
        "upstream_error",
        "upstream_unreachable",
        "upstream_timeout",
        "upstream_bad_response",
        "stream_interrupted",
        "stream_stalled",
        "rate_limited",
        "circuit_open",
        "model_not_available",
    ],
)
async def test_another_model_is_asked_where_the_first_cannot_answer(kind: str) -> None:
    ends = [error(kind, retry_after=60.0)]
    turn = Turn(*ends)
    assert await turn.run("a", "b") == "by b"
    assert turn.asked == ["a", "b"]
    message = f"b is asked instead of a, which failed ({kind})."
    assert await turn.told() == [Notice("model_fallback", message)]


@pytest.mark.parametrize(
    "kind",
    ["upstream_auth", "upstream_tls", "quota_exhausted", "context_too_long", "content_filtered"],
)
async def test_no_other_model_is_asked_what_it_could_not_do_either(kind: str) -> None:
    turn = Turn(kind)
    assert code(await turn.run("a", "b")) == kind
    assert turn.asked == ["a"]
    assert await turn.told() == []


async def test_they_are_asked_in_turn_and_the_retries_are_the_turns() -> None:
    turn = Turn(*["upstream_error"] * 4)
    assert await turn.run("a", "b", "c") == "by c"
    assert turn.asked == ["a", "a", "a", "b", "c"]
    assert turn.tries.retries == 2


async def test_where_all_fail_the_first_ones_error_is_told() -> None:
    turn = Turn(*["upstream_error"] * 3, "model_not_available")
    assert code(await turn.run("a", "b")) == "upstream_error"
    assert turn.asked == ["a", "a", "a", "b"]


async def test_a_fallback_that_broke_off_after_its_first_word_is_told_as_that() -> None:
    turn = Turn("model_not_available")
    asked = turn.ask

    async def ask(model: str) -> str:
        if model == "a":
            return await asked(model)

        async def attempt() -> str:
            turn.shown = True
            raise error("stream_interrupted")

        return await turn.tries.at(model, attempt, shown=lambda: turn.shown)

    turn.ask = ask  # type: ignore[method-assign]  # one model of two differs
    assert code(await turn.run("a", "b")) == "stream_interrupted"


# Over a real socket


@asynccontextmanager
async def model_on(
    fake: FakeOpenAI, watch: Watch, fallbacks: Sequence[str] = ()
) -> AsyncIterator[Callable[[], Awaitable[tuple[list[Delta], object]]]]:
    """Give a function that asks once and returns what was told, and the answer or the error."""
    shared = SharedClient(Access(api_key="any", base_url=fake.base_url))

    async def client() -> AsyncOpenAI:
        return shared.get()

    model = OpenAIChat(client, model="m", fallbacks=fallbacks, clock=watch.clock)
    request = ModelRequest(messages=(Message("user", "Hi"),), stream=True, request_id="r")

    async def ask() -> tuple[list[Delta], object]:
        out, source = open_channel()
        try:
            ended: object = await model.complete(request, out)
        except ChatError as failed:
            ended = failed
        out.close()
        return [delta async for delta in source], ended

    try:
        yield ask
    finally:
        await shared.aclose()


def answered(ended: object) -> ModelAnswer:
    assert isinstance(ended, ModelAnswer), ended
    return ended


@pytest.mark.parametrize(
    ("faults", "retries"), [("ok", 0), ("500,ok", 1), ("reset,529,ok", 2), ("empty-body,ok", 1)]
)
async def test_the_answer_tells_how_often_the_server_was_asked_again(
    faults: str, retries: int
) -> None:
    async with FakeOpenAI() as fake, model_on(fake, Watch()) as ask:
        fake.fault(faults)
        assert answered((await ask())[1]).retries == retries
        assert len(fake.calls) == retries + 1


@pytest.mark.parametrize(
    ("fault", "waits"),
    [("429-s:4", 4.0), ("429-ms:1500", 1.5), ("429-bad", 0.5), ("429-neg", 0.5), ("429", 0.5)],
)
async def test_a_rate_limit_is_waited_out_in_each_of_its_forms(fault: str, waits: float) -> None:
    watch = Watch(0.0 if "-s" in fault or "-ms" in fault else 1.0)
    async with FakeOpenAI() as fake, model_on(fake, watch) as ask:
        fake.fault(f"{fault},ok")
        told, ended = await ask()
        assert answered(ended).text == "Hi"
    assert sum(watch.slept) == pytest.approx(waits)
    assert isinstance(told[0], Notice) is (waits > 1)


async def test_a_very_long_pause_keeps_the_others_from_asking_at_all() -> None:
    async with FakeOpenAI() as fake, model_on(fake, Watch()) as ask:
        fake.fault("429-huge")
        for _ in range(3):
            _, ended = await ask()
            assert isinstance(ended, ProviderError)
            assert (ended.code, ended.retry_after) == ("rate_limited", 3600.0)
        assert len(fake.calls) == 1


async def test_an_open_circuit_answers_in_less_than_ten_milliseconds_and_asks_nobody() -> None:
    watch = Watch()
    async with FakeOpenAI() as fake, model_on(fake, watch) as ask:
        fake.fault(",".join(["500"] * 5))
        await ask()
        await ask()
        took = []
        for _ in range(5):  # a machine that is busy may take its time once
            begun = perf_counter()
            _, ended = await ask()
            took.append(perf_counter() - begun)
        assert min(took) < 0.01
        assert isinstance(ended, ProviderError)
        assert ended.code == "circuit_open"
        assert ended.retry_after is not None
        assert ended.hint is not None
        assert len(fake.calls) == 5
        watch.time += OPEN_FOR
        assert answered((await ask())[1]).text == "Hi"


async def test_an_answer_that_breaks_off_counts_as_a_failure() -> None:
    async with FakeOpenAI() as fake, model_on(fake, Watch()) as ask:
        fake.fault(",".join(["midstream-reset"] * 5))
        for _ in range(5):
            assert code((await ask())[1]) == "stream_interrupted"
        assert code((await ask())[1]) == "circuit_open"
        assert len(fake.calls) == 5


async def test_an_empty_account_is_asked_once() -> None:
    async with FakeOpenAI() as fake, model_on(fake, Watch(), ["other"]) as ask:
        fake.fault("429-quota")
        assert code((await ask())[1]) == "quota_exhausted"
        assert code((await ask())[1]) == "circuit_open"
        assert len(fake.calls) == 1


async def test_a_wrong_key_does_not_open_the_circuit() -> None:
    async with FakeOpenAI(api_key="another") as fake, model_on(fake, Watch()) as ask:
        for _ in range(7):
            assert code((await ask())[1]) == "upstream_auth"
        assert len(fake.calls) == 7


async def test_the_configured_model_answers_in_place_of_the_one_that_fails() -> None:
    async with FakeOpenAI() as fake, model_on(fake, Watch(), ["m", "other"]) as ask:
        fake.fault("503,503,503,ok")
        told, ended = await ask()
        assert [call.json["model"] for call in fake.calls] == ["m", "m", "m", "other"]
    assert [type(delta) for delta in told] == [Notice, TextDelta]
    assert (answered(ended).text, answered(ended).retries) == ("Hi", 2)
