"""The promises of a `ChatService`, as a suite any implementation can be put through.

    class TestMyBot(ChatServiceContract):
        def make_service(self, model):
            return MyBot(model)

The tests are coroutines: run them by pytest-asyncio in auto mode, or by anyio's plugin.
"""
# ruff: noqa: D102 (the tests' names are sentences)

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import ClassVar

import anyio
from msgspec.structs import replace

from chatbots.deltas import Delta, Done, Failed, TextDelta
from chatbots.errors import ChatError, ProviderError
from chatbots.flow.unwrap import unwrapped
from chatbots.interfaces import ChatModel, ChatService
from chatbots.messages import Message, Prompt, Usage
from chatbots.testing.promises import PATIENCE, opened, promised, settle
from chatbots.testing.scripted import CollectingSink, Gate, ScriptedModel


class ServiceMaker(ABC):
    """Where a suite gets its bots from."""

    patience: ClassVar[float] = PATIENCE
    """Seconds a test may take."""

    @abstractmethod
    def make_service(
        self, model: ChatModel
    ) -> ChatService | AbstractAsyncContextManager[ChatService]:
        """Return a bot that asks *model*, or what gives one when it is entered."""

    def _service(self, model: ChatModel) -> AbstractAsyncContextManager[ChatService]:
        return opened(self.make_service(model), patience=self.patience)


def prompt(request_id: str = "r1", *, timeout: float = 300, session: str | None = "s") -> Prompt:
    """Say something."""
    said = (Message("user", f"This is {request_id}."),)
    return Prompt(messages=said, request_id=request_id, session=session, timeout=timeout)


async def answered(service: ChatService, asked: Prompt) -> CollectingSink:
    """Take one turn and check the grammar of what was sent."""
    sink = CollectingSink()
    await service.respond(asked, sink)
    check_grammar(sink.deltas)
    promised(not sink.closed, "the sink stays open: it is the caller's")
    return sink


def check_grammar(deltas: Sequence[Delta]) -> None:
    """A reply is `body* (Done | Failed)`, and no piece of its text is empty."""
    promised(bool(deltas), "a reply is never empty")
    promised(isinstance(deltas[-1], Done | Failed), f"a reply ends with a terminal: {deltas}")
    early = [delta for delta in deltas[:-1] if isinstance(delta, Done | Failed)]
    promised(not early, f"there is one terminal, and it comes last: {deltas}")
    empty = [delta for delta in deltas if isinstance(delta, TextDelta) and not delta.text]
    promised(not empty, f"a piece of text has at least one character: {deltas}")


def failure(sink: CollectingSink) -> Failed:
    """Return how the turn failed."""
    last = sink.deltas[-1]
    if isinstance(last, Failed):
        return last
    raise AssertionError(f"the turn failed, so it ends with Failed, not {last}")


