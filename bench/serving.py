"""The upstream, in a process of its own for as long as it is needed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def upstream(*, chunks: int) -> Iterator[str]:
    """Run `bench.upstream` and yield its base URL."""
    command = [sys.executable, "-m", "bench.upstream", str(chunks)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("The upstream has no pipes.")
        yield process.stdout.readline().strip()
        process.stdin.close()
