"""Asking a bot from a program: once, line by line from a pipe, or in a prompt loop."""

from __future__ import annotations

import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Final

import anyio
import anyio.to_thread

from chatbots.app import Chatbots
from chatbots.cli.chat import Kind
from chatbots.cli.flags import Flags
from chatbots.cli.outcome import FAILED, INTERRUPTED, OK, complain, tell
from chatbots.deltas import Done, Failed
from chatbots.flow.bot import Bot
from chatbots.flow.pipeline import Pipeline
from chatbots.messages import Prompt
from chatbots.settings import Settings
from chatbots.terminal.console import WINDOW, Console, JsonPaper, PlainPaper

CUT: Final = {
    "length": "The answer was cut at the length limit.",
    "content_filter": "The answer was stopped by the provider's filter.",
}


async def converse(kind: Kind, flags: Flags, settings: Settings) -> int:
    """Ask what the flags, a pipe or a person say; return the exit status."""
    async with Chatbots(settings) as bots:
        asker = Asker(_MAKERS[kind](bots), kind, flags)
        if flags.prompt is not None:
            await asker.ask([asker.bot.prompt(_joined(flags.prompt))])
        elif sys.stdin.isatty():
            from chatbots.cli.prompt_loop import prompt_loop

            return await prompt_loop(asker, settings)
        else:
            await asker.ask(_lines(asker.bot))
        return asker.status


_MAKERS: Final[dict[Kind, Callable[[Chatbots], Bot]]] = {
    "nomem": Chatbots.stateless,
    "memory": Chatbots.memory,
    "stream": Chatbots.streaming,
}


class Asker:
    """Puts prompts to a bot and the answers on the screen, and knows how it went."""

    def __init__(self, bot: Bot, kind: Kind, flags: Flags) -> None:
        self.bot = bot
        self.status: int = OK
        self._verbose = flags.verbose
        self._json = flags.json
        paper = (
            JsonPaper(whole=kind != "stream")
            if flags.json
            else PlainPaper(clean=sys.stdout.isatty())
        )
        self._console = Console(
            paper, answers=sys.stdout, remarks=sys.stderr, on_end=self._conclude
        )

    async def ask(self, prompts: AsyncIterator[Prompt] | Iterable[Prompt]) -> None:
        """Answer *prompts*; Ctrl-C stops the answer, a second one everything at once."""
        pipeline = Pipeline(self.bot.service, self._console, window=WINDOW)
        async with anyio.create_task_group() as group:
            group.start_soon(self._heed_ctrl_c, pipeline, group.cancel_scope)
            await pipeline.run(prompts)
            group.cancel_scope.cancel()

    async def _heed_ctrl_c(self, pipeline: Pipeline, everything: anyio.CancelScope) -> None:
        with anyio.open_signal_receiver(signal.SIGINT) as presses:
            async for _ in presses:
                if self.status == INTERRUPTED:
                    everything.cancel()
                self.status = INTERRUPTED
                pipeline.stop()

    def _conclude(self, end: Done | Failed) -> None:
        if isinstance(end, Failed):
            self._fail(end)
        elif end.state == "incomplete":
            self.status = FAILED
            if not self._json:
                tell(CUT.get(end.reason or "", f"The answer was cut: {end.reason}."))
        if self._verbose and isinstance(end, Done):
            tell(_summary(end))

    def _fail(self, end: Failed) -> None:
        if end.state == "cancelled":
            self.status = INTERRUPTED
        else:
            self.status = FAILED
            if not self._json:
                complain(end.error)


def _joined(parts: list[str]) -> str:
    return "\n\n".join(_stdin_text() if part == "-" else part for part in parts)


def _stdin_text() -> str:
    return sys.stdin.buffer.read().decode("utf-8", "surrogateescape").rstrip("\n")


async def _lines(bot: Bot) -> AsyncIterator[Prompt]:
    """Yield a prompt for each line of standard input that is not blank."""
    while True:
        line = await anyio.to_thread.run_sync(sys.stdin.buffer.readline, abandon_on_cancel=True)
        if not line:
            return
        text = line.decode("utf-8", "surrogateescape").rstrip("\r\n")
        if text.strip():
            yield bot.prompt(text)


def _summary(end: Done) -> str:
    parts: list[str] = [end.state]
    if end.usage is not None:
        parts.append(f"{end.usage.input_tokens} tokens read, {end.usage.output_tokens} written")
    if end.session is not None:
        parts.append(f"session {end.session}")
    return ", ".join(parts)
