"""The time of day, anywhere."""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from difflib import get_close_matches
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from chatbots.tools.tool import tool

MAX_FORMAT: Final = 100
"""In characters."""

_FORMAT: Final = re.compile(r"(?:[^%]|%-?[aAbBcdDeFGHIjmMpSTuUVwWxXyYzZR]|%[%f])+")
"""The codes that mean the same on every system; glibc's widths would make a text of any length."""


@tool(idempotent=True, remote=True)
def get_current_time(timezone: str = "UTC", format: str | None = None) -> str:  # noqa: A002 - its name to the model
    """Tell the current date and time in a time zone.

    Args:
        timezone: The zone's name in the IANA database, such as Europe/Paris.
        format: How to write it, with strftime's codes, such as %A, %d %B %Y, %H:%M.
            ISO 8601 if not given.

    Raises:
        ValueError: There is no such zone, or the format cannot be used.
    """
    return moment(datetime.now(UTC), timezone, format)


def moment(now: datetime, timezone: str, layout: str | None = None) -> str:
    """Write the time *now* as it is in *timezone*; see `get_current_time`."""
    local = now.astimezone(_zone(timezone))
    if layout is None:
        return local.isoformat(timespec="seconds")
    fits = len(layout) <= MAX_FORMAT and layout.isprintable() and _FORMAT.fullmatch(layout)
    if not fits or not re.search("%-?[a-zA-Z]", layout):
        raise ValueError(
            f"The format {layout[:MAX_FORMAT]!r} cannot be used: it takes strftime's codes, "
            f"such as %Y-%m-%d %H:%M, and at most {MAX_FORMAT} characters."
        )
    return local.strftime(layout)


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC  # also where the system has no database
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # no such file, a path, a folder
        raise ValueError(f"There is no time zone {name[:80]!r}. {_nearest(name)}") from None


def _nearest(name: str) -> str:
    """Name the zone that may be meant, by its name or its city's."""
    zones = {
        known: zone
        for zone in sorted(available_timezones())
        for known in (zone.casefold(), zone.casefold().rpartition("/")[2])
    }
    close = get_close_matches(name[:80].casefold().replace(" ", "_"), zones, n=1, cutoff=0.7)
    return f"Did you mean {zones[close[0]]}?" if close else "Use a name such as Europe/Paris."
