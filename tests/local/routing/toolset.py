"""Tools of a user's own, as different as tools are: none does anything."""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct
from pydantic import BaseModel

from chatbots.tools.builtin import BUILTIN, builtin
from chatbots.tools.registry import ToolRegistry


class Contact(BaseModel):
    name: str
    channel: Literal["email", "sms"]


def set_light(room: Literal["kitchen", "bedroom", "hall"], on: bool) -> str:
    """Switch the light in a room on or off."""
    return f"The light in the {room} is {'on' if on else 'off'}."


def list_reminders() -> str:
    """List what the user wants to be reminded of."""
    return "Water the plants."


def order_status(number: int) -> str:
    """Look up where an order is.

    Args:
        number: The order's number.
    """
    return f"Order {number} was shipped."


def send_message(to: Contact, text: str) -> str:
    """Send a message to somebody.

    Args:
        to: Who gets it, and how.
        text: What it says.
    """
    return f"Sent to {to.name} by {to.channel}: {text}"


OWN: Final = (set_light, list_reminders, order_status, send_message)


class Case(Struct, frozen=True, forbid_unknown_fields=True):
    """A prompt and what is right for it; see `corpus.toml`."""

    prompt: str
    offered: Literal["builtin", "own", "all"] = "builtin"
    tool: tuple[str, ...] = ()
    result: str | None = None
    arguments: dict[str, object] = {}
    before: tuple[str, ...] = ()


def offered(which: Literal["builtin", "own", "all"]) -> ToolRegistry:
    theirs = () if which == "own" else tuple(builtin(name) for name in BUILTIN)
    return ToolRegistry((*theirs, *(() if which == "builtin" else OWN)))
