"""The event loop of the programs: asyncio, on uvloop where it is installed."""

from __future__ import annotations

from importlib.util import find_spec


def loop_options() -> dict[str, bool]:
    """Return anyio's backend options."""
    return {"use_uvloop": find_spec("uvloop") is not None}
