"""How soon `--help` answers, beside an interpreter that does nothing (goal: at most 5 times)."""

from __future__ import annotations

import subprocess
import sys

from bench.measure import interleaved, table, wall

PROGRAMS = ("nomem", "memory", "stream")


def report(*, smoke: bool) -> str:
    """Measure and return the table."""

    def run(*arguments: str) -> float:
        command = [sys.executable, *arguments]
        return wall(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL))

    runs = {"python -c pass": lambda: run("-c", "pass")}
    for program in PROGRAMS:
        runs[f"cmd.{program} --help"] = lambda p=program: run("-m", f"cmd.{p}", "--help")
    runs["chatbots --help"] = lambda: run("-m", "chatbots", "--help")
    runs["chatbots models --help"] = lambda: run("-m", "chatbots", "models", "--help")
    samples = interleaved(runs, 5 if smoke else 21)
    return table("start to the end of --help", samples, base="python -c pass")
