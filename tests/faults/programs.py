"""Takes turns through the programs, run in this process, and reads off what came of them."""

from __future__ import annotations

import json
import os
from importlib import import_module
from time import monotonic
from typing import Final
from unittest import mock

from tests.faults.surroundings import captured, left_as_it_was
from tests.faults.trial import Seen, Trial
from tests.faults.upstream import CANARY, Upstream

WRONG: Final = ("error: ", "The answer was", "was stopped")
"""What a line says if something is wrong; how a tool failed is told to the model, in its own."""


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
        told=sum(any(word in line for word in WRONG) for line in told),
        leaks=tuple(place for place, text in streams.items() if CANARY in text),
        raw="traceback" if bug else "",
    )


def variables(trial: Trial, server: Upstream) -> dict[str, str]:
    """Return the settings of a trial as variables."""
    limits = {name.upper(): str(seconds) for name, seconds in trial.limits.items()}
    where = {"OPENAI_API_KEY": CANARY, "OPENAI_BASE_URL": server.url_for(trial.fault)}
    return {**where, **limits, "LOG_LEVEL": "debug", "LOG_FORMAT": "json"}
