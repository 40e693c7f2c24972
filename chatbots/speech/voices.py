"""The names of voices: which one is meant, and what is said of one that there is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatbots.local.catalog import is_wanted, load_speech
from chatbots.realtime.names import VOICES
from chatbots.version import installing

if TYPE_CHECKING:
    from collections.abc import Iterable


def named(name: str, here: Iterable[str]) -> str | None:
    """Return the voice that *name* means, of those that are *here*: `am_puck` is `puck` as well.

    For one of OpenAI's that is nobody's here, the first; None for another name.
    """
    names = tuple(here)
    meant = (one for one in names if name in (one, one.rpartition("_")[2]))
    return next(meant, names[0] if name in VOICES else None)


def complaint(name: str, here: Iterable[str]) -> str | None:
    """Return why nobody speaks as *name*, if so, and what to do about it."""
    if named(name, here := tuple(here)) is not None:
        return None
    for weights in load_speech():
        if named(name, weights.voices) is not None:
            extra = "" if is_wanted(weights) else f"{installing(weights.extra)}; "
            return (
                f"The voice '{name}' is not on this machine. "
                f"Run: {extra}chatbots models pull --speech"
            )
    names = ", ".join(f"'{one}'" for one in here)
    return f"Invalid value: '{name}'. Supported values are: {names}."
