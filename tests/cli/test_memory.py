"""`memory` as a person runs it."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Runner
from tests.cli.running import ROOT, Upstream, run_as_main, run_process

TALK = b"My name is Ada.\nWhat is my name?\n"


@pytest.mark.checklist(178)
def test_the_second_question_carries_the_first_and_its_answer(
    upstream: Upstream, run: Runner
) -> None:
    upstream.answer("Hello Ada.")
    assert run("memory", given=TALK).status == 0
    assert upstream.said(2) == [
        ("user", "My name is Ada."),
        ("assistant", "Hello Ada."),
        ("user", "What is my name?"),
    ]


@pytest.mark.checklist(178)
def test_a_failed_turn_does_not_poison_the_next(upstream: Upstream, run: Runner) -> None:
    upstream.answer(status=400, error="No.")
    assert run("memory", given=TALK).status == 1
    said = upstream.said(2)
    assert said[-1] == ("user", "What is my name?")
    assert ("assistant", "") not in said


def test_the_answer_is_asked_for_whole(upstream: Upstream, run: Runner) -> None:
    run("memory", "--prompt", "Hi")
    assert not upstream.calls[0].json.get("stream")


def test_json_is_a_reply_a_line_in_one_session(upstream: Upstream, run: Runner) -> None:
    replies = [json.loads(line) for line in run("memory", "--json", given=TALK).out.splitlines()]
    assert [list(reply) for reply in replies] == 2 * [
        ["type", "text", "state", "reason", "usage", "request_id", "session", "metrics"]
    ]
    assert [reply["text"] for reply in replies] == TALK.decode().splitlines()
    assert replies[0]["session"].startswith("session_")
    assert replies[0]["session"] == replies[1]["session"]
    assert replies[0]["request_id"] != replies[1]["request_id"]


def test_json_of_a_failed_turn_has_no_line_beside_it(upstream: Upstream, run: Runner) -> None:
    upstream.answer(status=400, error="No.")
    ran = run("memory", "--json", given=TALK)
    assert (ran.status, ran.err) == (1, "")
    failed, reply = (json.loads(line) for line in ran.out.splitlines())
    assert (failed["type"], reply["type"]) == ("failed", "reply")


@pytest.mark.slow
def test_from_a_checkout_it_is_a_program_of_its_own(upstream: Upstream) -> None:
    ran = run_process("-m", "cmd.memory", given=TALK, folder=ROOT)
    assert ran == (0, TALK.decode(), "")
    assert len(upstream.said(2)) == 3


def test_it_can_be_run_as_a_module(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_as_main(monkeypatch, "chatbots.cli.memory", "--version") == 0
    assert capsys.readouterr().out.startswith("chatbots ")
