"""`realtime`: Ask over a realtime session, which stays open between the questions."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from chatbots.cli.chat import chat_program
from chatbots.cli.flags import Flags

if TYPE_CHECKING:
    from chatbots.realtime.transport import WebSocketDialer
    from chatbots.settings import Settings

PURPOSE = "Ask over a realtime session, which stays open between the questions."


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program and return its exit status."""
    return chat_program("realtime", PURPOSE, argv)


def in_realtime(settings: Settings, flags: Flags) -> Settings:
    """Return *settings* that ask the model of realtime sessions; the local one needs none."""
    from chatbots.cli.outcome import tell

    if settings.wants_local or not settings.says_where:
        tell("The model on this machine needs no session to write: it streams its answers.")
        return settings
    model = flags.model or settings.openai_realtime_model
    return settings.model_copy(update={"openai_model": model, "openai_realtime_model": model})


def dialer_for(flags: Flags, settings: Settings) -> WebSocketDialer | None:
    """Return what opens the sockets, None for the usual; with --debug the frames are shown."""
    if not flags.debug:
        return None
    from chatbots.cli.outcome import show
    from chatbots.clients import realtime_dialer
    from chatbots.realtime.watching import WatchedDialer

    return WatchedDialer(realtime_dialer(settings), show, secrets=settings.secrets)


if __name__ == "__main__":
    sys.exit(main())
