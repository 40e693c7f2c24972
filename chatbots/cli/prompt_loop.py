"""A conversation at a terminal: a line in, an answer out, and a few commands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from chatbots.cli.asking import Asker
from chatbots.cli.flags import Remembering
from chatbots.cli.outcome import INTERRUPTED, OK, complain, show, tell
from chatbots.cli.resuming import resume
from chatbots.cli.session_lines import listed, shown
from chatbots.errors import ChatError
from chatbots.messages import check_session
from chatbots.places import state_folder
from chatbots.services.conversation import Conversation, shelf_of
from chatbots.settings import Settings
from chatbots.telemetry import new_session_id
from chatbots.terminal.line_editor import LineEditor, open_line_editor

if TYPE_CHECKING:
    from chatbots.tools.registry import ToolRegistry

HELP: Final = """\
/help            these lines
/reset           begin a new conversation
/session NAME    go on with another; without NAME, show which this is
/sessions        the newest ten
/fork NAME       go on in a copy of this one; without NAME, one is made up
/system TEXT     set the system message; without TEXT, show it
/model NAME      ask another model of the same server; without NAME, show it
/tools           what the model may call
/quit            leave; Ctrl-D does too
Ctrl-C stops an answer and keeps what was shown; pressed again, it leaves."""


async def prompt_loop(asker: Asker, settings: Settings, tools: ToolRegistry | None = None) -> int:
    """Ask what a person types until they leave; return the exit status."""
    editor = open_line_editor(state_folder() / "history")
    conversation = _Conversation(asker, settings, tools)
    who = "The model on this machine" if settings.wants_local else conversation.model
    tell(f"{who} answers. /help shows the commands, Ctrl-D leaves.")
    pressed = False
    while True:
        line = await _read(editor)
        if line is None:
            return OK
        if line == _CTRL_C:
            if pressed:
                return INTERRUPTED
            pressed = True
            tell("Press Ctrl-C again to leave.")
            continue
        pressed = False
        if line.startswith("/"):
            if not await conversation.obey(line):
                return OK
        elif line.strip():
            presses = await conversation.say(line)
            if presses > 1:
                return INTERRUPTED
            pressed = presses == 1


_CTRL_C: Final = "\x03"


async def _read(editor: LineEditor) -> str | None:
    try:
        return await editor.read("> ")
    except EOFError:
        return None
    except KeyboardInterrupt:
        return _CTRL_C


def _first_line(text: str) -> str:
    return text.partition("\n")[0]


class _Conversation:
    """What the commands change: the bot's session, its system message, its model."""

    def __init__(self, asker: Asker, settings: Settings, tools: ToolRegistry | None) -> None:
        self._asker = asker
        self._tools = tools
        self.model = settings.openai_model
        self._session = asker.bot.session
        self._system = settings.assistant_instructions

    async def say(self, line: str) -> int:
        """Ask; return how often Ctrl-C was pressed."""
        prompt = self._asker.prompt(
            line, session=self._session, model=self.model, instructions=self._system
        )
        await self._asker.ask([prompt])
        return self._asker.presses

    async def obey(self, line: str) -> bool:
        """Do what a command says; return False if it is to leave."""
        command, _, rest = line.partition(" ")
        rest = rest.strip()
        match command:
            case "/quit" | "/exit":
                return False
            case "/help":
                show(HELP)
            case "/reset":
                self._session = new_session_id()
                tell("A new conversation.")
            case "/session" | "/sessions" | "/fork":
                await self._browse(command, rest)
            case "/system":
                self._system = rest or self._system
                tell(f"system: {self._system or '(none)'}")
            case "/model":
                self.model = rest or self.model
                tell(f"model: {self.model}")
            case "/tools":
                if not self._tools:
                    tell("The model may call nothing.")
                for tool in self._tools or ():
                    tell(f"{tool.name}: {_first_line(tool.spec.description)}")
            case _:
                tell(f"There is no command {command}; /help shows those there are.")
        return True

    async def _browse(self, command: str, name: str) -> None:
        bot = self._asker.bot
        if not isinstance(bot, Conversation):
            tell("This program remembers nothing; memory and stream do.")
            return
        try:
            if command == "/sessions":
                for line in listed(await shelf_of(bot.store).sessions(limit=10)):
                    show(line)
                return
            if command == "/fork":
                name = name or new_session_id()
                check_session(name)
                await shelf_of(bot.store).fork(self._session or "", name)
            elif name:
                await resume(bot.store, Remembering(session=name))
            self._session = name or self._session
            tell(f"session: {shown(self._session or '')}")
        except ChatError as error:
            complain(error)
