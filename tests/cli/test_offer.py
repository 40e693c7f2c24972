"""What the chat programs let a model call, and who is asked before it is called."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from chatbots.cli import prompt_loop
from chatbots.cli.flags import parse_flags
from chatbots.cli.offer import HARMLESS, offered, runner_for
from chatbots.errors import ConfigurationError
from chatbots.settings import Settings
from chatbots.tools.builtin import BUILTIN, builtin
from chatbots.tools.optional import NOTICE, OptionalTools
from tests.cli.conftest import Runner
from tests.cli.running import (
    CTRL_C,
    CTRL_D,
    Screen,
    Upstream,
    plain,
    run_process,
    terminal,
)

PROGRAMS = ["nomem", "memory", "stream"]
every_program = pytest.mark.parametrize("program", PROGRAMS)

MINE = '''
from pathlib import Path

from chatbots import tool


@tool(confirm=True)
def erase(path: str) -> str:
    """Erase a file.

    And forget it.
    """
    Path(path).unlink(missing_ok=True)
    return f"{path} is gone."


@tool
def look() -> str:
    return "seen"
'''
REFUSED = {"error": "The call of 'erase' was not allowed."}
NOBODY = {"error": "'erase' wants a person's consent, and there is nobody to ask."}
QUESTION = 'chatbots: May it call erase(path="notes.txt")? [y/N/always] '


@pytest.fixture
def mine(own_folder: None) -> Path:
    """A file of tools, in the current folder, and one to erase."""
    Path("notes.txt").write_text("Buy milk.")
    Path("mine.py").write_text(MINE)
    return Path.cwd()


def names_of(call: Any) -> list[str]:
    """Return the tools that a request offers."""
    return [tool["function"]["name"] for tool in call.json.get("tools", [])]


def results_of(call: Any) -> list[str]:
    """Return what a request says of the calls before it."""
    return [said["content"] for said in call.json["messages"] if said["role"] == "tool"]


def calling(upstream: Upstream, *calls: tuple[str, object], then: str = "Done.") -> None:
    upstream.answer(tool_calls=calls)
    upstream.answer(then)


ERASE = ("erase", {"path": "notes.txt"})


# What is offered


@pytest.mark.checklist(199)
@every_program
def test_a_tool_is_called_and_its_result_given_back(
    program: str, upstream: Upstream, run: Runner
) -> None:
    calling(upstream, ("multiply", {"a": 123456789, "b": 987654321}), then="It is that.")
    ran = run(program, "--tools", "multiply", "--prompt", "What is it?")
    lines = "> multiply(a=123456789, b=987654321)\n< 121932631112635269\n"
    assert ran == (0, "It is that.\n", lines)
    assert names_of(upstream.calls[0]) == ["multiply"]
    assert results_of(upstream.calls[1]) == ["121932631112635269"]


@every_program
def test_a_server_is_offered_what_harms_nobody(
    program: str, upstream: Upstream, run: Runner
) -> None:
    assert run(program, "--prompt", "Hi") == (0, "Hi\n", "")
    assert names_of(upstream.calls[0]) == HARMLESS.split(",")
    assert "tool_choice" not in upstream.calls[0].json


def test_what_is_offered_unasked_needs_no_consent_and_makes_nothing_up() -> None:
    names = HARMLESS.split(",")
    assert set(names) == BUILTIN.keys() - {"get_weather"}
    assert not any(builtin(name).marks.confirm for name in names)


def parsed(*argv: str, **settings: Any) -> tuple[Any, Settings]:
    return parse_flags("chatbots stream", "Ask.", argv), Settings(**settings)


@pytest.mark.parametrize(
    ("argv", "local", "names"),
    [
        ((), False, HARMLESS.split(",")),
        ((), True, []),
        (("--schema", "pet.json"), False, []),
        (("--tool-choice", "none"), False, []),
        (("--tools", "none"), False, []),
        (("--tools", "none", "--tools", "none"), False, []),
        (("--tools", "multiply"), True, ["multiply"]),
        (("--tools", "multiply", "--schema", "pet.json"), False, ["multiply"]),
        (("--tools", "multiply", "--tool-choice", "none"), False, ["multiply"]),
        (("--tools", "builtin"), False, list(BUILTIN)),
        (("--tools", "multiply", "--tools", "mine.py"), False, ["multiply", "erase", "look"]),
    ],
)
def test_whose_model_may_call_what(
    argv: Sequence[str], local: bool, names: list[str], mine: Path
) -> None:
    found = offered(*parsed(*argv, chatbots_local=local))
    assert [tool.name for tool in found or ()] == names
    assert (found is None) is (names == [])


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("--tools", "none", "--tool-choice", "required"), "no tool is offered. Name some with"),
        (("--tools", "none", "--tool-choice", "multiply"), "no tool is offered. Name some with"),
        (("--tools", "multiply", "--tool-choice", "add"), "no such tool. There are multiply."),
    ],
)
def test_a_choice_of_what_is_not_offered_is_refused(
    argv: Sequence[str], said: str, upstream: Upstream, run: Runner
) -> None:
    ran = run("stream", *argv, "--prompt", "Hi")
    assert (ran.status, ran.out, ran.err.count("\n")) == (1, "", 1)
    assert said in ran.err
    assert upstream.connections == 0
    with pytest.raises(ConfigurationError):
        offered(*parsed(*argv))


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("auto", "auto"),
        ("required", "required"),
        ("multiply", {"type": "function", "function": {"name": "multiply"}}),
    ],
)
def test_a_choice_is_sent(choice: str, sent: object, upstream: Upstream, run: Runner) -> None:
    assert run("nomem", "--tool-choice", choice, "--prompt", "Hi").status == 0
    assert upstream.calls[0].json["tool_choice"] == sent


def test_a_tool_there_is_not_is_told_before_anything_is_asked(
    upstream: Upstream, run: Runner
) -> None:
    ran = run("stream", "--tools", "calculater", "--prompt", "Hi")
    assert (ran.status, ran.out, ran.err.count("\n")) == (1, "", 1)
    assert "Did you mean calculator?" in ran.err
    assert upstream.connections == 0


def test_who_uses_no_tools_loads_none(upstream: Upstream) -> None:
    argv = ["--tools", "none", "--prompt", "Hi"]  # and more than it loads for its help
    ran = run_process("-X", "importtime", "-m", "chatbots", "stream", *argv)
    assert ran.status == 0
    imported = {line.rpartition("|")[2].strip() for line in ran.err.splitlines()}
    assert not imported & {"chatbots.tools.schema", "chatbots.tools.multiply"}


# A server that takes none


@every_program
def test_a_server_that_takes_no_tools_answers_without_them(
    program: str, upstream: Upstream, run: Runner
) -> None:
    upstream.answer(status=400, error="gemma:2b does not support tools")
    ran = run(program, given=b"One\nTwo\n")
    assert ran == (0, "One\nTwo\n", f"chatbots: {NOTICE}\n")
    assert [bool(names_of(call)) for call in upstream.calls] == [True, False, False]


@pytest.mark.parametrize("argv", [("--tools", "builtin"), ("--tool-choice", "required")])
def test_tools_that_were_asked_for_are_not_left_out(
    argv: Sequence[str], upstream: Upstream, run: Runner
) -> None:
    upstream.answer(status=400, error="gemma:2b does not support tools")
    ran = run("stream", *argv, "--prompt", "Hi")
    assert (ran.status, ran.out) == (1, "")
    assert "does not support tools" in ran.err
    assert len(upstream.calls) == 1
    flags, settings = parsed(*argv)
    assert not isinstance(runner_for(offered(flags, settings), flags), OptionalTools)


# Consent, where nobody can be asked


@every_program
@pytest.mark.parametrize(("argv", "somebody"), [((), False), (("--json",), True)])
def test_nobody_to_ask_means_no(
    program: str,
    argv: Sequence[str],
    somebody: bool,
    mine: Path,
    upstream: Upstream,
    run: Runner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chatbots.cli.asking._a_person_is_there", lambda: somebody)
    calling(upstream, ERASE)
    ran = run(program, *argv, "--tools", "mine.py", "--prompt", "Tidy up!")
    assert ran.status == 0
    assert [json.loads(text) for text in results_of(upstream.calls[1])] == [NOBODY]
    assert (mine / "notes.txt").exists()


@every_program
def test_yes_is_a_yes_to_all(program: str, mine: Path, upstream: Upstream, run: Runner) -> None:
    calling(upstream, ERASE, ("erase", {"path": "other.txt"}))
    ran = run(program, "--yes", "--tools", "mine.py", "--prompt", "Tidy up!")
    assert (ran.status, ran.out) == (0, "Done.\n")
    assert results_of(upstream.calls[1]) == ["notes.txt is gone.", "other.txt is gone."]
    assert not (mine / "notes.txt").exists()


def test_as_json_a_call_and_its_result_are_lines_of_the_stream(
    mine: Path, upstream: Upstream, run: Runner
) -> None:
    calling(upstream, ("look", {}))
    ran = run("stream", "--json", "--tools", "mine.py", "--prompt", "Look!")
    lines = [json.loads(line) for line in ran.out.splitlines()]
    assert (ran.status, ran.err) == (0, "")
    assert [line["type"] for line in lines] == ["tool_started", "tool_finished", "text", "done"]
    assert (lines[1]["name"], lines[1]["content"]) == ("look", "seen")


# Consent, at a terminal


def at_a_terminal(*argv: str, **more: Any) -> Any:
    return terminal("-m", "chatbots", *argv, "--tools", "mine.py", folder=Path.cwd(), **more)


@pytest.mark.parametrize(
    ("program", "typed", "there"),
    [
        ("stream", "y\r", False),
        ("stream", "n\r", True),
        pytest.param("nomem", "y\r", False, marks=pytest.mark.slow),
        pytest.param("memory", "y\r", False, marks=pytest.mark.slow),
    ],
)
def test_a_person_is_asked_about_the_very_call(
    program: str, typed: str, there: bool, mine: Path, upstream: Upstream
) -> None:
    calling(upstream, ERASE)
    with at_a_terminal(program, "--prompt", "Tidy up!") as screen:
        shown = plain(screen.wait_for(QUESTION))
        assert shown.endswith('> erase(path="notes.txt")\r\n')
        assert (mine / "notes.txt").exists()
        screen.press(typed)
        ran = screen.end()
    assert ran.status == 0
    assert ran.out.endswith("Done.\r\n")
    assert (mine / "notes.txt").exists() is there
    (result,) = results_of(upstream.calls[1])
    assert (json.loads(result) if there else result) == (REFUSED if there else "notes.txt is gone.")


@pytest.mark.slow
def test_always_is_asked_once(mine: Path, upstream: Upstream) -> None:
    calling(upstream, ERASE, ERASE)
    with at_a_terminal("stream", "--prompt", "Tidy up!") as screen:
        screen.wait_for(QUESTION)
        screen.press("always\r")
        ran = screen.end()
    assert (ran.status, ran.out.count("May it")) == (0, 0)
    assert results_of(upstream.calls[1]) == ["notes.txt is gone."] * 2


@pytest.mark.slow
def test_the_question_is_where_a_person_sees_it(mine: Path, upstream: Upstream) -> None:
    calling(upstream, ERASE)
    argv = ["stream", "--tools", "mine.py", "--prompt", "Tidy up!"]
    told = "os.dup2(os.open('told', os.O_WRONLY | os.O_CREAT), 2)"
    run = f"from chatbots.cli.main import main; sys.exit(main({argv}))"
    with terminal("-c", f"import os, sys; {told}; {run}", folder=mine) as screen:
        screen.wait_for(QUESTION)
        screen.press("y\r")
        assert screen.end().out.endswith("Done.\r\n")
    assert (mine / "told").read_text().startswith("> erase(")


def test_ctrl_c_at_the_question_stops_the_turn(mine: Path, upstream: Upstream) -> None:
    calling(upstream, ERASE)
    with at_a_terminal("stream", "--prompt", "Tidy up!") as screen:
        screen.wait_for(QUESTION)
        screen.press(CTRL_C)
        ran = screen.end()
    assert (ran.status, ran.out.replace("^C", "")) == (130, "\r\n")
    assert (mine / "notes.txt").exists()
    assert len(upstream.calls) == 1


@contextmanager
def typing(editor: str) -> Iterator[Screen]:
    hide = "sys.modules['prompt_toolkit'] = None; " if editor == "readline" else ""
    run = "from chatbots.cli.main import main; sys.exit(main(['stream', '--tools', 'mine.py']))"
    with terminal("-c", f"import sys; {hide}{run}", editor=editor, folder=Path.cwd()) as screen:
        screen.wait_for("Ctrl-D leaves.")
        screen.wait_for_prompt()
        yield screen


@pytest.mark.parametrize(
    "editor", ["prompt_toolkit", pytest.param("readline", marks=pytest.mark.slow)]
)
def test_a_conversation_goes_on_after_a_yes_and_after_ctrl_c_at_a_question(
    editor: str, mine: Path, upstream: Upstream
) -> None:
    calling(upstream, ERASE, then="Tidy.")
    with typing(editor) as screen:
        screen.enter("Tidy up!")
        screen.wait_for(QUESTION)
        screen.press("y\r")
        screen.wait_for("Tidy.\r\n")
        screen.wait_for_prompt()
        upstream.answer("Well: ", tool_calls=[ERASE])
        screen.enter("Again!")
        assert 'Well: \r\n> erase(path="notes.txt")\r\n' in plain(screen.wait_for(QUESTION))
        screen.press(CTRL_C)
        screen.wait_for_prompt()
        upstream.answer("Left as it is.")
        screen.enter("Leave it.")
        screen.wait_for("Left as it is.\r\n")
        screen.wait_for_prompt()
        screen.press(CTRL_D)
        assert screen.end().status == 0
    last = upstream.calls[-1].json["messages"]
    asked = [call["id"] for said in last for call in said.get("tool_calls", ())]
    told = [said["tool_call_id"] for said in last if said["role"] == "tool"]
    assert len(asked) == 2
    assert told == asked, "every call has its result, also the one that was stopped"


# What may be called is told


def test_verbose_names_the_tools(upstream: Upstream, run: Runner) -> None:
    assert "chatbots: tools: multiply, calculator\n" in (
        run("stream", "-v", "--tools", "multiply,calculator", "--prompt", "Hi").err
    )
    assert "chatbots: tools: (none)\n" in run("stream", "-v", "--tools=none", "--prompt=Hi").err


@pytest.mark.parametrize(
    ("which", "said"),
    [("mine.py", ["erase: Erase a file.", "look: "]), ("none", ["The model may call nothing."])],
)
def test_a_command_lists_the_tools(
    which: str, said: list[str], mine: Path, upstream: Upstream, run: Runner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    from tests.cli.test_prompt_loop import Keyboard, Typing

    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setattr(prompt_loop, "open_line_editor", lambda _: Typing(["/tools"]))
    ran = run.reading(Keyboard(), "stream", "--tools", which)
    lines = [line.removeprefix("chatbots: ") for line in ran.err.splitlines()]
    assert [line.strip() for line in lines[1:]] == [line.strip() for line in said]
