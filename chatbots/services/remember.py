"""A turn that is remembered: begin it in the store, answer, finish it however it ends."""

from __future__ import annotations

import sys
from contextlib import suppress
from functools import partial
from typing import Final

import anyio
from msgspec.structs import replace

from chatbots.deltas import Done, Notice, TextDelta
from chatbots.errors import ChatError, ProviderError, StorageError, error_of
from chatbots.interfaces import ChatModel, SessionStore, Sink
from chatbots.messages import FinalState, ModelAnswer, Prompt, Turn, UnderWay, total
from chatbots.services.narration import Narration
from chatbots.services.recall import Explanation, Recall, frame
from chatbots.services.structured import Structured
from chatbots.services.take_turn import (
    Manner,
    broken_state,
    done_for,
    take_turn,
)
from chatbots.services.tool_loop import ask_model
from chatbots.sessions.turn import CRASHED, FINAL
from chatbots.telemetry import new_session_id

FINISH_TIMEOUT: Final = 5.0
"""Seconds the end of a turn may take to be stored, cancelled or not."""


class Remembered:
    """What the bots with memory share: their model asked with the past, their store kept up."""

    def __init__(
        self, model: ChatModel, store: SessionStore, manner: Manner, *, stream: bool
    ) -> None:
        self._model = Structured(model)
        self._store = store
        self._manner = manner
        self._recall = Recall(self._model, store, manner, stream=stream)

    async def respond(self, prompt: Prompt, out: Sink, *, bot: str) -> None:
        """Answer *prompt* in its session, or else in a new one for it alone."""
        if prompt.session is None:
            prompt = replace(prompt, session=new_session_id())

        async def answer(narration: Narration) -> Done:
            frame(prompt, self._manner, stream=False)  # A prompt too long is refused, not stored.
            turn = await self._begin(prompt, narration)
            if turn.state in FINAL:
                return await _replay(turn, narration)
            return await self._ask(prompt, turn, narration)

        await take_turn(prompt, out, answer, manner=self._manner, bot=bot)

    async def explain(self, prompt: Prompt) -> Explanation:
        """Return what would be sent for *prompt* now; asks no model, stores nothing."""
        prompt.check(self._manner.max_chars)
        return await self._recall.explain(prompt)

    async def _begin(self, prompt: Prompt, narration: Narration) -> Turn:
        narration.waits_for_session = True
        turn = await self._store.begin(prompt.session or "", prompt.request_id, prompt.messages)
        narration.waits_for_session = False
        return turn

    async def _ask(self, prompt: Prompt, turn: Turn, narration: Narration) -> Done:
        keeping = _Keeping(self._store, turn, narration)
        narration.keep = keeping.keep
        try:
            answer = await self._ask_model(prompt, narration)
        except anyio.get_cancelled_exc_class():
            await self._give_up(turn, narration, "upstream_timeout")
            raise
        except ChatError as error:
            await self._give_up(turn, narration, error.code)
            raise
        except Exception:
            await self._give_up(turn, narration, "internal")
            raise
        stored = await keeping.finish(answer)
        return replace(done_for(prompt, answer, narration), stored=stored)

    async def _ask_model(self, prompt: Prompt, narration: Narration) -> ModelAnswer:
        """Ask with the past; where that is too long for the model, once more with less of it."""
        ask = partial(ask_model, self._model, secrets=self._manner.secrets)
        view = await self._recall.look_back(prompt, narration)
        try:
            answer = await ask(view.request, narration, prompt)
        except ProviderError as error:
            if error.code != "context_too_long" or narration.spoken.messages or not view.past.turns:
                raise
            view = await self._recall.look_back_less(prompt, narration, view, error)
            answer = await ask(view.request, narration, prompt)
        self._recall.learn(view, answer, narration)
        return replace(answer, usage=total(view.spent, answer.usage))

    async def _give_up(self, turn: Turn, narration: Narration, reason: str) -> None:
        """Store what was shown; the error that is under way matters more than a store's."""
        state: FinalState = broken_state(narration.text)
        cancelled = isinstance(sys.exception(), anyio.get_cancelled_exc_class())
        if cancelled and not narration.timed_out:
            state, reason = "cancelled", "cancelled"
        with anyio.move_on_after(FINISH_TIMEOUT, shield=True), suppress(StorageError):
            answer, usage = narration.spoken.messages, narration.estimate()
            await self._store.finish(turn, answer, state=state, reason=reason, usage=usage)


class _Keeping:
    """Stores a turn on its way, and tells once where the store cannot.

    The answer is under way then and paid for: it is shown to its end.
    """

    def __init__(self, store: SessionStore, turn: Turn, narration: Narration) -> None:
        self._store = store
        self._turn = turn
        self._narration = narration
        self._doing: UnderWay = "streaming"
        self._told = False

    async def keep(self, doing: UnderWay | None) -> None:
        """Store the answer as it stands."""
        self._doing = doing or self._doing
        said = self._narration.spoken.messages
        try:
            await self._store.checkpoint(self._turn, said, state=self._doing)
        except StorageError as error:
            await self._tell(error)

    async def finish(self, answer: ModelAnswer) -> bool:
        """Store the answer, though its caller leaves just now; return whether that was done."""
        failure = StorageError(
            "storage_unavailable",
            f"The answer could not be stored within {FINISH_TIMEOUT:g} seconds.",
        )
        # A store may owe the end, and have it kept when the notice of that is sent.
        self._narration.keep = None
        with anyio.move_on_after(FINISH_TIMEOUT, shield=True):
            try:
                ended = await self._store.finish(
                    self._turn,
                    self._narration.spoken.messages,
                    state=answer.state,
                    reason=answer.reason,
                    usage=answer.usage,
                )
            except StorageError as error:
                failure = error
            else:
                return ended.seq > 0
        await self._tell(failure)
        return False

    async def _tell(self, error: StorageError) -> None:
        if not self._told:
            self._told = True
            await self._narration.send(Notice("not_stored", f"This answer is not stored. {error}"))


async def _replay(turn: Turn, narration: Narration) -> Done:
    """Tell a turn again that was asked before under the same request id."""
    await narration.send(Notice("replayed", "This request was answered before; here it is again."))
    if turn.text:
        await narration.send(TextDelta(turn.text))
    if turn.state in ("completed", "incomplete"):
        return Done(
            state=turn.state,
            reason=turn.reason,
            usage=turn.usage,
            request_id=turn.request_id,
            session=turn.session,
        )
    raise _error_of(turn)


def _error_of(turn: Turn) -> ChatError:
    message = f"This request ended before, {turn.state}."
    try:
        error = error_of(turn.reason or "", message)
    except KeyError:
        error = ProviderError("upstream_error", message)
    if turn.reason == CRASHED:
        message = "The program that ran this request ended before its answer was whole."
        error = ProviderError("stream_interrupted", message)
    # Under this request id the answer stays what it is.
    error.retryable = False
    error.hint = "Ask again with a new request id."
    return error
