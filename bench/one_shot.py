"""One question from start to exit, beside a bare script on the openai SDK (goal: at most 1.15)."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

from bench.measure import Report, interleaved, times, wall
from bench.serving import upstream

SDK = """
from openai import OpenAI
stream = OpenAI().chat.completions.create(
    model="burst:20", messages=[{"role": "user", "content": "Hi"}], stream=True
)
for chunk in stream:
    if chunk.choices and chunk.choices[0].delta.content:
        print(chunk.choices[0].delta.content, end="", flush=True)
print()
"""


def report(*, smoke: bool) -> Report:
    """Measure and return the table."""
    with upstream() as (base_url, _), tempfile.TemporaryDirectory() as home:
        where = os.environ | {
            "XDG_DATA_HOME": home,  # the turns are kept, but among nobody's own
            "OPENAI_BASE_URL": base_url,
            "OPENAI_API_KEY": "sk-bench-0000",
            "OPENAI_MODEL": "burst:20",
        }

        def run(*arguments: str) -> float:
            command = [sys.executable, *arguments]
            return wall(
                lambda: subprocess.run(command, check=True, env=where, stdout=subprocess.DEVNULL)
            )

        runs = {
            "openai SDK, bare script": lambda: run("-c", SDK),
            "cmd.stream --prompt": lambda: run("-m", "cmd.stream", "--prompt", "Hi"),
        }
        found = interleaved(runs, 2 if smoke else 15)
    return times("one question, start to exit", found, base="openai SDK, bare script")
