"""A person's consent to a call of a tool: yes, no, or always."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final, TextIO

from chatbots.terminal.console import Console
from chatbots.terminal.streams import forget_typed, read_line, write
from chatbots.tool_calls import ToolCall

MAX_SHOWN: Final = 2000
"""Characters of a call that are shown; what is left out is counted."""

ANSWERS: Final = {"y": True, "yes": True, "a": True, "always": True, "n": False, "no": False}
"""What may be typed; nothing means no, and so does Ctrl-D."""

# The second space of two too: a row of them would reach into the next line of the screen.
_HIDDEN: Final = re.compile(r"[^ -~]|(?<= ) ")


class Consent:
    """Asks at the terminal of *keyboard* and *screen*, while *console* shows nothing.

    Who says `always` is not asked again about this tool.
    """

    def __init__(self, console: Console, *, keyboard: TextIO, screen: TextIO) -> None:
        self._console = console
        self._keyboard = keyboard
        self._screen = screen
        self._always: set[str] = set()

    async def __call__(self, call: ToolCall, arguments: Mapping[str, object], _: str, /) -> bool:
        """Ask about this *call*; see `Confirm`."""
        if call.name in self._always:
            return True
        async with self._console.held(call.id):
            said = await self._ask(f"chatbots: May it call {spelled(call.name, arguments)}?")
        if said in ("a", "always"):
            self._always.add(call.name)
        return ANSWERS[said]

    async def _ask(self, question: str) -> str:
        forget_typed(self._keyboard)
        while True:
            await write(f"{question} [y/N/always] ", self._screen)
            line = ""
            try:
                line = await read_line(self._keyboard)
            finally:
                if not line.endswith("\n"):  # Ctrl-C or Ctrl-D: the cursor is behind the question
                    self._screen.write("\n")
                    self._screen.flush()
            said = line.strip().lower() or "no"
            if said in ANSWERS:
                return said
            question = "chatbots: Type y, n or always."


def spelled(name: str, arguments: Mapping[str, object]) -> str:
    """Return a call on one line, in which nothing steers a terminal or hides."""
    values = (f"{key}={json.dumps(v, ensure_ascii=False)}" for key, v in arguments.items())
    text = _HIDDEN.sub(_shown, ", ".join(values))
    left_out = len(text) - MAX_SHOWN
    more = f"… and {left_out:,} more characters" if left_out > 0 else ""
    return f"{name}({text[:MAX_SHOWN]}{more})"


def _shown(hidden: re.Match[str]) -> str:
    char = hidden[0]
    if char == " ":
        return "\\u0020"
    return char if char.isprintable() else char.encode("unicode_escape").decode()
