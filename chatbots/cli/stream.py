"""`stream`: Ask with memory and read the answer as it forms."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from chatbots.cli.chat import chat_program


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program and return its exit status."""
    return chat_program("stream", "Ask with memory and read the answer as it forms.", argv)


if __name__ == "__main__":
    sys.exit(main())
