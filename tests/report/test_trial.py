"""A client under a fault: a real process, a real server, and a watchdog."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from report import trial
from report.clients.telling import Question
from report.faults import Tried
from report.peers import OPENAI_SDK, OURS, Client
from report.scoring import Habits, Must, Outcome

PYTHON = Path(sys.executable)
STRANGER = Client("stranger", "stranger", "", (), Habits((), ""), "")
OK = Tried("ok", Must.ANSWER)


@pytest.fixture
def stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return how a test writes the stranger's program."""
    place = tmp_path / "report" / "clients" / "stranger.py"
    place.parent.mkdir(parents=True)
    monkeypatch.setattr(trial, "ROOT", tmp_path)

    def write(program: str) -> None:
        place.write_text(program, "utf-8")

    return write


@pytest.mark.slow
async def test_a_broken_answer_is_an_error_to_our_user() -> None:
    tried = await trial.attempt(OURS, Tried("midstream-eof", Must.ERROR), PYTHON)
    assert tried.outcome == Outcome.ERROR.value
    assert tried.error == "chatbots.errors.ProviderError"
    assert tried.requests == 1
    assert not tried.leaked


@pytest.mark.slow
async def test_a_key_that_the_server_repeats_is_seen_to_leak() -> None:
    tried = await trial.attempt(OPENAI_SDK, Tried("401-echo", Must.ERROR), PYTHON)
    assert tried.error == "openai.AuthenticationError"
    assert tried.leaked
    assert "<the key>" in str(tried.message)
    assert trial.KEY not in str(tried)


async def test_who_waits_too_long_hangs(
    stranger: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "WATCHDOG", 0.1)
    stranger("import time\nprint('ready', flush=True)\ntime.sleep(50)\n")
    tried = await trial.attempt(STRANGER, OK, PYTHON)
    assert tried.outcome == Outcome.HANG.value


async def test_who_dies_without_a_word_has_failed_raw(stranger: Callable[[str], None]) -> None:
    stranger("print('ready')\n")
    tried = await trial.attempt(STRANGER, OK, PYTHON)
    assert tried.outcome == Outcome.RAW.value


async def test_a_program_that_does_not_start_is_no_result(stranger: Callable[[str], None]) -> None:
    stranger("import no_such_package\n")
    with pytest.raises(RuntimeError, match=r"stranger did not start(?s:.*)no_such_package"):
        await trial.attempt(STRANGER, OK, PYTHON)


async def test_a_client_sees_nobodys_settings(
    stranger: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-somebodys")
    stranger(
        "import json, os\n"
        "print('ready')\n"
        "print('told', json.dumps({'text': ' '.join(sorted(os.environ))}))\n"
    )
    told, _ = await trial.watched(STRANGER, PYTHON, Question("", "", "", ""))
    assert told is not None
    assert "OPENAI" not in told.text
    assert set(trial.surroundings("")) <= set(told.text.split())
