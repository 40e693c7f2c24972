"""The suite passes a bot that keeps its promises, and notices each promise that is broken."""

from __future__ import annotations

import anyio
import pytest
from anyio.abc import TaskGroup
from msgspec.structs import replace

from chatbots.deltas import Delta, Done, Failed, TextDelta
from chatbots.errors import ChatError, ProviderError
from chatbots.interfaces import ChatModel, ChatService, Sink
from chatbots.messages import ModelAnswer, ModelRequest, Prompt
from chatbots.testing.scripted import CollectingSink
from chatbots.testing.service_contract import ChatServiceContract


class TinyBot:
    """The least that keeps every promise."""

    stream = False

    def __init__(self, model: ChatModel) -> None:
        self.model = model

    async def respond(self, prompt: Prompt, out: Sink) -> None:
        narration = CollectingSink()
        try:
            with anyio.move_on_after(prompt.timeout) as deadline:
                answer = await self.ask(prompt, Tee(out, narration))
            if deadline.cancelled_caught:
                raise ProviderError("upstream_timeout", "Too late.")
        except ChatError as error:
            await self.fail(prompt, out, error, shown=narration.text)
        else:
            await self.end(prompt, out, answer)

    async def ask(self, prompt: Prompt, out: Sink) -> ModelAnswer:
        return await self.model.complete(self.request(prompt), out)

    def request(self, prompt: Prompt) -> ModelRequest:
        return ModelRequest(
            messages=prompt.messages, stream=self.stream, request_id=prompt.request_id
        )

    async def end(self, prompt: Prompt, out: Sink, answer: ModelAnswer) -> None:
        await out.send(
            Done(
                state=answer.state,
                reason=answer.reason,
                usage=answer.usage,
                request_id=prompt.request_id,
                session=prompt.session,
            )
        )

    async def fail(self, prompt: Prompt, out: Sink, error: ChatError, *, shown: str) -> None:
        await out.send(
            Failed(
                error=error,
                state="interrupted" if shown else "failed",
                request_id=prompt.request_id,
                session=prompt.session,
            )
        )


class Tee(anyio.abc.ObjectSendStream[Delta]):
    """Sends to the first, and tells the second."""

    def __init__(self, out: Sink, also: CollectingSink) -> None:
        self.out = out
        self.also = also

    async def send(self, item: Delta) -> None:
        await self.also.send(item)
        await self.out.send(item)

    async def aclose(self) -> None:
        pass


class StreamingTinyBot(TinyBot):
    stream = True


@pytest.mark.usefixtures("time_flies")
class TestTinyBot(ChatServiceContract):
    def make_service(self, model: ChatModel) -> ChatService:
        return TinyBot(model)


@pytest.mark.usefixtures("time_flies")
class TestStreamingTinyBot(ChatServiceContract):
    def make_service(self, model: ChatModel) -> ChatService:
        return StreamingTinyBot(model)


# One way of breaking each promise


class Silent(TinyBot):
    async def end(self, prompt: Prompt, out: Sink, answer: ModelAnswer) -> None:
        pass


class TalksOn(TinyBot):
    async def end(self, prompt: Prompt, out: Sink, answer: ModelAnswer) -> None:
        await super().end(prompt, out, answer)
        await out.send(TextDelta("By the way."))


class EndsTwice(TinyBot):
    async def end(self, prompt: Prompt, out: Sink, answer: ModelAnswer) -> None:
        await super().end(prompt, out, answer)
        await super().end(prompt, out, answer)


class EmptyPieces(TinyBot):
    async def ask(self, prompt: Prompt, out: Sink) -> ModelAnswer:
        await out.send(TextDelta(""))
        return await super().ask(prompt, out)


class Strips(TinyBot):
    async def ask(self, prompt: Prompt, out: Sink) -> ModelAnswer:
        heard = CollectingSink()
        answer = await super().ask(prompt, heard)
        if heard.text.strip():
            await out.send(TextDelta(heard.text.strip()))
        return answer


class ForgetsUsage(TinyBot):
    async def end(self, prompt: Prompt, out: Sink, answer: ModelAnswer) -> None:
        await super().end(prompt, out, replace(answer, usage=None))


class AlwaysCompleted(TinyBot):
    async def end(self, prompt: Prompt, out: Sink, answer: ModelAnswer) -> None:
        await super().end(prompt, out, replace(answer, state="completed"))


class NeedsText(TinyBot):
    async def end(self, prompt: Prompt, out: Sink, answer: ModelAnswer) -> None:
        if not answer.text:
            raise AssertionError("the model always says something")
        await super().end(prompt, out, answer)


