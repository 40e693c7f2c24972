"""Takes a turn through a bot, or through a program, and notes down what came of it."""

from __future__ import annotations

import gc
import io
import json
import logging
import os
import tempfile
import traceback
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from importlib import import_module
from pathlib import Path
from time import monotonic
from typing import Any, Final, NamedTuple, TextIO
from unittest import mock

import anyio
import structlog

from chatbots import Chatbots, ChatError, Settings
from chatbots.logs import set_up_logging
from tests.faults.expected import FAILED, INTERRUPTED, Outcome, Row
from tests.faults.upstream import CANARY, TO, Upstream
from tests.provider.tls import certificate

BOTS: Final = ("stateless", "memory", "streaming")
PROGRAMS: Final = ("nomem", "memory", "stream")
STREAMING: Final = ("streaming", "stream")

AT_ONCE: Final = 24
"""Bots that are tried at a time."""
PAUSE: Final = 0.02
"""Seconds before a retry, in place of half a second: the pauses have tests of their own."""
SILENCE: Final = 0.5
"""Seconds without content that are waited for, where the outcome is about that."""
SHORT_TURN: Final = 0.5
"""Seconds for the turn, where the outcome is that they were over."""
LONG: Final = 6.0
"""Seconds that are never over, unless something is wrong."""
HUNG: Final = 9.0
"""Seconds after which a turn that has no end is given up."""

SETTINGS: Final = (
    "OPENAI_", "AZURE_", "CHATBOTS_", "LOG_", "ASSISTANT_",
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY",
)  # fmt: skip
"""What variables begin with that say whom to ask, and how."""


class Trial(NamedTuple):
    """A fault, what it goes through, and what must come of it."""

    fault: str
    kind: str
    through: str
    outcome: Outcome

    @property
    def prompt(self) -> str:
        """What is said: it tells the server what to do."""
        return f"{self.fault}{TO}{self.kind} {self.through}"

    @property
    def streams(self) -> bool:
        return self.through in STREAMING

    @property
    def waits(self) -> bool:
        """Whether the outcome is that some time was over."""
        return self.outcome.code in ("upstream_timeout", "stream_stalled")

    @property
    def limits(self) -> dict[str, float]:
        """The settings' deadlines."""
        silence, turn = LONG, LONG
        if self.waits:
            silence = SILENCE
            over = not self.streams or self.outcome.text != ""
            turn = SHORT_TURN if over and self.outcome.code == "upstream_timeout" else LONG
        return {
            "chatbots_first_token_timeout": silence,
            "chatbots_gap_timeout": silence,
            "chatbots_timeout": turn,
        }

    @property
    def deadline(self) -> float:
        """The seconds it may take."""
        limits = self.limits
        return min(limits["chatbots_timeout"], 2 * limits["chatbots_gap_timeout"])


class Seen(NamedTuple):
    """What came of a trial.

    `told` is how often an error, or a cut, was said in a line; None where nobody says it.
    `stored` is what a session holds of it, None where there is none.
    `leaks` names the places that show the key, `raw` an exception that is no `ChatError`.
    """

    state: str
    code: str
    text: str
    seconds: float
    status: int | None = None
    told: int | None = None
    stored: tuple[str, str] | None = None
    leaks: tuple[str, ...] = ()
    raw: str = ""
    paths: tuple[str, ...] = ()


def trials(rows: Iterator[Row], kinds: Mapping[str, tuple[str, ...]]) -> list[Trial]:
    """Return every row through each of *kinds*."""
    return [
        Trial(row.fault, kind, one, row.stream if one in STREAMING else row.whole)
        for row in rows
        for kind, through in kinds.items()
        for one in through
    ]


@contextmanager
def in_haste() -> Iterator[None]:
    """Wait less before retries, read one certificate, not all of the system's, and no settings."""
    kept = {
        name: text for name, text in os.environ.items() if not name.upper().startswith(SETTINGS)
    }
    with tempfile.TemporaryDirectory() as folder:
        kept["SSL_CERT_FILE"] = str(certificate(Path(folder) / "one.pem"))
        with (
            mock.patch("chatbots.provider.tries._BACKOFF", PAUSE),
            mock.patch.dict(os.environ, kept, clear=True),
        ):
            yield


