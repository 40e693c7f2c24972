"""Reading a person's line: editing and history, by prompt_toolkit or else by readline."""

from __future__ import annotations

import io
import os
import signal
import sys
import termios
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from threading import get_ident
from typing import Final, Protocol, cast

import anyio
from anyio import to_thread

from chatbots.flow.unwrap import unwrapped
from chatbots.terminal.history import History

_AGAIN: Final = 0.01
"""Seconds until a thread that is to stop reading is told again."""


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
    """The standard library's, in a thread: the loop goes on while the person types."""

    def __init__(self, history: History) -> None:
        import readline

        self._history = history
        readline.set_auto_history(False)  # it would remember what Ctrl-C has left as well
        self._remember = readline.add_history
        for line in history.lines:
            readline.add_history(line)
        stdin: object = sys.stdin
        if isinstance(stdin, io.TextIOWrapper):
            # Bytes that are no UTF-8 are the bot's to refuse, not a reason to crash.
            cast("io.TextIOWrapper", stdin).reconfigure(errors="surrogateescape")

    async def read(self, prompt: str) -> str:
        try:
            line = await _Input(prompt).line()
        except (KeyboardInterrupt, EOFError, anyio.get_cancelled_exc_class()) as left:
            if isinstance(left, EOFError) or not sys.stdout.isatty():
                sys.stderr.write("\n")  # where readline has not ended the line itself
            raise
        if line.strip():
            self._remember(line)
        self._history.add(line)
        return line


class _Input:
    """A line of `input()`, which can be left: nothing but a line makes it return."""

    def __init__(self, prompt: str) -> None:
        self._prompt = prompt
        self._settings = termios.tcgetattr(sys.stdin) if sys.stdin.isatty() else []
        self._thread: int | None = None
        self._typed = False

    async def line(self) -> str:
        """Return it; raises as `LineEditor.read`."""
        line, pressed = "", list[object]()
        with unwrapped(), anyio.open_signal_receiver(signal.SIGINT) as presses:
            async with anyio.create_task_group() as group:
                group.start_soon(self._until_pressed, presses, pressed)
                try:
                    line = await to_thread.run_sync(self._read)
                finally:
                    self._typed = True
                    group.cancel_scope.cancel()
        if pressed:
            raise KeyboardInterrupt
        return line

    def _read(self) -> str:
        self._thread = get_ident()
        if sys.stdout.isatty():
            return input(self._prompt)
        # input() would write the prompt among the answers.
        sys.stderr.write(self._prompt)
        sys.stderr.flush()
        return input()

    async def _until_pressed(self, presses: AsyncIterator[object], pressed: list[object]) -> None:
        """Wait for Ctrl-C, or for who cancels; then have the line ended."""
        try:
            pressed.append(await anext(presses))
        finally:
            if not self._typed:
                with anyio.CancelScope(shield=True):
                    await self._end()

    async def _end(self) -> None:
        """Let the thread read a line from elsewhere, then put everything back."""
        descriptor = sys.stdin.fileno()
        terminal, (keys, elsewhere) = os.dup(descriptor), os.openpty()
        before = signal.signal(signal.SIGURG, _nothing)  # one that is otherwise ignored
        try:
            os.write(keys, b"\n\n")  # the first may only end a search, or be quoted
            os.dup2(elsewhere, descriptor)
            while not self._typed:
                if self._thread is not None:  # it goes on, and looks where it reads from
                    signal.pthread_kill(self._thread, signal.SIGURG)
                await anyio.sleep(_AGAIN)
        finally:
            signal.signal(signal.SIGURG, before)
            os.dup2(terminal, descriptor)
            with suppress(termios.error):  # the terminal was closed
                termios.tcsetattr(descriptor, termios.TCSADRAIN, self._settings)
            for one in (terminal, keys, elsewhere):
                os.close(one)


def _nothing(*_: object) -> None:
    """Handle a signal whose only use is that it interrupts a read."""
