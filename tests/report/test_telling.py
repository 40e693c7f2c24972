"""What a client's program prints, whatever its client does."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable

import pytest

from report.clients.telling import READY, TOLD, Question, Seen, ancestry, tell

QUESTION = Question("http://127.0.0.1:1/v1", "sk-1", "fault:ok", "Hi")


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(QUESTION._asdict()) + "\n"))


def told(
    capsys: pytest.CaptureFixture[str], ask: Callable[[Question, Seen], None]
) -> tuple[dict[str, object], str]:
    tell(ask)
    printed = capsys.readouterr()
    ready, line = printed.out.splitlines()
    assert ready == READY
    return json.loads(line.removeprefix(TOLD)), printed.err


def test_an_answer_is_told_with_its_finish_reason(capsys: pytest.CaptureFixture[str]) -> None:
    def ask(question: Question, seen: Seen) -> None:
        assert question == QUESTION
        seen.text += "Hi!"
        seen.finish = "stop"

    seen, err = told(capsys, ask)
    assert (seen["text"], seen["finish"], seen["raised"], err) == ("Hi!", "stop", None, "")


def test_an_exception_is_told_with_what_came_before_it(capsys: pytest.CaptureFixture[str]) -> None:
    def ask(_: Question, seen: Seen) -> None:
        seen.text += "Hi"
        raise TimeoutError("Too slow.")

    seen, err = told(capsys, ask)
    kinds = ["TimeoutError", "OSError", "Exception", "BaseException", "object"]
    raised = {"classes": [f"builtins.{kind}" for kind in kinds], "message": "Too slow."}
    assert (seen["text"], seen["raised"]) == ("Hi", raised)
    assert "Traceback" in err


def test_not_even_an_interrupt_goes_untold(capsys: pytest.CaptureFixture[str]) -> None:
    def ask(_: Question, _seen: Seen) -> None:
        raise KeyboardInterrupt

    assert told(capsys, ask)[0]["raised"] is not None


def test_ancestry_names_modules_too() -> None:
    assert ancestry(json.JSONDecodeError("x", "", 0))[:2] == [
        "json.decoder.JSONDecodeError",
        "builtins.ValueError",
    ]
