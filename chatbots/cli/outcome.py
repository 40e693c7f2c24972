"""How a program ends: its exit status, and the one line that says what went wrong."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from chatbots.errors import ChatError

OK: Final = 0
FAILED: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 130
READER_LEFT: Final = 128 + signal.SIGPIPE
"""What a shell reports for a program whose reader went away."""


def guarded(program: Callable[[], int], *, debug: bool = False) -> int:
    """Run *program* and return its exit status; what it raises becomes one line.

    A traceback is shown only with *debug*.
    """
    from chatbots.errors import ChatError

    try:
        return program()
    except ChatError as error:
        if debug:
            traceback.print_exc()
        complain(error)
        return error.EXIT_STATUS
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The interpreter flushes standard output once more on its way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return READER_LEFT
    except Exception as error:
        if debug:
            raise
        tell(f"error: {type(error).__name__}: {error} (a bug; --debug shows where)")
        return FAILED


def complain(error: ChatError) -> None:
    """Say on standard error what went wrong and what to do."""
    tell(f"error: {error}")


def tell(line: str) -> None:
    """Write *line* to standard error."""
    from chatbots.telemetry import redact

    sys.stderr.write(f"chatbots: {redact(' '.join(line.split()))}\n")
    sys.stderr.flush()
