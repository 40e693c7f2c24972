"""The fake OpenAI server as a program, for any language: `python -m chatbots.testing`."""

from __future__ import annotations

import argparse
import itertools
import math
import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import anyio

from chatbots.testing.answers import Answer, Rule
from chatbots.testing.fake_openai import FakeOpenAI
from chatbots.testing.faults import names
from chatbots.testing.http1 import Player
from chatbots.testing.log import Log
from chatbots.testing.recording import Recorder, Replay
from chatbots.testing.requests import ChatRequest

_LAST_PORT: Final = 65535


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    flags = argparse.ArgumentParser(
        prog="python -m chatbots.testing",
        description="A fake OpenAI server on loopback. "
        "Prints its base URL on one line, and serves until it is interrupted.",
    )
    flags.add_argument(
        "--port", type=int, default=0, help="the port to listen on (default: a free one)"
    )
    flags.add_argument(
        "--answer",
        action="append",
        default=[],
        metavar="TEXT",
        help="what to answer; repeated, the answers take turns (default: what the user said last)",
    )
    flags.add_argument(
        "--delay",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="wait before each word of a stream, and before a whole answer (default: 0)",
    )
    flags.add_argument(
        "--api-key", metavar="KEY", help="answer 401 to calls without this key (default: none)"
    )
    add_fault_flags(flags)
    add_recording_flags(flags)
    return flags


def add_fault_flags(flags: argparse.ArgumentParser) -> None:
    """Describe how answers fail, and where it is written down."""
    flags.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="NAME[:NUMBER]",
        help="how an answer fails, such as midstream-reset:20; repeated, or as 500,500,ok, "
        "the faults take turns; a client may also ask for the model fault:500,500,ok. "
        "`--fault list` shows all",
    )
    flags.add_argument(
        "--seed", type=int, default=0, help="draws what a fault leaves to chance (default: 0)"
    )
    flags.add_argument(
        "--log", type=Path, metavar="FILE", help="add what each client did to FILE, as JSON lines"
    )


def add_recording_flags(flags: argparse.ArgumentParser) -> None:
    """Describe how exchanges with a real server are kept and played."""
    flags.add_argument(
        "--record", type=Path, metavar="FILE", help="pass requests on to --to, and keep all in FILE"
    )
    flags.add_argument("--to", metavar="URL", help="the base URL of the server to record")
    flags.add_argument(
        "--replay", type=Path, metavar="FILE", help="answer from a recording, with its timing"
    )
    flags.add_argument(
        "--speed", type=float, default=1.0, help="replay so much faster; 0: at once (default: 1)"
    )


def rule(answers: Sequence[str], delay: float) -> Rule:
    """Return the rule that gives the *answers* in turn, or echoes where there are none."""
    turns = itertools.cycle(answers)

    def answer(request: ChatRequest) -> Answer:
        text = next(turns, request.last_said)
        return Answer(text=text, delay=delay)

    return answer


def player(flags: argparse.Namespace) -> Player | None:
    """Return who answers in place of the API, if a recording is made or played."""
    if (flags.record is None) != (flags.to is None):
        raise ValueError("--record FILE and --to URL go together.")
    if flags.record and flags.replay:
        raise ValueError("--record and --replay are two different things to do.")
    if flags.replay:
        return Replay(flags.replay, speed=flags.speed)
    return Recorder(flags.record, flags.to) if flags.record else None


async def serve(flags: argparse.Namespace, faults: str = "") -> None:
    """Serve until SIGINT or SIGTERM."""
    with ExitStack() as stack:
        log = Log(stack.enter_context(flags.log.open("ab"))) if flags.log else None
        fake = FakeOpenAI(
            port=flags.port,
            api_key=flags.api_key,
            rule=rule(flags.answer, flags.delay),
            faults=faults,
            seed=flags.seed,
            player=player(flags),
            log=log,
        )
        signals = stack.enter_context(anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM))
        async with fake:
            sys.stdout.write(f"{fake.base_url}\n")
            sys.stdout.flush()
            async for _ in signals:
                return


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program and return its exit status: 1 if it cannot serve, 2 for a wrong flag."""
    flags = parser().parse_args(arguments)
    if "list" in flags.fault:
        sys.stdout.write("\n".join(names.listed()) + "\n")
        return 0
    try:
        check(flags)
        faults = ",".join(flags.fault)
        if faults:
            names.sequence(faults)
        anyio.run(serve, flags, faults)
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"{unable(flags, error)}\n")
        return 1
    return 0


def check(flags: argparse.Namespace) -> None:
    """Refuse numbers that make no sense. Raises `ValueError`."""
    if not 0 <= flags.port <= _LAST_PORT:
        raise ValueError(f"--port {flags.port} is no port: they go from 0 to {_LAST_PORT}.")
    if not 0 <= flags.delay < math.inf:
        raise ValueError(f"--delay {flags.delay:g} is no time to wait: it takes 0 or more seconds.")


def unable(flags: argparse.Namespace, error: OSError) -> str:
    """Say what could not be had: a file, or the port."""
    if error.filename is not None:
        return f"The fake server cannot open {error.filename}: {error.strerror}."
    return (
        f"The fake server cannot listen on port {flags.port}: {error.strerror}. "
        "Leave --port out to take a free one."
    )
