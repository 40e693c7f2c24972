"""No program ends well on an answer that broke off, was cut, or never came."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Runner
from tests.cli.running import Upstream

BREAKS = [
    "midstream-disconnect:2", "midstream-reset:2", "midstream-eof:2", "midstream-stall:2",
    "finish-missing", "401", "400", "429-quota", "html-200", "redirect",
    "finish-length", "finish-content-filter",
]  # fmt: skip


@pytest.mark.parametrize(
    "program",
    ["stream", *(pytest.param(one, marks=pytest.mark.slow) for one in ("nomem", "memory"))],
)
@pytest.mark.parametrize("fault", BREAKS)
def test_the_exit_status_and_the_last_word_say_so(
    upstream: Upstream,
    run: Runner,
    monkeypatch: pytest.MonkeyPatch,
    program: str,
    fault: str,
) -> None:
    monkeypatch.setenv("OPENAI_MODEL", f"fault:{fault}")
    monkeypatch.setenv("CHATBOTS_TIMEOUT", "0.2")
    plain = run(program, "--prompt", "one two three four")
    assert plain.status == 1
    assert plain.err.startswith("chatbots: ")
    assert "one two three four".startswith(plain.out.strip()) or fault.startswith("finish")

    told = run(program, "--prompt", "one two three four", "--json")
    assert (told.status, told.err) == (1, "")
    end = json.loads(told.out.splitlines()[-1])
    assert end.get("state") in ("failed", "interrupted", "incomplete"), end


@pytest.mark.parametrize("program", ["nomem", "memory", "stream"])
def test_an_answer_that_is_whole_is_a_success(
    upstream: Upstream, run: Runner, program: str
) -> None:
    ran = run(program, "--prompt", "one two three four")
    assert (ran.status, ran.out, ran.err) == (0, "one two three four\n", "")