class AnsweringPromises(ServiceMaker):
    """What a bot says when all is well."""

    async def test_a_reply_is_the_models_text_and_then_done(self) -> None:
        usage = Usage(input_tokens=3, output_tokens=2, total_tokens=5)
        model = ScriptedModel()
        model.answer("Hel", "lo ", "👍\n", usage=usage)
        async with self._service(model) as service:
            sink = await answered(service, prompt())
        done = Done(state="completed", reason="stop", usage=usage, request_id="r1", session="s")
        promised(sink.text == "Hello 👍\n", f"the text is the model's, not {sink.text!r}")
        last = sink.deltas[-1]
        # How quick it was may differ, and a service need not measure it.
        same = isinstance(last, Done) and replace(last, metrics=None) == done
        promised(same, f"the last is {done}, not {last}")

    async def test_an_answer_that_was_cut_is_done_but_incomplete(self) -> None:
        for reason in ("length", "content_filter"):
            model = ScriptedModel()
            model.answer("Hel", reason=reason)
            async with self._service(model) as service:
                last = (await answered(service, prompt())).deltas[-1]
            whole = isinstance(last, Done) and (last.state, last.reason) == ("incomplete", reason)
            promised(whole, f"a cut answer is incomplete and says why, not {last}")

    async def test_an_answer_without_text_is_an_answer(self) -> None:
        async with self._service(ScriptedModel([])) as service:
            sink = await answered(service, prompt())
        promised(isinstance(sink.deltas[-1], Done), "an empty answer is done")
        promised(sink.text == "", "an empty answer has no text")

    async def test_a_turn_asks_the_model_once_and_carries_what_was_said(self) -> None:
        model = ScriptedModel()
        async with self._service(model) as service:
            promised(not model.requests, "nothing is asked before the first turn")
            await answered(service, prompt())
        promised(len(model.requests) == 1, f"one turn is one request, not {len(model.requests)}")
        asked = model.requests[0]
        promised(asked.request_id == "r1", "the request carries the turn's id")
        promised(asked.messages[-1] == prompt().messages[-1], "what was said last comes last")

    async def test_a_prompt_needs_no_session(self) -> None:
        async with self._service(ScriptedModel("Hello.")) as service:
            sink = await answered(service, prompt(session=None))
        promised(sink.text == "Hello.", "a prompt without session is answered")

    async def test_turns_at_the_same_time_are_not_mixed_up(self) -> None:
        sinks: dict[str, CollectingSink] = {}

        async def ask(service: ChatService, name: str) -> None:
            sinks[name] = await answered(service, prompt(name, session=name))

        async with self._service(ScriptedModel()) as service:
            async with anyio.create_task_group() as tasks:
                for number in range(8):
                    tasks.start_soon(ask, service, f"r{number}")
            for name, sink in sinks.items():
                last = sink.deltas[-1]
                promised(sink.text == f"This is {name}.", f"{name} got {sink.text!r}")
                named = isinstance(last, Done) and (last.request_id, last.session) == (name, name)
                promised(named, f"{name} was told about another turn: {last}")

    async def test_a_reader_that_is_behind_makes_the_turn_wait(self) -> None:
        model = ScriptedModel(["Hel", "lo"])
        send, receive = anyio.create_memory_object_stream[Delta](0)
        deltas: list[Delta] = []
        ended: list[bool] = []

        async def respond(service: ChatService) -> None:
            await service.respond(prompt(), send)
            ended.append(True)

        async with (
            send,
            receive,
            self._service(model) as service,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(respond, service)
            await settle()
            waiting = send.statistics().tasks_waiting_send
            promised(not ended, "a turn nobody reads does not end")
            promised(waiting == 1, f"a delta is sent when the last was taken: {waiting} wait")
            while not ended:
                deltas.append(await receive.receive())
                await settle()
        check_grammar(deltas)


class FailingPromises(ServiceMaker):
    """What a bot says when the model fails."""

    async def test_a_model_that_fails_at_once_ends_the_turn_with_its_error(self) -> None:
        error = ProviderError("rate_limited", "Slow down.", retry_after=2.0)
        async with self._service(ScriptedModel([error])) as service:
            sink = await answered(service, prompt())
        failed = failure(sink)
        promised(failed.error is error, f"the error is the model's own, not {failed.error!r}")
        promised(failed.state == "failed", f"nothing was shown: failed, not {failed.state}")
        named = (failed.request_id, failed.session) == ("r1", "s")
        promised(named, f"the failure names its turn: {failed}")
        promised(sink.text == "", "nothing was said")

    async def test_a_model_that_fails_half_way_ends_the_turn_after_its_text(self) -> None:
        error = ProviderError("stream_interrupted", "The connection was lost.")
        async with self._service(ScriptedModel(["Hel", "lo", error])) as service:
            sink = await answered(service, prompt())
        failed = failure(sink)
        promised("Hello".startswith(sink.text), f"what was shown was said: {sink.text!r}")
        state = "interrupted" if sink.text else "failed"
        promised(failed.state == state, f"the turn was {state}, not {failed.state}")
        promised(failed.error is error, f"the error is the model's own, not {failed.error!r}")

    async def test_a_failed_turn_leaves_the_bot_usable(self) -> None:
        error = ProviderError("stream_interrupted", "The connection was lost.")
        model = ScriptedModel(["Hel", error], [error], "Hello.")
        async with self._service(model) as service:
            failure(await answered(service, prompt("r1")))
            failure(await answered(service, prompt("r2")))
            sink = await answered(service, prompt("r3"))
        promised(sink.text == "Hello.", "the turn after a failed one is answered")

    async def test_a_bug_in_the_model_raises(self) -> None:
        sink = CollectingSink()
        async with self._service(ScriptedModel(["Hel", ZeroDivisionError()])) as service:
            try:
                with unwrapped():
                    await service.respond(prompt(), sink)
            except ZeroDivisionError:
                pass
            else:
                promised(False, "a bug is raised, not swallowed")
        ended = [delta for delta in sink.deltas if isinstance(delta, Done)]
        promised(not ended, f"a turn with a bug in it is not done: {ended}")

    async def test_a_turn_past_its_deadline_fails(self) -> None:
        model = ScriptedModel(["Hel", Gate()])
        async with self._service(model) as service:
            failed = failure(await answered(service, prompt(timeout=0.5)))
        error: ChatError = failed.error
        promised(error.category == "timeout", f"the error is a timeout, not {error!r}")
        promised(model.cancelled == 1, "the model is told to stop")


class CancellingPromises(ServiceMaker):
    """What is left of a turn that was cancelled."""

    async def test_cancelling_stops_the_model_and_sends_nothing_more(self) -> None:
        gate = Gate()
        model = ScriptedModel(["Hel", gate, "lo"])
        sink = CollectingSink()
        async with self._service(model) as service:
            await self._cancel_at(gate, service, prompt(), sink)
            promised(model.cancelled == 1, "the model's request is cancelled")
            before = list(sink.deltas)
            ends = [delta for delta in before if isinstance(delta, Done | Failed)]
            promised(not ends, f"a cancelled turn sends no terminal: {ends}")
            gate.open()
            await settle()
            promised(sink.deltas == before, "nothing is sent after the turn was cancelled")
            promised(not sink.closed, "the sink stays open: it is the caller's")

    async def test_a_cancelled_turn_leaves_the_session_usable(self) -> None:
        gate = Gate()
        async with self._service(ScriptedModel(["Hel", gate], "Hello.")) as service:
            await self._cancel_at(gate, service, prompt("r1"), CollectingSink())
            sink = await answered(service, prompt("r2"))
        promised(sink.text == "Hello.", "the turn after a cancelled one is answered")

    async def test_a_turn_whose_reader_has_left_leaves_the_session_usable(self) -> None:
        send, receive = anyio.create_memory_object_stream[Delta](0)
        receive.close()
        async with send, self._service(ScriptedModel("Hel", "Hello.")) as service:
            try:
                with unwrapped():
                    await service.respond(prompt("r1"), send)
            except anyio.BrokenResourceError:
                pass
            sink = await answered(service, prompt("r2"))
        promised(sink.text == "Hello.", "the turn after an unread one is answered")

    async def _cancel_at(
        self, gate: Gate, service: ChatService, asked: Prompt, sink: CollectingSink
    ) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(service.respond, asked, sink)
            await gate.reached()
            tasks.cancel_scope.cancel()


class ChatServiceContract(AnsweringPromises, FailingPromises, CancellingPromises):
    """Everything `ChatService` promises; a subclass gives `make_service`."""
