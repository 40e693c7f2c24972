"""The version, the name under which the package index knows this package, and how to get more."""

from __future__ import annotations

from pathlib import Path

VERSION = "0.1.0"

DISTRIBUTION = "chatriver"
"""What to `pip install`; the import name `chatbots` belongs to somebody else there."""

_CHECKOUT = Path(__file__).parent.parent


def installing(extra: str, *, checkout: Path = _CHECKOUT) -> str:
    """Return the command that installs an *extra*: into the *checkout*, if this runs from one."""
    if (checkout / "pyproject.toml").is_file():
        return f"pip install -e '{checkout}[{extra}]'"
    return f"pip install '{DISTRIBUTION}[{extra}]'"
