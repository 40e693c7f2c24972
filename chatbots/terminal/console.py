"""Replies on a screen or in a pipe: the answer on one stream, everything else on another."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Final, Protocol, TextIO

import anyio
import msgspec

from chatbots.deltas import (
    AudioDelta,
    Delta,
    Done,
    Failed,
    Interrupted,
    Notice,
    ReasoningDelta,
    TextDelta,
    ToolDelta,
    ToolFinished,
    ToolProgress,
    ToolStarted,
    UserSaid,
)
from chatbots.errors import ChatError
from chatbots.interfaces import Source
from chatbots.terminal.spinner import Spinner
from chatbots.terminal.streams import write
from chatbots.terminal.tool_lines import line_of

WINDOW: Final = 0.03
"""Seconds between two writes of text: about what a screen can show."""

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Control characters but tab and newline: an answer must not steer the terminal."""


class Paper(Protocol):
    """How one reply after the other is put down."""

    def text(self, text: str) -> str:
        """Return what to write for a piece of the answer."""
        ...

    def said(self, words: UserSaid, /) -> str:
        """Return what to write for what the user said by voice."""
        ...

    def tool(self, news: ToolDelta, /) -> str:
        """Return what to write among the answers for the *news*; nothing, if beside them."""
        ...

    def end(self, end: Done | Failed) -> str:
        """Return what to write at the end of a reply."""
        ...


class Console:
    """A `Consumer` that writes answers to *answers* and everything else to *remarks*.

    *paper* decides on the form, *on_end* is told how each reply ended.
    *reasoning* is written beside the answer, dim on a terminal, or not at all.
    On a terminal a spinner shows until there is something to show.
    """

    def __init__(
        self,
        paper: Paper,
        *,
        answers: TextIO,
        remarks: TextIO,
        on_end: Callable[[Done | Failed], None] = lambda _: None,
        reasoning: bool = False,
    ) -> None:
        self._paper = paper
        self._answers = answers
        self._remarks = remarks
        self._on_end = on_end
        self._reasoning = reasoning
        self._thinking = False
        self._answering = False
        self._spinner = Spinner(remarks, on=remarks.isatty() and answers.isatty())
        self._turn = anyio.Condition()
        self._begun: set[str] = set()

    async def consume(self, source: Source) -> None:
        """Write every reply of *source*."""
        self._spinner.wind()
        while True:
            try:
                delta = await self._next(source)
            except anyio.EndOfStream:
                return
            async with self._turn:
                await self._show(delta)

    @asynccontextmanager
    async def held(self, call_id: str) -> AsyncGenerator[None]:
        """Show nothing within, after all up to the beginning of the call of a tool."""
        async with self._turn:
            while call_id not in self._begun:
                await self._turn.wait()
            yield

    async def _show(self, delta: Delta) -> None:
        if self._thinking and not isinstance(delta, ReasoningDelta):
            self._thinking = False
            await write("\n", self._remarks)
        match delta:
            case ReasoningDelta(text):
                if self._reasoning:
                    await self._think(text)
            case TextDelta(text):
                self._answering = not text.endswith("\n")
                await write(self._paper.text(text), self._answers)
            case Notice(message=message):
                await write(self._gap(), self._remarks)
                self.remark(message)
            case UserSaid():
                await write(self._paper.said(delta), self._answers)
            case AudioDelta() | Interrupted():
                pass  # what is heard is not seen
            case ToolStarted() | ToolProgress() | ToolFinished():
                await self._tell(delta)
            case Done() | Failed():
                self._begun.clear()
                self._answering = False
                await write(self._paper.end(delta), self._answers)
                self._on_end(delta)

    def remark(self, text: str) -> None:
        """Write a line about the answer beside it."""
        self._remarks.write(f"chatbots: {text}\n")
        self._remarks.flush()

    async def _next(self, source: Source) -> Delta:
        with self._spinner:
            while self._spinner.turning:
                with anyio.move_on_after(self._spinner.step):
                    while True:
                        delta = await source.receive()
                        if self._reasoning or not isinstance(delta, ReasoningDelta):
                            return delta
                self._spinner.turn()
        return await source.receive()

    async def _tell(self, news: ToolDelta) -> None:
        if line := self._paper.tool(news):
            await write(line, self._answers)
            return
        await write(f"{self._gap()}{cleaned(line_of(news))}\n", self._remarks)
        if isinstance(news, ToolStarted):
            self._begun.add(news.call_id)
            self._turn.notify_all()

    def _gap(self) -> str:
        """Return what keeps a line from a piece of the answer that stands on the same screen."""
        gap = "\n" if self._answering and self._answers.isatty() else ""
        self._answering = False
        return gap

    async def _think(self, text: str) -> None:
        self._thinking = not text.endswith("\n")
        if self._remarks.isatty():
            text = f"\x1b[2m{cleaned(text)}\x1b[0m"
        await write(text, self._remarks)


class PlainPaper:
    """The text alone; each answer ends with exactly one newline.

    *clean* takes out control characters, for a terminal.
    """

    def __init__(self, *, clean: bool) -> None:
        self._clean = clean
        self._begun = False
        self._newlines = 0

    def text(self, text: str) -> str:
        """Return the text, its last newlines held back until more follows."""
        if self._clean:
            text = cleaned(text)
        body = text.rstrip("\n")
        if not body:
            self._newlines += len(text)
            return ""
        shown = "\n" * (self._newlines if self._begun else 0) + body
        self._begun = True
        self._newlines = len(text) - len(body)
        return shown

    def said(self, _: UserSaid, /) -> str:
        """Return nothing: it is no part of the answer."""
        return ""

    def tool(self, _: ToolDelta, /) -> str:
        """Return nothing: it is no part of the answer."""
        return ""

    def end(self, end: Done | Failed) -> str:
        """Return the newline after the answer; none where nothing was shown of it."""
        owed = self._begun or isinstance(end, Done)
        self._begun = False
        self._newlines = 0
        return "\n" if owed else ""


class JsonPaper:
    """One JSON object a line: `text` for each piece, news of tools, then `done` or `failed`.

    *whole*: one `reply` object with all of the text in place of the pieces and of `done`;
    news of tools go beside it.
    """

    def __init__(self, *, whole: bool) -> None:
        self._whole = whole
        self._pieces: list[str] = []

    def text(self, text: str) -> str:
        """Return the line for a piece of text."""
        if self._whole:
            self._pieces.append(text)
            return ""
        return _line({"type": "text", "text": text})

    def said(self, words: UserSaid, /) -> str:
        """Return the line for what the user said."""
        return _line(msgspec.to_builtins(words))

    def tool(self, news: ToolDelta, /) -> str:
        """Return the line for the *news* of a tool."""
        return "" if self._whole else _line(msgspec.to_builtins(news))

    def end(self, end: Done | Failed) -> str:
        """Return the line for the end of a reply."""
        text = "".join(self._pieces)
        self._pieces.clear()
        fields: dict[str, object] = msgspec.to_builtins(end, enc_hook=_told)
        if self._whole and isinstance(end, Done):
            return _line({"type": "", "text": text, **fields} | {"type": "reply"})
        return _line(fields)


def cleaned(text: str) -> str:
    """Return *text* without what would steer the terminal."""
    return _CONTROL.sub("\ufffd", text)


def _told(error: ChatError) -> dict[str, object]:
    return {
        "code": error.code,
        "message": str(error),
        "retryable": error.retryable,
        "retry_after": error.retry_after,
    }


def _line(value: dict[str, object]) -> str:
    return f"{msgspec.json.encode(value).decode()}\n"
