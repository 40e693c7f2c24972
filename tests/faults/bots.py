"""Takes turns through bots in this process, and notes down what came of them."""

from __future__ import annotations

import io
import json
import traceback
from contextlib import nullcontext
from time import monotonic
from typing import Any, Final

import anyio
from openai import AsyncOpenAI

from chatbots import Chatbots, ChatError, Settings
from chatbots.logs import set_up_logging
from chatbots.tools.multiply import multiply
from tests.faults.expected import FAILED, INTERRUPTED
from tests.faults.surroundings import left_as_it_was
from tests.faults.trial import Seen, Trial
from tests.faults.upstream import CANARY, Upstream

AT_ONCE: Final = 24
"""Bots that are tried at a time."""


async def try_bots(chosen: list[Trial], server: Upstream) -> list[Seen]:
    """Try bots, many at a time; the logs of all go where they can be searched."""
    logs = io.StringIO()
    places = anyio.CapacityLimiter(AT_ONCE)
    seen: dict[Trial, Seen] = {}

    async def one(trial: Trial) -> None:
        async with places:
            seen[trial] = await try_bot(trial, server)

    with left_as_it_was():
        set_up_logging(level="debug", form="json", secrets=(CANARY,), file=logs)
        # Those that are about time come last: then nobody takes it from them.
        for about_time in (False, True):
            async with anyio.create_task_group() as group:
                for trial in chosen:
                    if trial.waits is about_time:
                        group.start_soon(one, trial)
    leaking = {line for line in logs.getvalue().splitlines() if CANARY in line}
    for trial in chosen:
        if any(json.loads(line).get("request_id") == trial.prompt for line in leaking):
            seen[trial] = seen[trial]._replace(leaks=(*seen[trial].leaks, "log"))
    return [seen[trial] for trial in chosen]


async def try_bot(trial: Trial, server: Upstream) -> Seen:
    """Say the trial's prompt to its bot."""
    settings = Settings(
        openai_api_key=CANARY,
        openai_base_url=server.url_for(trial.fault),
        # Who has it shares no connections with others: a kept one that breaks is replaced.
        openai_project_id=str(abs(hash(trial))),
        **trial.limits,
    )
    began = monotonic()
    seen = Seen("hung", "", "", 0)
    # An application's own client goes the SDK's way, not over connections of ours.
    sdk = trial.kind == "sdk"
    own = AsyncOpenAI(api_key=CANARY, base_url=settings.openai_base_url) if sdk else None
    async with own or nullcontext(), Chatbots(settings, client=own) as bots:
        with anyio.move_on_after(trial.hung_after):
            seen = await _end_of(bots, trial)
        turns = await bots.store.load(trial.prompt)
        stored = [(turn.state, turn.text) for turn in turns]
        leaks = [*seen.leaks, *(["store"] * (CANARY in repr(turns)))]
    return seen._replace(
        seconds=monotonic() - began,
        stored=stored[0] if stored else None,
        leaks=tuple(leaks),
    )


async def _end_of(bots: Chatbots, trial: Trial) -> Seen:
    pieces: list[str] = []
    asking: Any = {"request_id": trial.prompt}
    if trial.kind == "tools":
        asking["tools"] = [multiply]
    bot = bots.stateless() if trial.through == "stateless" else None
    if bot is None:
        make = bots.streaming if trial.streams else bots.memory
        bot = make(session=trial.prompt)
    try:
        if trial.streams:
            async with bot.stream(trial.prompt, **asking) as answer:
                pieces.extend([text async for text in answer.text])
            reply = answer.reply
        else:
            reply = await bot.ask(trial.prompt, **asking)
    except ChatError as error:
        state = INTERRUPTED if error.partial else FAILED
        return Seen(state, error.code, error.partial, 0, leaks=_leaks_of(error))
    except Exception as error:
        return Seen(FAILED, "", "", 0, leaks=_leaks_of(error), raw=type(error).__name__)
    leaks = ("reply",) if CANARY in repr(reply) else ()
    text = "".join(pieces) if trial.streams else reply.text
    return Seen(reply.state, reply.reason or "", text, 0, leaks=leaks)


def _leaks_of(error: BaseException) -> tuple[str, ...]:
    """Return where an error shows the key: in itself, or in what it came of."""
    places = {
        "str": str(error),
        "repr": repr(error),
        "traceback": "".join(traceback.format_exception(error)),
        "fields": repr(vars(error)),
    }
    return tuple(place for place, text in places.items() if CANARY in text)
