"""Reading a person's line: editing and history, by prompt_toolkit or else by readline."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession

HISTORY_LINES = 1000


class LineEditor(Protocol):
    """Asks for a line."""

    async def read(self, prompt: str) -> str:
        """Return the line a person typed after *prompt*.

        Raises `KeyboardInterrupt` on Ctrl-C, `EOFError` on Ctrl-D.
        """
        ...


def open_line_editor(history: Path) -> LineEditor:
    """Return the best editor there is; lines are remembered in *history* (0600)."""
    history.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    history.touch(mode=0o600)
    try:
        return _Toolkit(history)
    except ImportError:
        return _Readline(history)


class _Toolkit:
    """prompt_toolkit: several lines can be pasted at once, and the loop goes on meanwhile."""

    def __init__(self, history: Path) -> None:
        from prompt_toolkit import PromptSession
        from prompt_toolkit.history import FileHistory

        self._session: PromptSession[str] = PromptSession(history=FileHistory(str(history)))

    async def read(self, prompt: str) -> str:
        return await self._session.prompt_async(prompt)


class _Readline:
    """The standard library's: the loop stands still while the person types."""

    def __init__(self, history: Path) -> None:
        import readline

        self._readline = readline
        self._history = history
        if history.stat().st_size:
            readline.read_history_file(history)
        readline.set_history_length(HISTORY_LINES)

    async def read(self, prompt: str) -> str:
        # The event loop's handler only takes note of Ctrl-C; input() needs the one that raises.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            line = input(prompt)  # noqa: ASYNC250 - nothing else runs while a person types
        finally:
            signal.signal(signal.SIGINT, before)
        self._readline.write_history_file(self._history)
        return line
