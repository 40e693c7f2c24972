from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from chatbots.cli.flags import EFFORTS, Flags, parse_flags
from chatbots.sampling import Effort
from chatbots.version import VERSION


def parsed(*argv: str) -> Flags:
    return parse_flags("chatbots stream", "Ask.", argv)


def refused(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """Return what is said on wrong usage, which ends with status 2."""
    with pytest.raises(SystemExit) as caught:
        parsed(*argv)
    assert caught.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    return said.err


def test_nothing_is_said_by_default() -> None:
    flags = parsed()
    assert vars(flags) == {
        "prompt": None,
        "model": None,
        "base_url": None,
        "system": None,
        "instructions": None,
        "timeout": None,
        "schema": None,
        "image": None,
        "temperature": None,
        "top_p": None,
        "max_tokens": None,
        "stop": None,
        "seed": None,
        "reasoning_effort": None,
        "tools": None,
        "mcp": None,
        "mcp_config": None,
        "tool_choice": None,
        "yes": False,
        "show_reasoning": False,
        "json": False,
        "verbose": False,
        "debug": False,
    }
    assert (flags.session, flags.newest, flags.request_id) == (None, False, None)


def test_every_flag_is_read() -> None:
    flags = parsed(
        *("--prompt", "Hi", "--prompt", "-", "--model", "m", "--base-url", "http://h/v1"),
        *("--system", "Be brief.", "--timeout", "1.5", "--json", "-v", "--debug"),
    )
    assert flags.prompt == ["Hi", "-"]
    assert (flags.model, flags.base_url, flags.system) == ("m", "http://h/v1", "Be brief.")
    assert (flags.timeout, flags.json, flags.verbose, flags.debug) == (1.5, True, True, True)


def test_every_way_to_pick_words_has_a_flag() -> None:
    flags = parsed(
        *("--temperature", "0", "--top-p", "0.5", "--max-tokens", "7", "--seed", "-1"),
        *("--stop", "END", "--stop", "\n", "--reasoning-effort", "low", "--show-reasoning"),
    )
    assert (flags.temperature, flags.top_p, flags.max_tokens, flags.seed) == (0, 0.5, 7, -1)
    assert isinstance(flags.max_tokens, int)
    assert (flags.stop, flags.reasoning_effort) == (["END", "\n"], "low")
    assert flags.show_reasoning


def test_every_way_to_say_what_may_be_called_has_a_flag() -> None:
    flags = parsed("--tools", "builtin", "--tools", "a.py", "--tool-choice", "required", "--yes")
    assert (flags.tools, flags.tool_choice, flags.yes) == (["builtin", "a.py"], "required", True)


def test_the_efforts_are_those_there_are() -> None:
    assert get_args(Effort) == EFFORTS


@pytest.mark.parametrize(
    ("flag", "value", "why"),
    [
        ("--temperature", "2.1", "'2.1' is not a number from 0 to 2"),
        ("--temperature", "hot", "'hot' is not a number from 0 to 2"),
        ("--temperature", "nan", "'nan' is not a number from 0 to 2"),
        ("--top-p", "-0.1", "'-0.1' is not a number from 0 to 1"),
        ("--max-tokens", "0", "'0' is not a number from 1 to 2147483647"),
        ("--max-tokens", "1.5", "'1.5' is not a number from 1 to 2147483647"),
        ("--seed", "x", "invalid int value: 'x'"),
        ("--reasoning-effort", "hard", "invalid choice: 'hard'"),
    ],
)
def test_a_way_to_pick_words_that_there_is_not_is_wrong_usage(
    flag: str, value: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert why in refused(capsys, f"{flag}={value}")


def test_images_go_with_a_prompt(capsys: pytest.CaptureFixture[str]) -> None:
    assert parsed("--prompt", "Hi", "--image", "a", "--image", "b").image == ["a", "b"]
    assert "--image goes with a --prompt" in refused(capsys, "--image", "a")


def test_instructions_are_a_path() -> None:
    assert parsed("--instructions", "a/b.txt").instructions == Path("a/b.txt")


def test_a_prompt_may_begin_with_a_dash() -> None:
    assert parsed("--prompt=-1 + 1?").prompt == ["-1 + 1?"]


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_names_every_flag_and_status(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parsed(flag)
    assert caught.value.code == 0
    said = capsys.readouterr().out
    for word in ("--prompt", "--model", "--base-url", "--system", "--instructions", "--timeout"):
        assert word in said
    for word in ("--image", "--temperature", "--top-p", "--max-tokens", "--stop", "--seed"):
        assert word in said
    for word in ("--reasoning-effort", "xhigh", "--show-reasoning", "--tools", "--tool-choice"):
        assert word in said
    for word in ("--yes", "--json", "--verbose", "--debug", "--version", "130 Ctrl-C", "pipe"):
        assert word in said


def test_the_version_is_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parsed("--version")
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"chatbots {VERSION}\n"


@pytest.mark.parametrize(
    ("flag", "debug"),
    [
        ("--debug", True),
        ("-debug", True),
        ("-debug=true", True),
        ("--debug=True", True),
        ("-debug=1", True),
        ("-debug=T", True),
        ("-debug=false", False),
        ("--debug=FALSE", False),
        ("-debug=0", False),
    ],
)
def test_debug_may_be_written_as_go_has_it(flag: str, debug: bool) -> None:
    assert parsed(flag, "--prompt", "Hi").debug is debug


def test_debug_is_true_or_false(capsys: pytest.CaptureFixture[str]) -> None:
    assert "'maybe' is neither true nor false" in refused(capsys, "-debug=maybe")


def test_system_and_instructions_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert "not allowed with" in refused(capsys, "--system", "a", "--instructions", "b")


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "soon", ""])
def test_a_timeout_is_a_number_of_seconds_above_0(
    seconds: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert f"{seconds!r} is not a number of seconds above 0" in refused(
        capsys, f"--timeout={seconds}"
    )


@pytest.mark.parametrize("argv", [["--promt", "Hi"], ["--pro", "Hi"], ["Hi"], ["--prompt"]])
def test_what_is_not_known_is_refused(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(capsys, *argv).startswith("usage: chatbots stream")


# Conversations


def test_a_conversation_is_named_or_the_newest(capsys: pytest.CaptureFixture[str]) -> None:
    assert parsed("--session", "ada").session == "ada"
    assert parsed("--continue").newest
    said = refused(capsys, "--continue", "--session", "ada")
    assert "argument --session: not allowed with argument --continue" in said


def test_a_request_id_names_the_turn_of_one_prompt(capsys: pytest.CaptureFixture[str]) -> None:
    assert parsed("--request-id", "r", "--prompt", "Hi", "--session", "ada").request_id == "r"
    assert "--request-id goes with a --prompt" in refused(capsys, "--request-id", "r")
    said = refused(capsys, "--request-id", "r", "--prompt", "Hi", "--continue")
    assert "--request-id goes with --session, not with --continue" in said
    assert "--request-id is empty" in refused(capsys, "--request-id", "", "--prompt", "Hi")


def test_a_program_that_forgets_has_no_conversations(capsys: pytest.CaptureFixture[str]) -> None:
    flags = parse_flags("chatbots nomem", "Ask.", [], remembers=False)
    assert (flags.session, flags.newest, flags.request_id) == (None, False, None)
    with pytest.raises(SystemExit):
        parse_flags("chatbots nomem", "Ask.", ["--session", "ada"], remembers=False)
    assert "unrecognized arguments: --session ada" in capsys.readouterr().err
