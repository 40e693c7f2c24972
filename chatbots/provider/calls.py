"""The tool calls of an answer, put together from the pieces they come in."""

from __future__ import annotations

import secrets
from typing import Final

import msgspec
from msgspec import Struct

from chatbots.joined import Joined
from chatbots.tool_calls import ToolCall

MAX_ARGUMENTS: Final = 1024 * 1024
"""Characters the arguments of all tool calls of an answer may have; the rest is left out,
which makes them no JSON any more."""
MAX_HEARD: Final = 8 * MAX_ARGUMENTS
"""Characters of arguments after which an answer is none."""


class Function(Struct, gc=False):
    """What is called, or a piece of its name or arguments."""

    name: str | None = None
    arguments: str | dict[str, object] | None = None


class Called(Struct, gc=False):
    """A piece of a call."""

    index: int | None = None
    id: str | None = None
    function: Function | None = None


class ArgumentsTooLong(ValueError):
    """The arguments of the tool calls have more characters than an answer's may have."""


class Calls:
    """The tool calls of an answer, as their pieces come."""

    def __init__(self) -> None:
        self._order: list[_Call] = []
        self._by_index: dict[int | None, _Call] = {}
        self._size = 0

    def add(self, pieces: list[Called]) -> None:
        """Take in the next pieces; raises `ArgumentsTooLong`."""
        for piece in pieces:
            function = piece.function or Function()
            call = self._by_index.get(piece.index)
            # Some servers give no index, or the same to each call: then a name begins another.
            other = piece.index is None or (
                call and call.id and piece.id not in (None, "", call.id)
            )
            if call is None or (function.name and other):
                call = self._by_index[piece.index] = _Call()
                self._order.append(call)
            call.id = call.id or piece.id or ""
            call.name = call.name or function.name or ""
            said = function.arguments
            text = msgspec.json.encode(said).decode() if isinstance(said, dict) else said or ""
            call.arguments.add(text[: max(0, MAX_ARGUMENTS - self._size)])
            self._size += 1 + len(text)
            if self._size > MAX_HEARD:
                raise ArgumentsTooLong(
                    f"the arguments of its tool calls have more than {MAX_HEARD:,} characters"
                )

    def whole(self) -> tuple[ToolCall, ...]:
        """Return the calls; one without an id gets one."""
        return tuple(
            ToolCall(call.id or f"call_{secrets.token_hex(12)}", call.name, call.arguments.text)
            for call in self._order
        )


class _Call:
    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.arguments = Joined()
