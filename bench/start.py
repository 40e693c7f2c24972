"""How soon `--help` answers, beside an interpreter that does nothing (goal: at most 5 times)."""

from __future__ import annotations

import subprocess
import sys
from functools import partial

from bench.measure import Report, interleaved, times, wall

PROGRAMS = ("nomem", "memory", "stream")


def report(*, smoke: bool) -> Report:
    """Measure and return the table."""

    def run(*arguments: str) -> float:
        command = [sys.executable, *arguments]
        return wall(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL))

    commands = {
        "python -c pass": ("-c", "pass"),
        **{f"cmd.{program} --help": ("-m", f"cmd.{program}", "--help") for program in PROGRAMS},
        "chatbots --help": ("-m", "chatbots", "--help"),
        "chatbots models --help": ("-m", "chatbots", "models", "--help"),
    }
    runs = {name: partial(run, *arguments) for name, arguments in commands.items()}
    found = interleaved(runs, 3 if smoke else 21)
    return times("start to the end of --help", found, base="python -c pass")
