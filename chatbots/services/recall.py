"""What of the past a request carries: loaded as far as it is needed, fitted, explained."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

from msgspec import Struct, field
from msgspec.structs import replace

from chatbots.deltas import Notice
from chatbots.errors import ChatError, InvalidRequest, ProviderError
from chatbots.interfaces import ChatModel, SessionStore
from chatbots.messages import Message, ModelAnswer, ModelRequest, Prompt, Turn, Usage
from chatbots.services.narration import Narration
from chatbots.services.structured import Held
from chatbots.services.summing_up import SUMMARY_TOKENS, request_for_summary
from chatbots.services.take_turn import Manner, request_for
from chatbots.sessions.tokens import tokens_of, tokens_of_tools
from chatbots.sessions.window import (
    ASSUMED,
    MARGIN,
    LeftOut,
    Past,
    fit,
    room_for_answer,
    sizes_in,
    visible,
    wants_more,
)

FIRST_LOAD: Final = 32
"""Turns that are loaded at first, and four times as many where they leave room."""

SURE: Final = 1.5
"""A prompt is refused unasked if it seems so many times longer than what the model reads: an
estimate may be off so far (docs/memory.md)."""


class View(Struct, frozen=True, kw_only=True):
    """A request, and what of the past is in it.

    `context` is how many tokens the model reads, and `known` whether somebody has said so;
    `answer` of them are kept for its answer.
    `fixed` is the estimate of what is no past: the system message, the tools, the prompt.
    Estimates are multiplied by `ratio`. `loaded` is what was looked at; `spent` on a summary.
    """

    request: ModelRequest
    context: int
    known: bool
    answer: int
    fixed: int
    ratio: float
    past: Past = field(default_factory=Past)
    loaded: tuple[Turn, ...] = ()
    spent: Usage | None = None

    @property
    def room(self) -> float:
        """Tokens that the past may have, by estimate."""
        return MARGIN * (self.context - self.answer) / self.ratio - self.fixed


class Explanation(Struct, frozen=True, kw_only=True):
    """What would be sent for a prompt, and why.

    `tokens` are estimates by source: system, tools, summary, pinned, past, prompt.
    `context` is how many the model reads, assumed unless `context_known`; `answer` of them are
    kept for the answer. `left_out` is what of the session is not sent.
    `summary_due`: the model would first be asked for a summary of it, which then is sent too.
    """

    request: ModelRequest
    tokens: dict[str, int]
    context: int
    context_known: bool
    answer: int
    left_out: tuple[LeftOut, ...]
    summary_due: bool

    @property
    def messages(self) -> tuple[Message, ...]:
        """What the model would read, oldest first."""
        return self.request.messages


def frame(prompt: Prompt, manner: Manner, *, stream: bool) -> View:
    """Return the request without a past.

    Raises `InvalidRequest` (`prompt_too_long`) where the model surely cannot read even that.
    """
    window = manner.window
    request = request_for(prompt, manner, stream=stream)
    said, learned = window.context(prompt.model), window.calibration.limit(prompt.model)
    context = min((size for size in (said, learned) if size), default=ASSUMED)
    fixed = tokens_of(request.messages, window.count)
    view = View(
        request=request,
        context=context,
        known=said is not None,
        answer=room_for_answer(context, request.sampling.max_tokens or window.answer),
        fixed=fixed + tokens_of_tools(request.tools, window.count),
        ratio=window.calibration.ratio(prompt.model),
    )
    size = view.fixed * view.ratio
    if view.known and size > SURE * context:
        raise InvalidRequest(
            "prompt_too_long",
            f"The prompt, with the system message and the tools, has about {size:,.0f} tokens; "
            f"the model reads {context:,}.",
            hint="Shorten it, or set CHATBOTS_CONTEXT_TOKENS if the model reads more.",
            param="prompt",
        )
    return view


class Recall:
    """Looks back on a session before its next turn."""

    def __init__(
        self, model: ChatModel, store: SessionStore, manner: Manner, *, stream: bool
    ) -> None:
        self._model = model
        self._store = store
        self._manner = manner
        self._window = manner.window
        self._stream = stream

    async def look_back(self, prompt: Prompt, narration: Narration) -> View:
        """Return the request for *prompt*, with what fits of the turns before.

        What does not fit is summed up if that is wanted, or else left out with a `Notice`.
        """
        view = await self._view(prompt)
        if not view.past.overflows:
            return view
        code, why = "context_trimmed", "The conversation is longer than the model can read"
        if self._window.sums_up:
            try:
                spent = await self._sum_up(prompt, view, narration)
                return replace(await self._view(prompt), spent=spent)
            except ChatError as error:
                code, why = "summary_failed", f"The conversation was not summed up: {error.message}"
        number = view.past.without_room
        if number or self._window.sums_up:
            turns = "oldest turn was" if number == 1 else f"oldest {number:,} turns were"
            await narration.send(Notice(code, f"{why.rstrip('.')}: its {turns} left out."))
        return view

    async def look_back_less(
        self, prompt: Prompt, narration: Narration, view: View, error: ProviderError
    ) -> View:
        """Return a shorter request than that of *view*, which *error* has refused as too long."""
        estimated = view.fixed + self._count(view.past.messages)
        guess = int(estimated * view.ratio)
        reads, given = sizes_in(error.message) or (guess // 2, guess)
        self._window.calibration.refuse(
            prompt.model, limit=reads, estimated=estimated, counted=given
        )
        return await self.look_back(prompt, narration)

    def learn(self, view: View, answer: ModelAnswer, narration: Narration) -> None:
        """Compare what the server counted with the estimate, where they are of the same request."""
        request, usage = view.request, answer.usage
        alone = narration.request is request and request.output is None
        if view.past.tokens is None or usage is None or usage.estimated or not alone:
            return
        if not any(message.images for message in request.messages):
            estimated = view.fixed + view.past.tokens
            self._window.calibration.observe(
                request.model, estimated=estimated, counted=usage.input_tokens
            )

    async def explain(self, prompt: Prompt) -> Explanation:
        """Return what would be sent for *prompt* now; asks no model."""
        view = await self._view(prompt)
        past, request = view.past, view.request
        system = request.messages[: -len(past.messages) - len(prompt.messages)]
        pinned = visible(turn for turn in past.turns if turn.pinned)
        parts = {
            "system": self._count(system),
            "tools": tokens_of_tools(request.tools, self._window.count),
            "summary": self._count(past.summary),
            "pinned": self._count(pinned),
            "past": self._count(visible(turn for turn in past.turns if not turn.pinned)),
            "prompt": self._count(prompt.messages),
        }
        return Explanation(
            request=request,
            tokens={name: math.ceil(view.ratio * size) for name, size in parts.items()},
            context=view.context,
            context_known=view.known,
            answer=view.answer,
            left_out=past.left_out,
            summary_due=self._window.sums_up and past.overflows,
        )

    async def _view(self, prompt: Prompt) -> View:
        window, view = self._window, frame(prompt, self._manner, stream=self._stream)
        number, known = FIRST_LOAD + (window.last or 0), 0
        while True:
            turns = await self._store.load(prompt.session or "", last=number)
            past = fit(
                turns, view.room, last=window.last, sums_up=window.sums_up, count=window.count
            )
            if len(turns) == known or not wants_more(turns, past):
                break
            number, known = 4 * number, len(turns)
        request = request_for(prompt, self._manner, past.messages, stream=self._stream)
        return replace(view, request=request, past=past, loaded=tuple(turns))

    async def _sum_up(self, prompt: Prompt, view: View, narration: Narration) -> Usage | None:
        """Have the older half of what there is summed up, and keep that; return what it cost."""
        window = self._window
        last = None if window.last is None else max(1, window.last // 2)
        # Half of the room: else a summary would be due again the next turn.
        half = fit(view.loaded, view.room / 2, last=last, sums_up=True, count=window.count)
        upto = max(gap.last for gap in half.left_out if gap.why in ("no_room", "older"))
        room = MARGIN * (view.context - SUMMARY_TOKENS) / view.ratio
        request = request_for_summary(
            [turn for turn in view.loaded if turn.seq <= upto], room, prompt, window.count
        )
        answer = await self._model.complete(request, Held(narration))
        if not answer.text.strip():
            raise ProviderError("upstream_bad_response", "The model has said nothing.")
        await self._store.mark(prompt.session or "", upto, summary=answer.text.strip())
        return answer.usage

    def _count(self, messages: Iterable[Message]) -> int:
        return tokens_of(messages, self._window.count)