class AsksTwice(TinyBot):
    async def ask(self, prompt: Prompt, out: Sink) -> ModelAnswer:
        await super().ask(prompt, CollectingSink())
        return await super().ask(prompt, out)


class OwnRequestId(TinyBot):
    def request(self, prompt: Prompt) -> ModelRequest:
        return replace(super().request(prompt), request_id="mine")


class NeedsASession(TinyBot):
    async def ask(self, prompt: Prompt, out: Sink) -> ModelAnswer:
        if prompt.session is None:
            raise ProviderError("upstream_error", "No session.")
        return await super().ask(prompt, out)


class MixesUp(TinyBot):
    async def respond(self, prompt: Prompt, out: Sink) -> None:
        self.last = prompt
        await super().respond(prompt, out)

    async def end(self, prompt: Prompt, out: Sink, answer: ModelAnswer) -> None:
        await super().end(self.last, out, answer)


class Closes(TinyBot):
    async def end(self, prompt: Prompt, out: Sink, answer: ModelAnswer) -> None:
        await super().end(prompt, out, answer)
        await out.aclose()


class Buffers(TinyBot):
    """Says that it is done while nobody has read anything."""

    async def respond(self, prompt: Prompt, out: Sink) -> None:
        heard = CollectingSink()
        await super().respond(prompt, heard)
        for delta in heard.deltas:
            with anyio.move_on_after(0.01):
                await out.send(delta)


class AllAtOnce(TinyBot):
    """Sends without waiting for the last to be taken."""

    async def respond(self, prompt: Prompt, out: Sink) -> None:
        heard = CollectingSink()
        await super().respond(prompt, heard)
        async with anyio.create_task_group() as tasks:
            for delta in heard.deltas:
                tasks.start_soon(out.send, delta)


class Raises(TinyBot):
    async def fail(self, prompt: Prompt, out: Sink, error: ChatError, *, shown: str) -> None:
        raise error


class CallsItDone(TinyBot):
    async def fail(self, prompt: Prompt, out: Sink, error: ChatError, *, shown: str) -> None:
        await self.end(prompt, out, ModelAnswer(text=shown, state="completed", reason="stop"))


class OwnError(TinyBot):
    async def fail(self, prompt: Prompt, out: Sink, error: ChatError, *, shown: str) -> None:
        own = ProviderError("upstream_error", "Something went wrong.")
        await super().fail(prompt, out, own, shown=shown)


class AlwaysInterrupted(TinyBot):
    async def fail(self, prompt: Prompt, out: Sink, error: ChatError, *, shown: str) -> None:
        await super().fail(prompt, out, error, shown="something")


class NeverInterrupted(StreamingTinyBot):
    async def fail(self, prompt: Prompt, out: Sink, error: ChatError, *, shown: str) -> None:
        await super().fail(prompt, out, error, shown="")


class Nameless(TinyBot):
    async def fail(self, prompt: Prompt, out: Sink, error: ChatError, *, shown: str) -> None:
        await super().fail(replace(prompt, request_id="?"), out, error, shown=shown)


class SwallowsBugs(TinyBot):
    async def ask(self, prompt: Prompt, out: Sink) -> ModelAnswer:
        try:
            return await super().ask(prompt, out)
        except ZeroDivisionError as error:
            raise ProviderError("upstream_error", "It broke.") from error


class DoneInSpiteOfBugs(TinyBot):
    async def ask(self, prompt: Prompt, out: Sink) -> ModelAnswer:
        try:
            return await super().ask(prompt, out)
        except ZeroDivisionError:
            answer = ModelAnswer(text="", state="completed", reason="stop")
            await self.end(prompt, out, answer)
            raise


class NoDeadline(TinyBot):
    async def respond(self, prompt: Prompt, out: Sink) -> None:
        await super().respond(replace(prompt, timeout=300.0), out)


class LastWord(StreamingTinyBot):
    """Sends a terminal when it is cancelled."""

    async def ask(self, prompt: Prompt, out: Sink) -> ModelAnswer:
        try:
            return await super().ask(prompt, out)
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True):
                error = ProviderError("upstream_error", "Cancelled.")
                await self.fail(prompt, out, error, shown="")
            raise


class GoesOnAlone(StreamingTinyBot):
    """Answers in a task that outlives the turn."""

    def __init__(self, model: ChatModel, tasks: TaskGroup) -> None:
        super().__init__(model)
        self.tasks = tasks

    async def respond(self, prompt: Prompt, out: Sink) -> None:
        ended = anyio.Event()

        async def answer() -> None:
            await super(GoesOnAlone, self).respond(prompt, out)
            ended.set()

        self.tasks.start_soon(answer)
        await ended.wait()


