"""The fake OpenAI server as a program, for any language: `python -m chatbots.testing`."""

from __future__ import annotations

import argparse
import itertools
import signal
import sys
from collections.abc import Sequence

import anyio

from chatbots.testing.answers import Answer, Rule
from chatbots.testing.fake_openai import FakeOpenAI
from chatbots.testing.requests import ChatRequest


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
    return flags


def rule(answers: Sequence[str], delay: float) -> Rule:
    """Return the rule that gives the *answers* in turn, or echoes where there are none."""
    turns = itertools.cycle(answers)

    def answer(request: ChatRequest) -> Answer:
        return Answer(text=next(turns, request.last_said), delay=delay)

    return answer


async def serve(flags: argparse.Namespace) -> None:
    """Serve until SIGINT or SIGTERM."""
    fake = FakeOpenAI(port=flags.port, api_key=flags.api_key, rule=rule(flags.answer, flags.delay))
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with fake:
            sys.stdout.write(f"{fake.base_url}\n")
            sys.stdout.flush()
            async for _ in signals:
                return


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program and return its exit status: 1 if the port cannot be had."""
    flags = parser().parse_args(arguments)
    try:
        anyio.run(serve, flags)
    except OSError as error:
        sys.stderr.write(
            f"The fake server cannot listen on port {flags.port}: {error.strerror}. "
            "Leave --port out to take a free one.\n"
        )
        return 1
    return 0