# Bots


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
    seen = Seen("hung", "", "", HUNG)
    async with Chatbots(settings) as bots:
        with anyio.move_on_after(HUNG):
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


# Programs


def try_program(trial: Trial, server: Upstream) -> Seen:
    """Run `chatbots PROGRAM --prompt ...` in this process."""
    began = monotonic()
    main = import_module(f"chatbots.cli.{trial.through}").main
    raw, status = "", None
    given = mock.patch.dict(os.environ, variables(trial, server))
    with captured() as (out, err), given, left_as_it_was():
        try:
            status = main(["--prompt", trial.prompt])
        except Exception as error:
            raw = type(error).__name__
    seen = read_off(status, out(), err(), monotonic() - began)
    return seen._replace(raw=raw or seen.raw)


def read_off(status: int | None, out: str, err: str, seconds: float) -> Seen:
    """Return what a program's output says; how the turn ended is in its log."""
    logged = [json.loads(line) for line in err.splitlines() if line.startswith("{")]
    ends = [line for line in logged if line.get("event") in ("request.end", "request.error")]
    end = ends[-1] if ends else {}
    told = [line for line in err.splitlines() if line.startswith("chatbots: ")]
    streams = {"standard output": out, "standard error": err}
    bug = "Traceback" in err or "(a bug" in err
    return Seen(
        state=end.get("state", "none"),
        code=end.get("code") or end.get("reason") or "",
        text=out.removesuffix("\n"),
        seconds=seconds,
        status=status,
        told=sum("error: " in line or "The answer was" in line for line in told),
        leaks=tuple(place for place, text in streams.items() if CANARY in text),
        raw="traceback" if bug else "",
    )


@contextmanager
def captured() -> Iterator[tuple[Any, Any]]:
    """Hold what is written to the standard streams."""

    def paper() -> TextIO:
        return io.TextIOWrapper(io.BytesIO(), "utf-8", newline="", write_through=True)

    def reader(held: Any) -> Any:
        return lambda: held.buffer.getvalue().decode()

    out, err = paper(), paper()
    with redirect_stdout(out), redirect_stderr(err):
        yield reader(out), reader(err)


def variables(trial: Trial, server: Upstream) -> dict[str, str]:
    """Return the settings of a trial as variables."""
    limits = {name.upper(): str(seconds) for name, seconds in trial.limits.items()}
    where = {"OPENAI_API_KEY": CANARY, "OPENAI_BASE_URL": server.url_for(trial.fault)}
    return {**where, **limits, "LOG_LEVEL": "debug", "LOG_FORMAT": "json"}


@contextmanager
def left_as_it_was() -> Iterator[None]:
    """Undo what was done to the logs of the process, and to its garbage collector."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    with ExitStack() as stack:
        stack.callback(gc.set_threshold, *gc.get_threshold())
        stack.callback(gc.unfreeze)
        stack.callback(structlog.reset_defaults)
        stack.callback(root.setLevel, level)
        stack.callback(setattr, root, "handlers", handlers)
        yield


def try_all(chosen: list[Trial], server: Upstream) -> Iterator[tuple[Trial, Seen]]:
    """Try bots all together, then programs one by one."""
    bots = [trial for trial in chosen if trial.kind == "bot"]
    with in_haste():
        tried = anyio.run(try_bots, bots, server) if bots else ()
        for trial, seen in zip(bots, tried, strict=True):
            yield trial, with_paths(trial, seen, server)
        for trial in chosen:
            if trial.kind != "bot":
                yield trial, with_paths(trial, try_program(trial, server), server)


def with_paths(trial: Trial, seen: Seen, server: Upstream) -> Seen:
    """Add where the requests of a trial went."""
    # Who was answered was heard; who gave up may not have been yet.
    expected = trial.outcome.requests if trial.waits else 0
    return seen._replace(paths=server.paths_asked(trial.prompt, expected=expected))
