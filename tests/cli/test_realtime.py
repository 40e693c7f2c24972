"""`realtime` as a person runs it."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal

from chatbots.model_names import REALTIME_MODEL
from chatbots.realtime.events.event import Dialect
from chatbots.testing.realtime.talk import Talk
from tests.cli.conftest import Runner
from tests.cli.running import (
    CTRL_C,
    CTRL_D,
    ROOT,
    Tiny,
    Upstream,
    ended,
    process,
    run_as_main,
    terminal,
)
from tests.provider.tls import server_with_its_own_certificate
from tests.realtime.talking import MIXED, asked, mixing, playing

TALK = b"My name is Ada.\nWhat is my name?\n"


def said(talk: Talk) -> list[str]:
    """Return the texts that a session was told."""
    items = [event["item"] for event in talk.of("conversation.item.create")]
    return [part["text"] for item in items for part in item.get("content", ())]


# One session, many questions


@pytest.mark.checklist(1, 3, 12)
def test_all_questions_go_over_one_session_with_the_model_of_realtime(
    upstream: Upstream, run: Runner
) -> None:
    upstream.answer("Hello Ada.")
    ran = run("realtime", given=TALK)
    assert ran == (0, "Hello Ada.\nWhat is my name?\n", "")
    [talk] = upstream.talks
    assert said(talk) == ["My name is Ada.", "What is my name?"]
    assert talk.model == REALTIME_MODEL


@pytest.mark.checklist(1)
def test_the_model_is_named_by_a_flag_or_the_environment(
    upstream: Upstream, run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("realtime", "--prompt", "Hi", "--model", "one")
    monkeypatch.setenv("OPENAI_REALTIME_MODEL", "two")
    run("realtime", "--prompt", "Hi")
    assert [talk.model for talk in upstream.talks] == ["one", "two"]


def test_a_model_that_is_gone_is_warned_of(upstream: Upstream, run: Runner) -> None:
    # The address is OpenAI's, and the way there a proxy that is none.
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("OPENAI_BASE_URL")
        patch.setenv("OPENAI_API_KEY", "sk-none")
        patch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
        ran = run("realtime", "--prompt", "Hi", "--model", "gpt-4o-mini-realtime-preview")
    assert ran.status == 1
    assert "OpenAI has shut down gpt-4o-mini-realtime-preview" in ran.err
    assert "The proxy 127.0.0.1 leads to no connection" in ran.err


@pytest.mark.checklist(4, 6, 7, 8)
def test_the_model_multiplies_with_the_tool(upstream: Upstream, run: Runner) -> None:
    upstream.answer(tool_calls=[("multiply", {"a": 123456789, "b": 987654321})])
    upstream.answer("It is that.")
    ran = run("realtime", "--prompt", "How much?")
    assert (ran.status, ran.out) == (0, "It is that.\n")
    assert "< 121932631112635269" in ran.err
    [talk] = upstream.talks
    assert [one["item"].get("output") for one in talk.of("conversation.item.create")] == [
        None,
        "121932631112635269",
    ]
    assert len(talk.of("response.create")) == 2


@pytest.mark.checklist(6, 7, 8)
@pytest.mark.parametrize("dialect", ["ga", "beta"])
def test_what_is_said_around_two_calls_is_shown_with_them(
    run: Runner, monkeypatch: pytest.MonkeyPatch, dialect: Dialect
) -> None:
    monkeypatch.setenv("OPENAI_REALTIME_DIALECT", dialect)
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(playing(mixing(dialect))) as stage,
    ):
        ran = run("realtime", "--prompt", "How much?", "--base-url", stage.address.base_url)
    assert ran == (0, "Let me see: one moment. It is 42.\n", SHOWN)
    assert asked(stage.sockets[0]) == MIXED


SHOWN = """\
> multiply(a=6, b=7)
> multiply(a=6, b=7)
< 42
< 42
"""


@pytest.mark.checklist(9, 10)
def test_instructions_are_read_where_there_are_some(upstream: Upstream, run: Runner) -> None:
    Path("instructions.txt").write_text("\ufeffBe a pirate.\r\n", "utf-8")
    run("realtime", "--prompt", "Hi")
    run("realtime", "--prompt", "Hi", "--system", "Be brief.")
    told = [talk.of("session.update")[0]["session"]["instructions"] for talk in upstream.talks]
    assert told == ["Be a pirate.", "Be brief."]


def test_json_is_pieces_and_done(upstream: Upstream, run: Runner) -> None:
    upstream.answer("Hello there.")
    ran = run("realtime", "--prompt", "Hi", "--json")
    *pieces, done = [json.loads(line) for line in ran.out.splitlines()]
    assert "".join(piece["text"] for piece in pieces) == "Hello there."
    assert (done["type"], done["state"], done["reason"]) == ("done", "completed", "stop")


def test_a_conversation_is_taken_up_by_its_name(upstream: Upstream, run: Runner) -> None:
    upstream.answer("Hello Ada.")
    run("realtime", "--session", "ada", "--prompt", "I am Ada.")
    run("realtime", "--session", "ada", "--prompt", "Who am I?")
    assert said(upstream.talks[1]) == ["I am Ada.", "Hello Ada.", "Who am I?"]


def test_a_server_of_the_beta_dialect_is_spoken_to_in_it(
    upstream: Upstream, run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_REALTIME_DIALECT", "beta")
    monkeypatch.setenv("OPENAI_MAX_TOKENS", "50")
    upstream.answer("Hello.")
    assert run("realtime", "--prompt", "Hi") == (0, "Hello.\n", "")
    [talk] = upstream.talks
    assert talk.dialect == "beta"
    assert talk.of("session.update")[0]["session"]["modalities"] == ["text"]
    assert talk.of("response.create")[0]["response"] == {"max_response_output_tokens": 50}


# Frames


@pytest.mark.checklist(13, 165)
@pytest.mark.parametrize("flag", ["-debug=true", "-debug", "--debug"])
def test_debug_shows_the_frames_with_their_direction_and_no_key(
    upstream: Upstream, run: Runner, monkeypatch: pytest.MonkeyPatch, flag: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "canary-as-no-pattern-knows-it")
    ran = run("realtime", "--prompt", "canary-as-no-pattern-knows-it", flag)
    sent = [line for line in ran.err.splitlines() if line.startswith(">> ")]
    came = [line for line in ran.err.splitlines() if line.startswith("<< ")]
    assert '"type":"response.create"' in sent[-1]
    assert '"type":"session.created"' in came[0]
    assert "canary" not in ran.err
    assert ran.out == "canary-as-no-pattern-knows-it\n"


@pytest.mark.checklist(13)
def test_without_it_no_frame_is_shown(upstream: Upstream, run: Runner) -> None:
    assert run("realtime", "--prompt", "Hi", "-debug=false").err == ""


# Whom to ask


def test_without_a_key_the_model_on_this_machine_is_to_answer_and_that_is_said(
    run: Runner, tiny: Tiny
) -> None:
    ran = run("realtime", "--prompt", "Hi")
    assert ran.status == 1
    first, second = ran.err.splitlines()
    assert first.endswith("needs no session to write: it streams its answers.")
    assert "OPENAI_API_KEY" in second


# What goes wrong


@pytest.mark.checklist(17, 18, 21)
@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ws://127.0.0.1:9/v1/realtime", "No connection to 127.0.0.1:9"),
        ("ws://nobody.invalid/v1/realtime", "The name of nobody.invalid is not known"),
    ],
)
@pytest.mark.slow
def test_who_cannot_be_reached_is_named(
    run: Runner, monkeypatch: pytest.MonkeyPatch, url: str, words: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    monkeypatch.setenv("OPENAI_REALTIME_URL", url)
    ran = run("realtime", "--prompt", "Hi")
    assert (ran.status, ran.out) == (1, "")
    assert words in ran.err


@pytest.mark.checklist(17)
def test_a_certificate_that_nobody_vouches_for_is_named(
    run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(server_with_its_own_certificate()) as port,
    ):
        monkeypatch.setenv("OPENAI_REALTIME_URL", f"wss://127.0.0.1:{port}/v1/realtime")
        ran = run("realtime", "--prompt", "Hi")
    assert (ran.status, ran.out) == (1, "")
    assert "The certificate of 127.0.0.1" in ran.err


@pytest.mark.checklist(18, 21)
@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "refuses the key"),
        (403, "does not allow this key"),
        (404, "has no such model"),
        (429, "asks to slow down"),
    ],
)
def test_a_refusal_is_told_apart_from_others(
    run: Runner, monkeypatch: pytest.MonkeyPatch, peer: str, status: int, words: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "canary-as-no-pattern-knows-it")
    monkeypatch.setenv("OPENAI_REALTIME_URL", f"{peer}/status/{status}/because")
    monkeypatch.setattr("chatbots.realtime.dialling.LONGEST_WAIT", 0)  # it asks for 7 seconds
    ran = run("realtime", "--prompt", "Hi")
    assert (ran.status, ran.out) == (1, "")
    assert words in ran.err
    assert "canary" not in ran.err


@pytest.mark.checklist(17)
def test_a_drop_half_way_is_said_and_the_conversation_goes_on(
    upstream: Upstream, run: Runner
) -> None:
    upstream.answer(["Hello", " Ada", "."], drop_after=2)
    upstream.answer("You are Ada.")
    ran = run("realtime", given=TALK)
    assert ran.status == 1
    assert ran.out == "Hello Ada\nYou are Ada.\n"
    assert "Connecting again." in ran.err
    assert "dropped the connection" in ran.err
    assert said(upstream.talks[1]) == ["My name is Ada.", "Hello Ada", "What is my name?"]


@pytest.mark.checklist(17)
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("close-1011", "failed in the middle of the session"),
        ("expired-on-response", "expire"),
    ],
)
def test_a_session_that_ends_before_the_answer_is_made_anew_and_asked_again(
    upstream: Upstream, run: Runner, fault: str, words: str
) -> None:
    upstream.answer("Hello Ada.")
    upstream.answer("Never said.", fault=fault)
    ran = run("realtime", given=TALK)
    assert (ran.status, ran.out) == (0, "Hello Ada.\nWhat is my name?\n")
    assert words in ran.err
    assert "Connecting again." in ran.err
    assert said(upstream.talks[1]) == ["My name is Ada.", "Hello Ada.", "What is my name?"]


@pytest.mark.checklist(2, 20)
@pytest.mark.parametrize(("sign", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_keeps_what_was_shown_and_the_end_is_quick(
    upstream: Upstream, sign: signal.Signals, status: int
) -> None:
    upstream.begin("Once ", "upon ", "a ")
    with process("-m", "cmd.realtime", "--prompt", "Hi", folder=ROOT) as child:
        assert child.stdout
        assert child.stdout.read(12) == b"Once upon a "
        began = time.monotonic()
        child.send_signal(sign)
        ran = ended(child)
    assert (ran.status, ran.err) == (status, "")
    assert time.monotonic() - began < 15
    upstream.until(lambda: not upstream.talks[0].open)
    assert len(upstream.talks[0].of("response.cancel")) == 1


@pytest.mark.slow
@pytest.mark.checklist(14, 16)
def test_at_a_terminal_ctrl_c_stops_an_answer_and_what_is_typed_meanwhile_is_asked_next(
    upstream: Upstream,
) -> None:
    upstream.begin("Once upon a time")
    upstream.answer("Bye.")
    with terminal("-m", "chatbots", "realtime") as screen:
        screen.wait_for_prompt()
        screen.enter("Tell me a story")
        screen.wait_for("a time")
        screen.press(CTRL_C)
        screen.wait_for_prompt()
        screen.enter("Bye")
        screen.wait_for("Bye.")
        screen.wait_for_prompt()
        screen.press(CTRL_D)
        assert screen.end().status == 0
    assert len(upstream.talks) == 1
    assert said(upstream.talks[0]) == ["Tell me a story", "Bye"]


@pytest.mark.checklist(14, 16)
def test_while_a_person_thinks_without_prompt_toolkit_the_conversation_is_kept_up(
    upstream: Upstream,
) -> None:
    upstream.fault("session-expired:1")
    hidden = "import sys; sys.modules['prompt_toolkit'] = None; from chatbots.cli import main; "
    program = f"{hidden}sys.exit(main.main(['realtime']))"
    with terminal("-c", program, editor="readline") as screen:
        screen.wait_for_prompt()
        screen.enter("Hi")
        screen.wait_for_prompt()
        upstream.until(lambda: len(upstream.talks) == 2 and not upstream.talks[0].open)
        screen.enter("Bye")
        screen.wait_for_prompt()
        screen.press(CTRL_D)
        assert screen.end().status == 0
    assert said(upstream.talks[1]) == ["Hi", "Hi", "Bye"]


def test_it_can_be_run_as_a_module(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_as_main(monkeypatch, "chatbots.cli.realtime", "--version") == 0
    assert capsys.readouterr().out.startswith("chatbots ")
