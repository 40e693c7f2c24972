"""Asking a bot from a program: once, line by line from a pipe, or in a prompt loop."""

from __future__ import annotations

import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import anyio
import msgspec

from chatbots.app import Chatbots
from chatbots.cli.chat import Kind
from chatbots.cli.flags import Flags, Picking
from chatbots.cli.mcp import joined
from chatbots.cli.offer import check_choice, offered, runner_for
from chatbots.cli.outcome import FAILED, INTERRUPTED, OK, complain, tell
from chatbots.cli.resuming import resume
from chatbots.deltas import Done, Failed
from chatbots.errors import ConfigurationError, InvalidRequest
from chatbots.flow.bot import Bot
from chatbots.flow.calling import Said
from chatbots.flow.output import output_format
from chatbots.flow.pipeline import Pipeline
from chatbots.flow.unwrap import unwrapped
from chatbots.images import MAX_IMAGE, Image
from chatbots.messages import Message, Prompt
from chatbots.output import OutputFormat
from chatbots.setting_files import read_text
from chatbots.settings import Settings
from chatbots.terminal.consent import Consent
from chatbots.terminal.console import WINDOW, Console, JsonPaper, PlainPaper
from chatbots.terminal.streams import read_lines, read_whole
from chatbots.tool_calls import Confirm

CUT: Final = {
    "length": "The answer was cut at the length limit.",
    "content_filter": "The answer was stopped by the provider's filter.",
    "tool_limit": "The model called tools on and on, and was stopped.",
}


async def converse(kind: Kind, flags: Flags, settings: Settings) -> int:
    """Ask what the flags, a pipe or a person say; return the exit status."""
    images = tuple(map(_image, flags.image or ()))
    shape = None if flags.schema is None else read_schema(flags.schema)
    offer = offered(flags, settings)
    asking = {name: getattr(flags, name) for name in (*Picking.__annotations__, "tool_choice")}
    dialer = None
    if kind == "realtime":
        from chatbots.cli.realtime import dialer_for

        dialer = dialer_for(flags, settings)
    async with joined(flags, offer) as tools, Chatbots(settings, dialer=dialer) as bots:
        check_choice(flags, tools)
        if flags.verbose:
            tell(f"tools: {', '.join(tool.name for tool in tools or ()) or '(none)'}")
        if kind != "nomem":
            asking["session"] = await resume(bots.store, flags)
        bot = _MAKERS[kind](bots, tools=runner_for(tools, flags), **asking)
        asker = Asker(bot, kind, flags, shape=shape, secrets=settings.secrets)
        if kind == "explain":
            from chatbots.cli.explain import show_explained

            async for prompt in _joined(asker, flags, images):
                await show_explained(bot.service, prompt, settings, as_json=flags.json)
        elif flags.prompt is not None:
            await asker.ask(_joined(asker, flags, images))
        elif _a_person_is_there():
            from chatbots.cli.prompt_loop import prompt_loop

            return await prompt_loop(asker, settings, tools)
        else:
            await asker.ask(_each_line(asker))
        return asker.status


_MAKERS: Final[dict[Kind, Callable[..., Bot]]] = {
    "nomem": Chatbots.stateless,
    "memory": Chatbots.memory,
    "stream": Chatbots.streaming,
    "realtime": Chatbots.realtime,
    "explain": Chatbots.memory,
}


