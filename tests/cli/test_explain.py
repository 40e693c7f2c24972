"""`explain`: what would be sent is what is sent."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.cli.conftest import Runner
from tests.cli.running import ROOT, Upstream, run_as_main

PNG = "https://x.org/y.png"


def explained(run: Runner, *flags: str) -> Any:
    ran = run("explain", "--json", *flags)
    assert (ran.status, ran.err) == (0, "")
    return json.loads(ran.out)


@pytest.mark.parametrize("program", ["memory", "stream"])
@pytest.mark.parametrize(
    ("variables", "left_out"),
    [
        ({}, []),
        ({"CHATBOTS_WINDOW_TURNS": "2"}, [{"first": 1, "last": 2, "why": "older"}]),
        ({"CHATBOTS_CONTEXT_TOKENS": "2340"}, [{"first": 1, "last": 2, "why": "no_room"}]),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
)
def test_what_is_explained_goes_over_the_wire(
    upstream: Upstream,
    run: Runner,
    monkeypatch: pytest.MonkeyPatch,
    program: str,
    variables: dict[str, str],
    left_out: list[object],
) -> None:
    flags = ["--session", "ada", "--system", "Be brief.", "--max-tokens", "100"]
    for number in range(4):
        upstream.answer(f"Answer {number}. " + "All is well. " * 10)
        assert run(program, *flags, "--prompt", f"Question {number}?").status == 0
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    asked = (*flags, "--image", PNG, "--prompt", "Ça va ?")
    told = explained(run, *asked)
    assert len(upstream.calls) == 4, "nobody was asked"
    upstream.answer("Yes.")
    assert run(program, *asked).status == 0
    sent = upstream.calls[-1].json
    assert (told["messages"], told["tools"], told["model"]) == (
        sent["messages"],
        sent["tools"],
        sent["model"],
    )
    assert told["left_out"] == left_out
    assert (told["session"], told["answer"]) == ("ada", 100)
    assert {name for name, tokens in told["tokens"].items() if tokens} == {
        "system",
        "tools",
        "past",
        "prompt",
    }


@pytest.mark.usefixtures("upstream")
def test_a_person_is_told_in_lines(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    for said in ("Hi", "How are you?"):
        run("memory", "--session", "ada", "--prompt", said)
    monkeypatch.setenv("CHATBOTS_WINDOW_TURNS", "1")
    monkeypatch.setenv("CHATBOTS_SUMMARIZE", "1")
    ran = run("explain", "--session", "ada", "--tools", "none", "--prompt", "And\x1b[2J now?")
    assert ran.status == 0
    assert (
        re.sub(r" +[0-9,]+\b", " N", ran.out)
        == """\
About N tokens; gpt-6-luna reads N.
  system N
  tools N
  summary N
  pinned N
  past N
  prompt N
  answer N  at most, kept free
Left out: turn N, older than what the window shows.
First the model would be asked to sum up what is left out for want of room.

user: How are you?
assistant: How are you?
user: And\x1b[2J now?
"""
    )


def test_calls_images_and_what_is_assumed_are_shown(upstream: Upstream, run: Runner) -> None:
    flags = ("--session", "ada", "--model", "mystery", "--tools", "multiply")
    upstream.answer(tool_calls=[("multiply", {"a": 6, "b": 7})])
    upstream.answer("42.")
    assert run("stream", *flags, "--prompt", "6 times 7?").status == 0
    for _ in range(2):
        upstream.answer(status=400)
        assert run("stream", *flags, "--prompt", "Again?").status == 1
    ran = run("explain", *flags, "--image", PNG, "--prompt", "Look")
    assert "mystery reads 128,000, as is assumed." in ran.out
    assert "Left out: turns 2 to 3, nothing came of it." in ran.out
    assert "assistant: [calls multiply({" in ran.out
    assert ran.out.endswith("user: Look [image_url]\n")


def test_without_a_key_it_is_the_local_model_that_would_be_asked(run: Runner) -> None:
    told = explained(run, "--session", "ada", "--prompt", "Hi")
    assert (told["model"], told["context"], told["context_known"]) == ("local", 8192, True)


@pytest.mark.usefixtures("upstream")
def test_a_prompt_that_would_be_refused_is_refused(
    run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHATBOTS_CONTEXT_TOKENS", "300")
    ran = run("explain", "--session", "ada", "--tools", "none", "--prompt", "word " * 999)
    assert (ran.status, ran.out) == (1, "")
    assert "the model reads 300. Shorten it" in ran.err


def test_without_a_prompt_there_is_nothing_to_explain(
    run: Runner, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        run("explain", "--session", "ada")
    assert caught.value.code == 2
    assert "name a --prompt" in capsys.readouterr().err


def test_it_runs_as_a_module(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_as_main(monkeypatch, "chatbots.cli.explain", "--help") == 0
    assert (ROOT / "chatbots/cli/explain.py").is_file()
