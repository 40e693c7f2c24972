"""What goes wrong on a realtime socket, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from chatbots.testing.realtime.steps import Close, SocketFault

HANDSHAKE: Final[Mapping[str, SocketFault]] = {}
FAULTS: Final[Mapping[str, SocketFault]] = {
    "close-1011": SocketFault("closed with 1011", lambda _script, _number: [Close(1011)]),
}