class Locks(TinyBot):
    """Leaves the session locked by a turn that did not end well."""

    def __init__(self, model: ChatModel) -> None:
        super().__init__(model)
        self.lock = anyio.Semaphore(1)

    async def respond(self, prompt: Prompt, out: Sink) -> None:
        await self.lock.acquire()
        await super().respond(prompt, out)
        self.lock.release()


class LocksWhenItFails(TinyBot):
    broken = False

    async def ask(self, prompt: Prompt, out: Sink) -> ModelAnswer:
        if self.broken:
            await anyio.sleep_forever()
        return await super().ask(prompt, out)

    async def fail(self, prompt: Prompt, out: Sink, error: ChatError, *, shown: str) -> None:
        self.broken = True
        await super().fail(prompt, out, error, shown=shown)


def contract(bot: type[TinyBot]) -> ChatServiceContract:
    class Broken(ChatServiceContract):
        patience = 0.5

        def make_service(self, model: ChatModel) -> ChatService:
            return bot(model)

    return Broken()


BROKEN: list[tuple[type[TinyBot], str]] = [
    (Silent, "a_reply_is_the_models_text_and_then_done"),
    (TalksOn, "a_reply_is_the_models_text_and_then_done"),
    (EndsTwice, "a_reply_is_the_models_text_and_then_done"),
    (EmptyPieces, "a_reply_is_the_models_text_and_then_done"),
    (Strips, "a_reply_is_the_models_text_and_then_done"),
    (ForgetsUsage, "a_reply_is_the_models_text_and_then_done"),
    (Closes, "a_reply_is_the_models_text_and_then_done"),
    (AlwaysCompleted, "an_answer_that_was_cut_is_done_but_incomplete"),
    (NeedsText, "an_answer_without_text_is_an_answer"),
    (AsksTwice, "a_turn_asks_the_model_once_and_carries_what_was_said"),
    (OwnRequestId, "a_turn_asks_the_model_once_and_carries_what_was_said"),
    (NeedsASession, "a_prompt_needs_no_session"),
    (MixesUp, "turns_at_the_same_time_are_not_mixed_up"),
    (Buffers, "a_reader_that_is_behind_makes_the_turn_wait"),
    (AllAtOnce, "a_reader_that_is_behind_makes_the_turn_wait"),
    (Raises, "a_model_that_fails_at_once_ends_the_turn_with_its_error"),
    (CallsItDone, "a_model_that_fails_at_once_ends_the_turn_with_its_error"),
    (OwnError, "a_model_that_fails_at_once_ends_the_turn_with_its_error"),
    (AlwaysInterrupted, "a_model_that_fails_at_once_ends_the_turn_with_its_error"),
    (Nameless, "a_model_that_fails_at_once_ends_the_turn_with_its_error"),
    (NeverInterrupted, "a_model_that_fails_half_way_ends_the_turn_after_its_text"),
    (OwnError, "a_model_that_fails_half_way_ends_the_turn_after_its_text"),
    (LocksWhenItFails, "a_failed_turn_leaves_the_bot_usable"),
    (SwallowsBugs, "a_bug_in_the_model_raises"),
    (DoneInSpiteOfBugs, "a_bug_in_the_model_raises"),
    (NoDeadline, "a_turn_past_its_deadline_fails"),
    (LastWord, "cancelling_stops_the_model_and_sends_nothing_more"),
    (Locks, "a_cancelled_turn_leaves_the_session_usable"),
    (Locks, "a_turn_whose_reader_has_left_leaves_the_session_usable"),
]


@pytest.mark.parametrize(("bot", "promise"), BROKEN)
async def test_a_broken_promise_is_noticed(bot: type[TinyBot], promise: str) -> None:
    with pytest.raises((AssertionError, TimeoutError, ChatError)):
        await getattr(contract(bot), f"test_{promise}")()


async def test_a_bot_that_goes_on_after_it_was_cancelled_is_noticed() -> None:
    async with anyio.create_task_group() as tasks:

        class Broken(ChatServiceContract):
            patience = 0.5

            def make_service(self, model: ChatModel) -> ChatService:
                return GoesOnAlone(model, tasks)

        with pytest.raises(AssertionError, match="cancelled"):
            await Broken().test_cancelling_stops_the_model_and_sends_nothing_more()
        tasks.cancel_scope.cancel()


def test_each_promise_is_broken_once() -> None:
    promises = {name for name in dir(ChatServiceContract) if name.startswith("test_")}
    assert {f"test_{promise}" for _, promise in BROKEN} == promises
