"""Names of models: the one asked by default, the one on this machine, and those that go away."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

DEFAULT_MODEL: Final = "gpt-6-luna"
"""The model asked where none is named. This is the only place that says so."""

REALTIME_MODEL: Final = "gpt-realtime-2.1-mini"
"""The model asked in a realtime session where none is named."""

LOCAL: Final = "local"
"""The model name that means the one on this machine."""

SHUTTING_DOWN: Final[Mapping[str, str]] = {
    "gpt-4": "2026-10-23",
    "gpt-4-turbo": "2026-10-23",
    "gpt-3.5-turbo": "2026-10-23",
    "o1": "2026-10-23",
    "o3-mini": "2026-10-23",
    "o4-mini": "2026-10-23",
    "gpt-4.1-nano": "2026-10-23",
    "gpt-4o-2024-05-13": "2026-10-23",
    "gpt-5": "2026-12-11",
    "gpt-5-mini": "2026-12-11",
    "gpt-5-nano": "2026-12-11",
    "o3": "2026-12-11",
    "gpt-4o*": "2027-01-14",
    "gpt-4.1*": "2027-01-14",
    "gpt-5.1": "2027-04-01",
    "gpt-5.4-nano": "2027-04-01",
    "gpt-realtime": "2027-01-20",
    "gpt-realtime-mini": "2027-01-20",
    "gpt-4o-realtime-preview": "2026-05-07",
    "gpt-4o-mini-realtime-preview": "2026-05-07",
}
"""OpenAI models and the day each is shut down (docstrings of the openai package, 3.51).

A model's dated versions go with it; a star stands for any ending.
"""

CONTEXTS: Final[Mapping[str, int]] = {
    "gpt-3.5-turbo": 16_385,
    "gpt-4": 8_192,
    "gpt-4-turbo": 128_000,
    "gpt-4o": 128_000,
    "gpt-4.1": 1_047_576,
    "gpt-5": 272_000,
    "gpt-5.4": 922_000,
    "gpt-5.4-mini": 272_000,
    "gpt-5.4-nano": 272_000,
    "gpt-5.5": 922_000,
    "gpt-5.6": 922_000,
    "gpt-6": 922_000,
    "gpt-realtime": 32_000,
    "gpt-realtime-2": 128_000,
    "gpt-realtime-2025": 32_000,
    "o1": 200_000,
    "o3": 200_000,
    "o4-mini": 200_000,
}
"""Tokens that OpenAI's models read, by the beginning of their name (November 2026)."""


def context_of(model: str) -> int | None:
    """Return how many tokens *model* reads, None where that is not known."""
    name = model.removeprefix("ft:")
    families = [family for family in CONTEXTS if name.startswith(family)]
    return CONTEXTS[max(families, key=len)] if families else None


def shutdown_of(model: str) -> str | None:
    """Return the day OpenAI shuts *model* down, in ISO 8601; None if none is known."""
    undated = re.sub(r"-\d{4}-\d{2}-\d{2}$", "", model)
    families = (
        day
        for name, day in SHUTTING_DOWN.items()
        if name.endswith("*") and model.startswith(name[:-1])
    )
    return SHUTTING_DOWN.get(model) or SHUTTING_DOWN.get(undated) or next(families, None)
