"""`nomem` as a person runs it."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Runner
from tests.cli.running import ROOT, Upstream, run_as_main, run_process

TALK = b"My name is Ada.\nWhat is my name?\n"


@pytest.mark.checklist(177)
def test_the_second_question_cannot_see_the_first(upstream: Upstream, run: Runner) -> None:
    assert run("nomem", given=TALK).status == 0
    assert upstream.said(1) == [("user", "My name is Ada.")]
    assert upstream.said(2) == [("user", "What is my name?")]


def test_the_answer_is_asked_for_whole(upstream: Upstream, run: Runner) -> None:
    run("nomem", "--prompt", "Hi")
    assert not upstream.calls[0].json.get("stream")


METRICS = {"seconds", "first_token", "tokens_per_second", "retries"}


def test_json_is_one_reply_without_a_session(upstream: Upstream, run: Runner) -> None:
    ran = run("nomem", "--prompt", "Hi", "--json")
    reply = json.loads(ran.out)
    assert reply.pop("request_id").startswith("req_")
    assert reply.pop("metrics").keys() == METRICS
    assert reply == {
        "type": "reply",
        "text": "Hi",
        "state": "completed",
        "reason": "stop",
        "usage": {
            "input_tokens": 1,
            "output_tokens": 1,
            "total_tokens": 2,
            "cached_tokens": 0,
            "reasoning_tokens": 0,
            "estimated": False,
        },
        "session": None,
    }


@pytest.mark.slow
def test_from_a_checkout_it_is_a_program_of_its_own(upstream: Upstream) -> None:
    upstream.answer("Paris.")
    ran = run_process("-m", "cmd.nomem", "--prompt", "Capital of France?", folder=ROOT)
    assert ran == (0, "Paris.\n", "")


def test_it_can_be_run_as_a_module(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_as_main(monkeypatch, "chatbots.cli.nomem", "--version") == 0
    assert capsys.readouterr().out.startswith("chatbots ")
