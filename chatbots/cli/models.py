"""`models`: fetch and look after the model on this machine."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from chatbots.cli.outcome import FAILED, OK, guarded, tell

if TYPE_CHECKING:
    from chatbots.settings import Settings

ACTIONS: Final = {
    "list": "the models that can be fetched, and which of them are here",
    "pull": "fetch the model, if it is not here",
    "verify": "hash the model's file once more",
    "path": "print where the model's file lies",
    "status": "the processes that serve a model, with their users",
    "stop": "end these processes",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="chatbots models",
        description="Fetch and look after the model on this machine.",
        epilog="docs/local-models.md says what is fetched from where, and why it can be trusted.",
        allow_abbrev=False,
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, purpose in ACTIONS.items():
        actions.add_parser(name, help=purpose, description=purpose, allow_abbrev=False)
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    flags = parser.parse_args(argv)
    return guarded(lambda: _run(flags.action), debug=flags.debug)
