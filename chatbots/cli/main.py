"""The console script: one name for all the programs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final

from chatbots.version import VERSION

PROGRAMS: Final = {
    "nomem": "ask without memory",
    "memory": "ask with memory",
    "stream": "ask with memory and read the answer as it forms",
    "realtime": "ask over a realtime session, which stays open between the questions",
    "voice": "ask aloud and be answered aloud",
    "serve": "serve many clients over WebSockets",
    "explain": "show what the model would be sent, and ask it nothing",
    "sessions": "list, read, search and look after conversations",
    "models": "fetch and look after the model on this machine",
    "tools": "list, show and run what a model may call",
    "tokens": "make and revoke the tokens that clients of the server show",
}

MODULES: Final = {"serve": "server"}
"""The module of a program, where it is called otherwise."""

USAGE: Final = "usage: chatbots [-h] [--version] PROGRAM [flags]"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program that is named first and return its exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    first = words[0] if words else None
    if first in PROGRAMS:
        module = MODULES.get(first, first)
        status: int = import_module(f"chatbots.cli.{module}").main(words[1:])
        return status
    if first in ("-h", "--help"):
        sys.stdout.write(_help())
        return 0
    if first == "--version":
        sys.stdout.write(f"chatbots {VERSION}\n")
        return 0
    known = ", ".join(PROGRAMS)
    wrong = f"there is no program {first!r}" if first else "name a program"
    sys.stderr.write(f"{USAGE}\nchatbots: error: {wrong}; choose from {known}\n")
    return 2


def _help() -> str:
    rows = "".join(f"  {name:8} {purpose}\n" for name, purpose in PROGRAMS.items())
    return f"{USAGE}\n\nprograms:\n{rows}\n`chatbots PROGRAM --help` lists the flags of each.\n"


if __name__ == "__main__":
    sys.exit(main())
