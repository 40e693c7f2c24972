"""Both editors, with keys pressed by the test; `tests/cli/test_prompt_loop.py` has a terminal."""

from __future__ import annotations

import builtins
import io
import os
import pty
import select
import signal
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from threading import Event

import anyio
import pytest
from anyio import to_thread
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import PipeInput, create_pipe_input

from chatbots.terminal.history import History
from chatbots.terminal.line_editor import LineEditor, open_line_editor


@pytest.fixture(autouse=True)
def capable_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("PROMPT_TOOLKIT_NO_CPR", "1")  # nobody here answers where the cursor is


@contextmanager
def toolkit(history: Path) -> Iterator[tuple[LineEditor, PipeInput]]:
    with create_pipe_input() as keys, create_app_session(input=keys):
        yield open_line_editor(history), keys


@contextmanager
def readline(history: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[LineEditor, int]]:
    """Yield the editor for a machine without prompt_toolkit, and where to type."""
    monkeypatch.setitem(sys.modules, "prompt_toolkit.utils", None)
    source, keys = os.pipe()
    try:
        with os.fdopen(source, encoding="utf-8") as stdin:
            monkeypatch.setattr(sys, "stdin", stdin)
            yield open_line_editor(history), keys
    finally:
        os.close(keys)


def all_of(terminal: int) -> bytes:
    """Return what a terminal shows by now."""
    shown = b""
    while select.select([terminal], [], [], 0)[0]:
        shown += os.read(terminal, 1000)
    return shown


# prompt_toolkit


async def test_a_line_is_read_and_remembered(tmp_path: Path) -> None:
    with toolkit(tmp_path / "history") as (editor, keys):
        keys.send_text("Hello, Ada\r")
        assert await editor.read("> ") == "Hello, Ada"
    assert History(tmp_path / "history").lines == ["Hello, Ada"]


async def test_a_line_can_be_edited(tmp_path: Path) -> None:
    with toolkit(tmp_path / "history") as (editor, keys):
        keys.send_text("Hallo\x1b[D\x1b[D\x1b[D\x7fe\r")
        assert await editor.read("> ") == "Hello"


async def test_the_line_before_comes_back(tmp_path: Path) -> None:
    History(tmp_path / "history").add("from the last run")
    with toolkit(tmp_path / "history") as (editor, keys):
        keys.send_text("\x1b[A\r")
        assert await editor.read("> ") == "from the last run"


async def test_several_lines_can_be_pasted_at_once(tmp_path: Path) -> None:
    with toolkit(tmp_path / "history") as (editor, keys):
        keys.send_text("\x1b[200~one\ntwo\x1b[201~\r")
        assert await editor.read("> ") == "one\ntwo"


async def test_ctrl_c_and_ctrl_d_are_told_apart(tmp_path: Path) -> None:
    with toolkit(tmp_path / "history") as (editor, keys):
        keys.send_text("Hel\x03")
        with pytest.raises(KeyboardInterrupt):
            await editor.read("> ")
        keys.send_text("\x04")
        with pytest.raises(EOFError):
            await editor.read("> ")
    assert not (tmp_path / "history").exists()


async def test_the_prompt_is_not_among_the_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown, screen = pty.openpty()
    try:
        with os.fdopen(screen, "w", encoding="utf-8") as stderr:
            monkeypatch.setattr(sys, "stderr", stderr)
            with toolkit(tmp_path / "history") as (editor, keys):
                keys.send_text("Hello\r")
                await editor.read("> ")
            assert b">" in all_of(shown)
    finally:
        os.close(shown)
    assert capsys.readouterr().out == ""


# readline


async def test_readline_reads_a_line_and_remembers_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    History(tmp_path / "history").add("from the last run")
    with readline(tmp_path / "history", monkeypatch) as (editor, keys):
        os.write(keys, b"Hello, Ada\n")
        assert await editor.read("> ") == "Hello, Ada"
    assert History(tmp_path / "history").lines == ["from the last run", "Hello, Ada"]
    assert capsys.readouterr() == ("", "> ")


async def test_readline_shows_the_prompt_where_it_can_be_edited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts: list[str] = []

    def typed(prompt: str = "") -> str:
        prompts.append(prompt)
        return "Hello"

    monkeypatch.setattr(builtins, "input", typed)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    with readline(tmp_path / "history", monkeypatch) as (editor, _):
        assert await editor.read("> ") == "Hello"
    assert prompts == ["> "]


async def test_bytes_that_are_no_utf8_are_left_to_the_bot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with readline(tmp_path / "history", monkeypatch) as (editor, keys):
        os.write(keys, b"a\xffb\n")
        assert await editor.read("> ") == "a\udcffb"


async def test_a_dumb_terminal_gets_no_escape_sequences(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(sys, "stdin", io.StringIO("Hello\n"))
    assert await open_line_editor(tmp_path / "history").read("> ") == "Hello"
    assert capsys.readouterr() == ("", "> ")


async def test_a_stdin_that_is_no_file_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "prompt_toolkit.utils", None)
    monkeypatch.setattr(sys, "stdin", io.StringIO("Hello\n"))
    assert await open_line_editor(tmp_path / "history").read("> ") == "Hello"


async def test_readline_lets_the_loop_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with readline(tmp_path / "history", monkeypatch) as (editor, keys):
        async with anyio.create_task_group() as group:

            async def type_a_line() -> None:
                os.write(keys, b"Hello\n")

            group.start_soon(type_a_line)
            assert await editor.read("> ") == "Hello"


async def test_readline_tells_ctrl_d(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with readline(tmp_path / "history", monkeypatch) as (editor, _):
        monkeypatch.setattr(sys, "stdin", io.StringIO(""))
        with pytest.raises(EOFError):
            await editor.read("> ")
    assert capsys.readouterr().err == "> \n"


@pytest.mark.parametrize("pressed", [True, False])
async def test_readline_can_be_left_and_the_terminal_is_as_it_was(
    pressed: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """By Ctrl-C, and by whoever cancels, as SIGTERM does."""
    monkeypatch.setitem(sys.modules, "prompt_toolkit.utils", None)
    keys, screen = os.openpty()
    before = termios.tcgetattr(screen)
    try:
        with os.fdopen(screen, encoding="utf-8") as stdin:
            monkeypatch.setattr(sys, "stdin", stdin)
            editor = open_line_editor(tmp_path / "history")
            asked = Event()

            def typed() -> str:
                tty.setcbreak(stdin, termios.TCSANOW)  # as readline does
                asked.set()
                return stdin.readline().rstrip()

            monkeypatch.setattr(builtins, "input", typed)
            async with anyio.create_task_group() as group:
                group.start_soon(_leave, asked, group.cancel_scope, pressed)
                with pytest.raises(KeyboardInterrupt) if pressed else nullcontext():
                    await editor.read("> ")
            assert group.cancel_scope.cancelled_caught is not pressed
            assert capsys.readouterr().err == "> \n"
            assert termios.tcgetattr(screen) == before
            os.write(keys, b"Hello\n")
            assert await editor.read("> ") == "Hello"
    finally:
        os.close(keys)
    assert History(tmp_path / "history").lines == ["Hello"]


async def _leave(asked: Event, scope: anyio.CancelScope, pressed: bool) -> None:
    await to_thread.run_sync(asked.wait)
    if pressed:
        signal.raise_signal(signal.SIGINT)
    else:
        scope.cancel()
