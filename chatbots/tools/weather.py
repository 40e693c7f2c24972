"""The weather as it might be: a demonstration that asks nobody."""

from __future__ import annotations

from typing import Final, Literal
from zlib import crc32

from chatbots.tools.tool import tool

MAX_LOCATION: Final = 200
"""In characters."""

_SKIES: Final = ("sunny", "partly cloudy", "cloudy", "foggy", "rainy", "stormy", "snowy")


@tool(idempotent=True, remote=True)
def get_weather(location: str, unit: Literal["celsius", "fahrenheit"] = "celsius") -> str:
    """Get the weather at a place: a demonstration, made up and labelled so.

    Args:
        location: The place, such as Paris or Nairobi, Kenya.
        unit: The unit of the temperature.

    Returns:
        A sentence, always the same for a place, which says that it is made up.

    Raises:
        ValueError: The place is empty, too long or not printable; the unit is another.
    """
    place = location.strip(" ")
    if not (0 < len(place) <= MAX_LOCATION and place.isprintable()):
        raise ValueError(f"A location is a name of 1 to {MAX_LOCATION} printable characters.")
    if unit not in ("celsius", "fahrenheit"):
        raise ValueError(f"The unit must be celsius or fahrenheit, not {unit!r}.")
    seed = crc32(place.casefold().encode())
    sky = _SKIES[seed % len(_SKIES)]
    low, high = (-15, 0) if sky == "snowy" else (1, 35)
    celsius = low + seed // len(_SKIES) % (high - low + 1)
    degrees = f"{celsius} °C" if unit == "celsius" else f"{round(celsius * 9 / 5 + 32)} °F"
    return f"Made-up weather (a demonstration, not a forecast) for {place}: {degrees}, {sky}."
