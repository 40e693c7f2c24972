"""What the chat programs share: settings, logs, secrets, and what they do not import."""

from __future__ import annotations

import gc
import json
import signal
from pathlib import Path
from typing import Any

import pytest

from chatbots.cli.chat import GC_THRESHOLD, load_settings
from chatbots.cli.flags import parse_flags
from chatbots.model_names import DEFAULT_MODEL
from chatbots.settings import Settings
from tests.cli.conftest import Runner
from tests.cli.running import PATIENCE, Ran, Upstream, process, run_process

CANARY = "canary-4711-canary"
"""A key that looks like none, so that only knowing it helps."""

PROGRAMS = ["nomem", "memory", "stream"]
HEAVY = ("openai", "numpy", "pydantic", "anyio", "structlog", "httpx2", "prompt_toolkit", "msgspec")

every_program = pytest.mark.parametrize("program", PROGRAMS)


def settings_of(*argv: str) -> Settings:
    return load_settings(parse_flags("chatbots stream", "Ask.", argv))


# Settings


@pytest.mark.checklist(190)
def test_flags_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_MODEL", "from-the-environment")
    monkeypatch.setenv("CHATBOTS_TIMEOUT", "9")
    monkeypatch.setenv("LOG_LEVEL", "error")
    settings = settings_of("--model", "m", "--base-url", "http://h/v1/", "--timeout", "2", "-v")
    assert (settings.openai_model, settings.openai_base_url) == ("m", "http://h/v1")
    assert (settings.chatbots_timeout, settings.log_level) == (2, "info")
    assert settings_of().openai_model == "from-the-environment"


def test_debug_means_logs_at_debug() -> None:
    assert settings_of("--debug", "-v").log_level == "debug"


def test_nothing_said_means_the_defaults() -> None:
    settings = settings_of()
    assert (settings.openai_model, settings.log_level) == (DEFAULT_MODEL, None)


def test_the_system_message_goes_first(upstream: Upstream, run: Runner) -> None:
    assert run("stream", "--prompt", "Hi", "--system", "Be brief.").status == 0
    assert upstream.said() == [("system", "Be brief."), ("user", "Hi")]


def test_the_system_message_may_be_in_a_file(
    upstream: Upstream, run: Runner, tmp_path: Path
) -> None:
    file = tmp_path / "persona.txt"
    file.write_bytes(b"\xef\xbb\xbfBe brief.\r\nBe kind.\r\n")
    assert run("memory", "--prompt", "Hi", "--instructions", str(file)).status == 0
    assert upstream.said() == [("system", "Be brief.\nBe kind."), ("user", "Hi")]


def test_instructions_txt_is_found_in_the_current_folder(upstream: Upstream, run: Runner) -> None:
    Path("instructions.txt").write_text("Be brief.", "utf-8")
    run("nomem", "--prompt", "Hi")
    run("nomem", "--prompt", "Hi", "--system", "")
    assert upstream.said(1) == [("system", "Be brief."), ("user", "Hi")]
    assert upstream.said(2) == [("user", "Hi")]


@pytest.mark.checklist(11)
def test_a_dotenv_file_is_found_in_the_current_folder(upstream: Upstream, run: Runner) -> None:
    Path(".env").write_text(
        '# mine\nexport OPENAI_API_KEY="from-the-file" # secret\nOPENAI_MODEL=m1\n', "utf-8"
    )
    run("stream", "--prompt", "Hi")
    assert upstream.calls[0].headers["authorization"] == "Bearer from-the-file"
    assert upstream.calls[0].json["model"] == "m1"


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda path: None, "there is no such file"),
        (lambda path: path.mkdir(), "it is a folder"),
        (lambda path: path.write_bytes(b"caf\xe9"), "it is not UTF-8 text (byte 3)"),
    ],
    ids=["missing", "folder", "latin-1"],
)
def test_an_instructions_file_that_cannot_be_used(
    make: Any, why: str, upstream: Upstream, run: Runner, tmp_path: Path
) -> None:
    make(tmp_path / "persona.txt")
    ran = run("stream", "--prompt", "Hi", "--instructions", str(tmp_path / "persona.txt"))
    assert (ran.status, ran.out, ran.err.count("\n")) == (1, "", 1)
    assert "persona.txt" in ran.err
    assert why in ran.err
    assert upstream.connections == 0


# Logs


def logged(ran: Ran) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ran.err.splitlines() if line.startswith("{")]


def test_there_are_no_logs_unless_asked_for(upstream: Upstream, run: Runner) -> None:
    assert run("stream", "--prompt", "Hi").err == ""
    upstream.answer(status=400, error="No.")
    assert run("stream", "--prompt", "Hi").err.count("\n") == 1


