"""A conversation at a terminal: with scripted lines here, with real keys below."""

from __future__ import annotations

import io
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from chatbots.cli import prompt_loop
from chatbots.places import state_folder
from chatbots.terminal.history import History
from tests.cli.conftest import Runner
from tests.cli.running import CTRL_C, CTRL_D, UP, Ran, Screen, Upstream, terminal

INTERRUPT = KeyboardInterrupt()
"""Ctrl-C at the prompt."""


class Keyboard(io.StringIO):
    """A terminal nobody reads from: the editor is scripted."""

    def isatty(self) -> bool:
        return True


class Typing:
    """A line editor whose lines the test has typed before; after them comes Ctrl-D."""

    def __init__(self, lines: Sequence[str | BaseException]) -> None:
        self._lines = list(lines)

    async def read(self, prompt: str) -> str:
        assert prompt == "> "
        line = self._lines.pop(0) if self._lines else EOFError()
        if isinstance(line, BaseException):
            raise line
        return line


@pytest.fixture
def talk(run: Runner, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """Run a program at a terminal and type lines."""

    def talking(*lines: str | BaseException, program: str = "stream", argv: Any = ()) -> Ran:
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        monkeypatch.setattr(prompt_loop, "open_line_editor", lambda _: Typing(lines))
        return run.reading(Keyboard(), program, *argv)

    return talking


def remarks(ran: Ran) -> list[str]:
    """Return what was said beside the answers, without the greeting."""
    return [line.removeprefix("chatbots: ") for line in ran.err.splitlines()][1:]


# Talking


def test_it_says_who_answers_and_how_to_leave(talk: Callable[..., Ran], upstream: Upstream) -> None:
    ran = talk(argv=("--model", "m"))
    said = "chatbots: m answers. /help shows the commands, Ctrl-D leaves.\n"
    assert ran == (0, "", said)
    assert upstream.connections == 0


def test_what_is_typed_is_asked_in_one_conversation(
    talk: Callable[..., Ran], upstream: Upstream
) -> None:
    upstream.answer("Hello Ada.")
    ran = talk("My name is Ada.", "", "  ", "What is my name?")
    assert (ran.status, ran.out) == (0, "Hello Ada.\nWhat is my name?\n")
    assert upstream.said(2) == [
        ("user", "My name is Ada."),
        ("assistant", "Hello Ada."),
        ("user", "What is my name?"),
    ]
    assert upstream.connections == 1


def test_a_failed_turn_does_not_end_the_conversation(
    talk: Callable[..., Ran], upstream: Upstream
) -> None:
    upstream.answer(status=400, error="No.")
    ran = talk("One", "a byte \udcff", "Two")
    assert (ran.status, ran.out) == (0, "Two\n")
    assert len(remarks(ran)) == 2


def test_without_memory_each_line_stands_alone(
    talk: Callable[..., Ran], upstream: Upstream
) -> None:
    talk("One", "Two", program="nomem")
    assert upstream.said(2) == [("user", "Two")]


# Commands


def test_help_lists_the_commands(talk: Callable[..., Ran], upstream: Upstream) -> None:
    said = " ".join(remarks(talk("/help")))
    assert all(word in said for word in ("/help", "/reset", "/system", "/model", "/quit", "Ctrl-C"))


@pytest.mark.parametrize("line", ["/quit", "/exit", "/quit now"])
def test_quit_leaves(line: str, talk: Callable[..., Ran], upstream: Upstream) -> None:
    assert talk(line, "never asked").status == 0
    assert upstream.connections == 0


def test_reset_begins_a_new_conversation(talk: Callable[..., Ran], upstream: Upstream) -> None:
    ran = talk("One", "/reset", "Two")
    assert remarks(ran) == ["A new conversation."]
    assert upstream.said(2) == [("user", "Two")]


def test_a_conversation_can_be_left_and_gone_back_to(
    talk: Callable[..., Ran], upstream: Upstream
) -> None:
    ran = talk("One", "/session b\x1b", "Two", "/session ada", "Three", argv=("--session", "ada"))
    assert remarks(ran) == ["session: b\\x1b", "session: ada"]
    assert upstream.said(2) == [("user", "Two")]
    assert [text for _, text in upstream.said(3)] == ["One", "One", "Three"]


def test_what_was_stopped_is_shown_where_it_is_gone_back_to(
    talk: Callable[..., Ran], upstream: Upstream
) -> None:
    upstream.answer(hold=upstream.event())
    with upstream.interrupting(lambda: bool(upstream.calls)):
        ran = talk("A story!", "/session", "/session ada", argv=("--session", "ada"))
    assert remarks(ran) == [
        "session: ada",
        "The last turn of ada is cancelled:",
        "> A story!",
        "[cancelled]",
        "session: ada",
    ]


def test_a_fork_goes_on_in_the_copy(talk: Callable[..., Ran], upstream: Upstream) -> None:
    ran = talk("One", "/fork eve", "Two", "/fork", "/fork eve", "/sessions")
    said = remarks(ran)
    assert said[0] == "session: eve"
    assert said[1].startswith("session: session_")
    assert said[2].startswith("error: ")
    assert len(said) == 6
    assert "eve" in [line.split()[0] for line in said[3:]]
    assert [text for _, text in upstream.said(2)] == ["One", "One", "Two"]


@pytest.mark.parametrize("command", ["/session", "/session ada", "/sessions", "/fork"])
def test_a_program_without_memory_has_no_conversations(
    command: str, talk: Callable[..., Ran], upstream: Upstream
) -> None:
    ran = talk(command, program="nomem")
    assert remarks(ran) == ["This program remembers nothing; memory and stream do."]


def test_system_sets_the_system_message(talk: Callable[..., Ran], upstream: Upstream) -> None:
    ran = talk("/system", "/system  Be brief. ", "Hi", "/system", argv=())
    assert remarks(ran) == ["system: (none)", "system: Be brief.", "system: Be brief."]
    assert upstream.said() == [("system", "Be brief."), ("user", "Hi")]


def test_system_wins_over_the_flag(talk: Callable[..., Ran], upstream: Upstream) -> None:
    talk("One", "/system Be long.", "Two", argv=("--system", "Be brief."))
    assert upstream.said(1)[0] == ("system", "Be brief.")
    assert upstream.said(2)[0] == ("system", "Be long.")


def test_model_asks_another(talk: Callable[..., Ran], upstream: Upstream) -> None:
    ran = talk("/model", "One", "/model n", "Two", argv=("--model", "m"))
    assert remarks(ran) == ["model: m", "model: n"]
    assert [call.json["model"] for call in upstream.calls] == ["m", "n"]


def test_a_schema_holds_for_the_whole_conversation(
    talk: Callable[..., Ran], upstream: Upstream, tmp_path: Path
) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text('{"type": "object"}')
    for _ in range(2):
        upstream.answer("{}")
    ran = talk("One", "Two", argv=("--schema", str(schema)))
    assert (ran.status, ran.out) == (0, "{}\n{}\n")
    assert all("response_format" in call.json for call in upstream.calls)


@pytest.mark.parametrize("line", ["/hlep", "/", "/quitt", "/systemBe"])
def test_an_unknown_command_is_not_asked(
    line: str, talk: Callable[..., Ran], upstream: Upstream
) -> None:
    ran = talk(line)
    assert remarks(ran) == [f"There is no command {line}; /help shows those there are."]
    assert upstream.connections == 0


# Ctrl-C


def test_ctrl_c_at_the_prompt_leaves_when_pressed_again(
    talk: Callable[..., Ran], upstream: Upstream
) -> None:
    ran = talk(INTERRUPT, INTERRUPT, "never asked")
    assert ran.status == 130
    assert remarks(ran) == ["Press Ctrl-C again to leave."]


def test_what_is_typed_in_between_counts(talk: Callable[..., Ran], upstream: Upstream) -> None:
    assert talk(INTERRUPT, "Hi", INTERRUPT).status == 0
    assert talk(INTERRUPT, "/help", INTERRUPT).status == 0


def test_ctrl_c_stops_an_answer_and_keeps_what_came(
    talk: Callable[..., Ran], upstream: Upstream
) -> None:
    upstream.answer(hold=upstream.event())
    with upstream.interrupting(lambda: bool(upstream.calls)):
        ran = talk("Tell me a story.", "Go on.")
    assert (ran.status, ran.out) == (0, "Go on.\n")
    upstream.until(lambda: upstream.calls[0].hung_up)


def test_ctrl_c_stops_an_answer_and_leaves_when_pressed_again(
    talk: Callable[..., Ran], upstream: Upstream
) -> None:
    upstream.answer(hold=upstream.event())
    with upstream.interrupting(lambda: bool(upstream.calls)):
        assert talk("Tell me a story.", INTERRUPT, "never asked").status == 130
    assert len(upstream.calls) == 1


def test_ctrl_c_twice_during_an_answer_leaves(
    talk: Callable[..., Ran], upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the screen takes nothing more: the first press cannot end the turn."""

    async def pressed_twice(self: object, line: str) -> int:
        return 2

    monkeypatch.setattr(prompt_loop._Conversation, "say", pressed_twice)
    assert talk("Tell me a story.", "never asked").status == 130


# With real keys

EDITORS = ["prompt_toolkit", pytest.param("readline", marks=pytest.mark.slow)]

both_editors = pytest.mark.parametrize("editor", EDITORS)

PROGRAM = "import sys; {hide}from chatbots.cli.main import main; sys.exit(main(['stream']))"
HIDE = "sys.modules['prompt_toolkit'] = None; "

AROUND = """
import signal, subprocess, sys, termios
signal.signal(signal.SIGINT, lambda *_: None)
before = termios.tcgetattr(0)
with open("answers", "wb") as answers:
    out = answers if sys.argv[2] == "file" else None
    code = subprocess.run([sys.executable, "-c", sys.argv[1]], stdout=out).returncode
print("left", "as it was" if termios.tcgetattr(0) == before else "otherwise", code)
"""
"""What a shell does around a program, and a look at the terminal afterwards."""


def program(editor: str) -> str:
    """Return `chatbots stream`; without prompt_toolkit, if the *editor* is readline."""
    return PROGRAM.format(hide=HIDE if editor == "readline" else "")


@contextmanager
def typing(editor: str, folder: Path, **variables: str) -> Iterator[Screen]:
    """Run `stream` at a terminal."""
    with terminal("-c", program(editor), editor=editor, folder=folder, **variables) as screen:
        screen.wait_for("Ctrl-D leaves.")
        yield screen


@pytest.mark.checklist(189)
@both_editors
def test_a_conversation_by_hand(editor: str, upstream: Upstream, tmp_path: Path) -> None:
    """A line, an answer, Ctrl-C half-way; the partial is what the next request carries."""
    with typing(editor, tmp_path) as screen:
        screen.wait_for_prompt()
        upstream.answer("Hello Ada.")
        screen.enter("My name is Ada.")
        screen.wait_for("Hello Ada.\r\n")
        screen.wait_for_prompt()
        upstream.begin("Once ", "upon ")
        screen.enter("A story!")
        screen.wait_for("upon ")
        screen.press(CTRL_C)
        upstream.until(lambda: upstream.calls[1].hung_up)
        screen.wait_for_prompt()
        screen.enter("Go on.")
        screen.wait_for("Go on.\r\n")
        screen.wait_for_prompt()
        screen.press(CTRL_D)
        assert screen.end().status == 0
    assert upstream.said(3) == [
        ("user", "My name is Ada."),
        ("assistant", "Hello Ada."),
        ("user", "A story!"),
        ("assistant", "Once upon "),
        ("user", "Go on."),
    ]
    assert upstream.connections == 2, "the first one until the answer was stopped"


@pytest.mark.slow
@both_editors
def test_typed_lines_come_back_in_the_next_run(
    editor: str, upstream: Upstream, tmp_path: Path
) -> None:
    history = state_folder() / "history"
    with typing(editor, tmp_path) as screen:
        screen.wait_for_prompt()
        screen.enter("Hello from before")
        screen.wait_for_prompt()
        screen.press(CTRL_D)
        assert screen.end().status == 0
    assert History(history).lines == ["Hello from before"]
    assert stat.S_IMODE(history.stat().st_mode) == 0o600
    with typing(editor, tmp_path) as screen:
        screen.wait_for_prompt()
        # The history is read while the person begins to think.
        screen.press_until(UP, "Hello from before")
        screen.press("\r")
        upstream.until_called(2)
        screen.wait_for_prompt()
        screen.press(CTRL_C)
        screen.wait_for("Press Ctrl-C again to leave.\r\n")
        screen.wait_for_prompt()
        screen.press(CTRL_C)
        assert screen.end().status == 130
    assert upstream.said(2) == [("user", "Hello from before")]


def test_a_byte_that_is_no_utf8_does_not_end_it(upstream: Upstream, tmp_path: Path) -> None:
    with typing("prompt_toolkit", tmp_path) as screen:
        screen.wait_for_prompt()
        screen.press_bytes(b"caf\xe9 \r")
        screen.wait_for("not valid Unicode text: a byte that is not UTF-8 at character 4.")
        screen.wait_for_prompt()
        screen.enter("/quit")
        assert screen.end().status == 0
    assert upstream.connections == 0


@both_editors
def test_the_terminal_is_left_as_it_was(editor: str, upstream: Upstream, tmp_path: Path) -> None:
    upstream.begin("Once ")
    command = ("-c", AROUND, program(editor), "screen")
    with terminal(*command, editor=editor, folder=tmp_path) as screen:
        screen.wait_for_prompt()
        screen.enter("A story!")
        screen.wait_for("Once ")
        screen.press(CTRL_C)
        screen.wait_for_prompt()
        screen.press(CTRL_C)
        shown = screen.end().out
    assert "left as it was 130" in shown
    assert "\x1b[?25l" not in shown.rpartition("\x1b[?25h")[2], "the cursor is shown"


@pytest.mark.slow
@both_editors
def test_answers_alone_go_to_a_file(editor: str, upstream: Upstream, tmp_path: Path) -> None:
    command = ("-c", AROUND, program(editor), "file")
    with terminal(*command, editor=editor, folder=tmp_path) as screen:
        screen.wait_for("Ctrl-D leaves.")
        screen.wait_for_prompt()
        screen.enter("Hello")
        screen.wait_for_prompt()
        screen.press(CTRL_D)
        assert "left as it was 0" in screen.end().out
    assert (tmp_path / "answers").read_bytes() == b"Hello\n"


def test_a_dumb_terminal_will_do(upstream: Upstream, tmp_path: Path) -> None:
    with typing("prompt_toolkit", tmp_path, TERM="dumb", NO_COLOR="1") as screen:
        screen.wait_for("> ")
        screen.enter("Hello")
        upstream.until_called()
        screen.wait_for("> ")
        screen.press(CTRL_D)
        ran = screen.end()
    assert ran.status == 0
    assert "\x1b" not in ran.out


@pytest.mark.slow
def test_a_home_that_cannot_be_written_costs_the_history_alone(
    upstream: Upstream, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    folder = str(tmp_path / "file" / "state")
    with typing("prompt_toolkit", tmp_path, XDG_STATE_HOME=folder) as screen:
        screen.wait_for_prompt()
        screen.enter("Hello")
        screen.wait_for("Hello\r\n")
        screen.wait_for_prompt()
        screen.press(CTRL_D)
        assert screen.end().status == 0
