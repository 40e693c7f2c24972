"""`stream` as a person runs it."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Runner
from tests.cli.running import ROOT, Upstream, ended, process, run_as_main, run_process

TALK = b"My name is Ada.\nWhat is my name?\n"


def test_the_second_question_carries_the_first_and_its_answer(
    upstream: Upstream, run: Runner
) -> None:
    upstream.answer("Hello Ada.")
    assert run("stream", given=TALK).status == 0
    assert upstream.said(2) == [
        ("user", "My name is Ada."),
        ("assistant", "Hello Ada."),
        ("user", "What is my name?"),
    ]


@pytest.mark.checklist(179)
def test_an_answer_that_broke_off_is_what_the_next_turn_knows(
    upstream: Upstream, run: Runner
) -> None:
    upstream.answer(["Hello", " Ada", " Lovelace"], drop_after=2)
    assert run("stream", given=TALK).status == 1
    assert upstream.said(2)[1] == ("assistant", "Hello Ada")


@pytest.mark.checklist(179)
def test_the_answer_is_shown_while_it_forms(upstream: Upstream) -> None:
    upstream.begin("Once ", "upon ", "a ")
    with process("-m", "chatbots", "stream", "--prompt", "Hi") as child:
        assert child.stdout
        assert child.stdout.read(12) == b"Once upon a "
        assert child.poll() is None


def test_json_is_pieces_and_done(upstream: Upstream, run: Runner) -> None:
    upstream.answer("Hello there.")
    lines = [json.loads(line) for line in run("stream", "--prompt", "a", "--json").out.splitlines()]
    *pieces, done = lines
    assert {tuple(piece) for piece in pieces} == {("type", "text")}
    assert {piece["type"] for piece in pieces} == {"text"}
    assert "".join(piece["text"] for piece in pieces) == "Hello there."
    assert done.pop("request_id").startswith("req_")
    assert done.pop("session").startswith("session_")
    assert done.pop("metrics")["first_token"] > 0
    assert done == {
        "type": "done",
        "state": "completed",
        "reason": "stop",
        "usage": {
            "input_tokens": 1,
            "output_tokens": 2,
            "total_tokens": 3,
            "cached_tokens": 0,
            "reasoning_tokens": 0,
            "estimated": False,
        },
    }


def test_json_of_a_cut_answer_says_so_in_the_object_alone(upstream: Upstream, run: Runner) -> None:
    upstream.answer("Once", finish_reason="length")
    ran = run("stream", "--prompt", "Hi", "--json")
    assert (ran.status, ran.err) == (1, "")
    done = json.loads(ran.out.splitlines()[-1])
    assert (done["state"], done["reason"]) == ("incomplete", "length")


def test_json_of_a_failure_says_what_and_when_to_ask_again(upstream: Upstream, run: Runner) -> None:
    upstream.answer(status=429, error="Slow down.", headers={"retry-after": "120"})
    ran = run("stream", "--prompt", "Hi", "--json")
    assert (ran.status, ran.err) == (1, "")
    told = json.loads(ran.out)
    assert told.pop("request_id")
    assert told.pop("session")
    assert told == {
        "type": "failed",
        "state": "failed",
        "error": {
            "code": "rate_limited",
            "message": "The model's server asks to slow down (status 429): Slow down. "
            "Ask again in 120 seconds.",
            "retryable": True,
            "retry_after": 120.0,
        },
    }


def test_from_a_checkout_it_is_a_program_of_its_own(upstream: Upstream) -> None:
    upstream.answer("Hello there.")
    with process("-m", "cmd.stream", "--prompt", "Hi", folder=ROOT) as child:
        assert ended(child) == (0, "Hello there.\n", "")


def test_the_console_script_is_the_same_program(upstream: Upstream) -> None:
    ran = run_process("-m", "chatbots", "stream", given=TALK)
    assert ran == (0, TALK.decode(), "")
    assert upstream.connections == 1


def test_it_can_be_run_as_a_module(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_as_main(monkeypatch, "chatbots.cli.stream", "--version") == 0
    assert capsys.readouterr().out.startswith("chatbots ")