@pytest.mark.checklist(186, 187)
@every_program
def test_a_requests_life_is_logged_under_its_id(
    program: str, upstream: Upstream, run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOG_LEVEL", "Debug")
    monkeypatch.setenv("LOG_FORMAT", "json")
    upstream.answer("One two three.")
    upstream.answer(status=400, error="No.")
    ran = run(program, given=b"1\n2\n")
    assert [line for line in ran.err.splitlines() if not line.startswith("{")] == [
        "chatbots: error: The model's server refused the request (status 400): No."
    ]
    lines = [line for line in logged(ran) if "request_id" in line]
    ids = list(dict.fromkeys(line["request_id"] for line in lines))
    assert len(ids) == 2
    ours = ("request.start", "token.flush", "request.end", "request.error")
    for request, events in zip(ids, (ours[:3], (ours[0], ours[3])), strict=True):
        mine = [line["event"] for line in lines if line["request_id"] == request]
        assert [event for event in mine if event in ours] == list(events)


def test_verbose_logs_at_info(upstream: Upstream, run: Runner) -> None:
    events = [line["event"] for line in logged(run("stream", "-v", "--prompt", "Hi"))]
    assert "request.start" in events
    assert "token.flush" not in events


@pytest.mark.parametrize("colors", [True, False])
def test_no_color_is_heeded(
    colors: bool, upstream: Upstream, run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOG_FORMAT", "console")
    monkeypatch.setattr("tests.cli.conftest.sys.stderr.isatty", lambda: True)
    if not colors:
        monkeypatch.setenv("NO_COLOR", "1")
    assert ("\x1b[" in run("stream", "-v", "--prompt", "Hi").err) is colors


# Secrets


@pytest.mark.checklist(196)
@every_program
@pytest.mark.parametrize("flags", [[], ["-v"], ["--debug"], ["--json", "--debug"]])
@pytest.mark.parametrize("form", ["json", "console"])
def test_the_key_is_never_shown(
    program: str,
    flags: list[str],
    form: str,
    upstream: Upstream,
    run: Runner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    monkeypatch.setenv("LOG_FORMAT", form)
    upstream.answer(status=401, error=f"Incorrect API key provided: {CANARY}.")
    ran = run(program, "--prompt", "Hi", *flags)
    assert upstream.calls[0].headers["authorization"] == f"Bearer {CANARY}"
    assert ran.status == 1
    assert "[redacted]" in ran.out + ran.err
    assert CANARY not in ran.out + ran.err
    assert ("Traceback" in ran.err) is ("--debug" in flags and "--json" not in flags)


def test_the_key_is_not_in_the_traceback_of_a_bug(
    run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def choose(settings: Settings) -> Settings:
        raise LookupError(f"a bug with {CANARY}")

    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    monkeypatch.setattr("chatbots.cli.choose.choose_model", choose)
    for flags in ([], ["--debug"]):
        ran = run("stream", "--prompt", "Hi", *flags)
        assert ran.status == 1
        assert "a bug with [redacted]" in ran.err
        assert CANARY not in ran.err


# Starting


@pytest.mark.parametrize(
    "words",
    [["-m", f"cmd.{name}", "--help"] for name in PROGRAMS]
    + [["-m", "chatbots", name, "--help"] for name in (*PROGRAMS, "models")]
    + [["-m", "chatbots", "--help"], ["-m", "chatbots", "stream", "--version"]],
    ids=" ".join,
)
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    root = Path(__file__).parents[2]
    ran = run_process("-X", "importtime", *words, folder=root)
    assert ran.status == 0
    imported = {line.rpartition("|")[2].strip() for line in ran.err.splitlines()}
    assert "argparse" in imported or words == ["-m", "chatbots", "--help"]
    assert not [name for name in imported if name.split(".")[0] in HEAVY]


def test_wrong_usage_is_as_quick() -> None:
    ran = run_process("-X", "importtime", "-m", "chatbots", "stream", "--promt", "Hi")
    assert ran.status == 2
    assert not [line for line in ran.err.splitlines() if "| pydantic" in line]


@pytest.mark.parametrize("module", ["pydantic", "openai"])
def test_ctrl_c_while_it_starts_is_quiet(module: str, upstream: Upstream) -> None:
    command = ("-X", "importtime", "-m", "chatbots", "stream", "--prompt", "Hi")
    with process(*command, bufsize=0) as child:
        assert child.stderr
        for line in child.stderr:
            if line.rpartition(b"|")[2].strip().startswith(module.encode()):
                break
        child.send_signal(signal.SIGINT)
        rest = child.stderr.read().decode()
        assert child.wait(PATIENCE) == 130
    assert [line for line in rest.splitlines() if not line.startswith("import time:")] == []


def test_the_collector_rests_while_a_program_runs(upstream: Upstream, run: Runner) -> None:
    run("stream", "--prompt", "Hi")
    assert gc.get_threshold()[0] == GC_THRESHOLD
    assert gc.get_freeze_count() > 0