class Asker:
    """Puts prompts to a bot and the answers on the screen, and knows how it went."""

    def __init__(
        self,
        bot: Bot,
        kind: Kind,
        flags: Flags,
        *,
        shape: OutputFormat | None = None,
        secrets: Sequence[str] = (),
    ) -> None:
        self.bot = bot
        self.presses = 0
        """How often Ctrl-C was pressed since `ask` was called."""
        self._shape = shape
        self._failed = False
        self._flags = flags
        self._secrets = secrets
        paper = (
            JsonPaper(whole=kind not in ("stream", "realtime"))
            if flags.json
            else PlainPaper(clean=sys.stdout.isatty())
        )
        self._console = Console(
            paper,
            answers=sys.stdout,
            remarks=sys.stderr,
            on_end=self._conclude,
            reasoning=flags.show_reasoning,
        )
        self._confirm = self._who_consents()

    @property
    def status(self) -> int:
        """The exit status that says how all turns went so far."""
        if self.presses:
            return INTERRUPTED
        return FAILED if self._failed else OK

    def prompt(self, said: Said, **asking: Any) -> Prompt:
        """Return the prompt for what is *said*, with all the flags say."""
        return self.bot.prompt(said, output_type=self._shape, on_confirm=self._confirm, **asking)

    async def ask(self, prompts: AsyncIterator[Prompt] | Iterable[Prompt]) -> None:
        """Answer *prompts*; Ctrl-C stops the answer, a second one everything at once."""
        self.presses = 0
        pipeline = Pipeline(self.bot.service, self._console, window=WINDOW)
        with unwrapped():
            async with anyio.create_task_group() as group:
                group.start_soon(self._heed_ctrl_c, pipeline, group.cancel_scope)
                await pipeline.run(prompts)
                group.cancel_scope.cancel()

    async def _heed_ctrl_c(self, pipeline: Pipeline, everything: anyio.CancelScope) -> None:
        with anyio.open_signal_receiver(signal.SIGINT) as presses:
            async for _ in presses:
                self.presses += 1
                if self.presses > 1:
                    everything.cancel()
                pipeline.stop()

    def _who_consents(self) -> Confirm | None:
        if self._flags.yes:
            return _yes
        if self._flags.json or not _a_person_is_there():
            return None
        screen = sys.stderr if sys.stderr.isatty() else sys.stdout
        return Consent(self._console, keyboard=sys.stdin, screen=screen)

    def _conclude(self, end: Done | Failed) -> None:
        if isinstance(end, Failed):
            self._fail(end)
        elif end.state == "incomplete":
            self._failed = True
            if not self._flags.json:
                tell(CUT.get(end.reason or "", f"The answer was cut: {end.reason}."))
        if self._flags.verbose and isinstance(end, Done):
            tell(_summary(end))

    def _fail(self, end: Failed) -> None:
        if end.state == "cancelled":
            return  # Ctrl-C; whoever pressed it knows
        self._failed = True
        if not self._flags.json:
            complain(end.error, debug=self._flags.debug, secrets=self._secrets)


def _yes(*_: object) -> bool:
    return True


def read_schema(path: Path) -> OutputFormat:
    """Return the shape that a file with a JSON schema describes.

    Raises `ConfigurationError` (`file_unreadable`), and `InvalidRequest` for no valid schema.
    """
    try:
        schema = msgspec.json.decode(read_text(path, "schema"), type=dict[str, object])
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(
            "file_unreadable", f"The schema file {str(path)!r} holds no JSON schema: {error}."
        ) from error
    return output_format(schema)


def _a_person_is_there() -> bool:
    """Whether there is a terminal to type at, and one to show the prompt on."""
    return sys.stdin.isatty() and (sys.stderr.isatty() or sys.stdout.isatty())


def _image(where: str) -> Image:
    """Return the image in a file or at a URL; raises `ChatError` that names it."""
    try:
        if where.startswith(("http:", "https:", "data:")):
            return Image(where)
        with Path(where).open("rb") as file:
            return Image.of(file.read(MAX_IMAGE + 1))
    except OSError as error:
        why = f"The image {where!r} cannot be read: {error.strerror}."
        raise ConfigurationError("file_unreadable", why) from None
    except InvalidRequest as error:
        why = f"{error.message} This is about {where[:80]!r}."
        raise InvalidRequest(error.code, why, param=error.param) from None


async def _joined(asker: Asker, flags: Flags, images: tuple[Image, ...]) -> AsyncIterator[Prompt]:
    """Yield the one prompt that the flags add up to; the part `-` is standard input."""
    texts = [
        _text(await read_whole(sys.stdin)).rstrip("\r\n") if part == "-" else part
        for part in flags.prompt or ()
    ]
    message = Message("user", "\n\n".join(texts), images=images)
    yield asker.prompt(message, request_id=flags.request_id)


async def _each_line(asker: Asker) -> AsyncIterator[Prompt]:
    """Yield a prompt for each line of standard input that is not blank."""
    async for line in read_lines(sys.stdin):
        text = _text(line).rstrip("\r")
        if text.strip():
            yield asker.prompt(text)


def _text(data: bytes) -> str:
    # What is no UTF-8 is the bot's to refuse, a turn like any other.
    return data.decode("utf-8", "surrogateescape")


def _summary(end: Done) -> str:
    parts: list[str] = [end.state]
    if end.usage is not None:
        parts.append(f"{end.usage.input_tokens} tokens read, {end.usage.output_tokens} written")
    if end.session is not None:
        parts.append(f"session {end.session}")
    return ", ".join(parts)
