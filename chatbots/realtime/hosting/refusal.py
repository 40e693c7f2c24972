"""A client's event that cannot be had, and the words in which OpenAI's server says so."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from chatbots.realtime.events.unknown import UnknownEvent

_PLACE: Final = re.compile(r" - at `\$\.?([^`]*)`$")
_MISSING: Final = re.compile(r"missing required field `([^`]+)`")


class Refusal(Exception):
    """The session stays as it was; *param* is the field of the event that is wrong."""

    def __init__(self, message: str, code: str = "invalid_value", param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.param = param


def missing(param: str) -> Refusal:
    """Say that a field is not there."""
    return Refusal(f"Missing required parameter: '{param}'.", "missing_required_parameter", param)


def unknown(param: str) -> Refusal:
    """Say that there is no such field."""
    return Refusal(f"Unknown parameter: '{param}'.", "unknown_parameter", param)


def not_read(event: UnknownEvent, known: Iterable[str]) -> Refusal:
    """Say what is wrong with an event that could not be read; *known* are the names there are."""
    if not event.type:
        return missing("type")
    if event.type not in known:
        supported = ", ".join(f"'{name}'" for name in known)
        return Refusal(
            f"Invalid value: '{event.type}'. Supported values are: {supported}.", param="type"
        )
    place, gone = _PLACE.search(event.problem), _MISSING.search(event.problem)
    steps = [place.group(1) if place else "", gone.group(1) if gone else ""]
    param = ".".join(step for step in steps if step)
    if gone:
        return missing(param)
    return Refusal(
        f"Invalid type for '{param}': {_PLACE.sub('', event.problem)}.", "invalid_type", param
    )
