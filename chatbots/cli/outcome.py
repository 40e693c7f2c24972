"""How a program ends: its exit status, and the one line that says what went wrong."""

from __future__ import annotations

import os
import re
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from chatbots.errors import ChatError

OK: Final = 0
FAILED: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 130
READER_LEFT: Final = 128 + signal.SIGPIPE
"""What a shell reports for a program whose reader went away."""

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
"""What a server says in an error must not steer the terminal."""


def guarded(program: Callable[[], int], *, debug: bool = False, secrets: Sequence[str] = ()) -> int:
    """Run *program* and return its exit status; what it raises becomes one line.

    A traceback is shown only with *debug*.
    *secrets* are looked at when something is shown, so *program* may add to them; see `redact`.
    """
    try:
        if not _settle_streams():
            tell("error: Standard output is closed: there is nowhere to write to.")
            return FAILED
        return program()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _let_go_of_output()
        return READER_LEFT
    except Exception as error:
        return _explain(error, debug=debug, secrets=secrets)


def complain(error: ChatError, *, debug: bool = False, secrets: Sequence[str] = ()) -> None:
    """Say on standard error what went wrong and what to do; with *debug*, also where."""
    if debug:
        _show_traceback(error, secrets)
    tell(f"error: {error}", secrets=secrets)


def tell(line: str, *, secrets: Sequence[str] = ()) -> None:
    """Write *line* to standard error, without *secrets* and what looks like one."""
    _put(f"chatbots: {_CONTROL.sub('', ' '.join(line.split()))}\n", secrets)


def show(text: str) -> None:
    """Write a *text* of ours to standard error as it is."""
    _put(f"{text}\n", ())


def say(line: str) -> None:
    """Write *line* to standard output.

    Raises `BrokenPipeError` where the reader has left, `ConfigurationError` (`disk_full`).
    """
    try:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        from chatbots.errors import ConfigurationError

        _let_go_of_output()
        raise ConfigurationError(
            "disk_full",
            f"Standard output cannot be written: {error.strerror}.",
            hint="Make room, or write it somewhere else.",
        ) from error


def _explain(error: Exception, *, debug: bool, secrets: Sequence[str]) -> int:
    from chatbots.errors import ChatError

    if isinstance(error, ChatError):
        complain(error, debug=debug, secrets=secrets)
        return error.exit_status
    if debug:
        _show_traceback(error, secrets)
    where = "" if debug else "; --debug shows where"
    tell(f"error: {type(error).__name__}: {error} (a bug{where})", secrets=secrets)
    return FAILED


def _show_traceback(error: BaseException, secrets: Sequence[str]) -> None:
    _put("".join(traceback.format_exception(error)), secrets)


def _put(text: str, secrets: Sequence[str]) -> None:
    from chatbots.telemetry import redact

    try:
        sys.stderr.write(redact(text, *secrets))
        sys.stderr.flush()
    except OSError:
        return  # nobody reads it, and there is nobody to tell


def _settle_streams() -> bool:
    """Put the null device where a standard stream was closed; return whether output is open.

    Else the next socket gets the number of that stream, and the event loop breaks over it.
    """
    null = Path(os.devnull)
    heard = sys.stdout is not None
    if sys.stdin is None:
        sys.stdin = null.open()
    if sys.stdout is None:
        sys.stdout = null.open("w")
    if sys.stderr is None:
        sys.stderr = null.open("w")
    return heard


def _let_go_of_output() -> None:
    # The interpreter flushes standard output once more on its way out.
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
