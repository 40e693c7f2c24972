"""Reading a person's line: editing and history, by prompt_toolkit or else by readline."""

from __future__ import annotations

import io
import signal
import sys
from pathlib import Path
from typing import NoReturn, Protocol, cast

from chatbots.terminal.history import History


class LineEditor(Protocol):
    """Asks for a line."""

    async def read(self, prompt: str) -> str:
        """Return the line a person typed after *prompt*.

        Raises `KeyboardInterrupt` on Ctrl-C, `EOFError` on Ctrl-D.
        """
        ...


def open_line_editor(history: Path) -> LineEditor:
    """Return the best editor there is for this terminal.

    Lines are remembered in the file *history*.
    The prompt is shown on standard error where that is a terminal.
    """
    lines = History(history)
    try:
        from prompt_toolkit.utils import is_dumb_terminal
    except ImportError:
        return _Readline(lines)
    return _Readline(lines) if is_dumb_terminal() else _Toolkit(lines)


class _Toolkit:
    """prompt_toolkit: several lines can be pasted at once, and the loop goes on meanwhile."""

    def __init__(self, history: History) -> None:
        from prompt_toolkit import PromptSession
        from prompt_toolkit.history import InMemoryHistory
        from prompt_toolkit.output import create_output

        self._history = history
        self._session: PromptSession[str] = PromptSession(
            history=InMemoryHistory(history.lines),
            output=create_output(sys.stderr if sys.stderr.isatty() else sys.stdout),
        )

    async def read(self, prompt: str) -> str:
        line = await self._session.prompt_async(prompt)
        self._history.add(line)
        return line


class _Readline:
    """The standard library's: the loop stands still while the person types."""

    def __init__(self, history: History) -> None:
        import readline

        self._history = history
        for line in history.lines:
            readline.add_history(line)
        stdin: object = sys.stdin
        if isinstance(stdin, io.TextIOWrapper):
            # Bytes that are no UTF-8 are the bot's to refuse, not a reason to crash.
            cast("io.TextIOWrapper", stdin).reconfigure(errors="surrogateescape")

    async def read(self, prompt: str) -> str:
        # The event loop's handlers only take note; input() needs those that raise.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        told = signal.signal(signal.SIGTERM, _leave)
        try:
            line = self._input(prompt)
        except (KeyboardInterrupt, EOFError, SystemExit):
            sys.stderr.write("\n")
            raise
        finally:
            signal.signal(signal.SIGTERM, told)
            signal.signal(signal.SIGINT, before)
        self._history.add(line)
        return line

    def _input(self, prompt: str) -> str:
        if sys.stdout.isatty():
            return input(prompt)
        # input() would write the prompt among the answers.
        sys.stderr.write(prompt)
        sys.stderr.flush()
        return input()


def _leave(*_: object) -> NoReturn:
    raise SystemExit(128 + signal.SIGTERM)
