"""`voice` as a person runs it with no key: this machine hears, thinks and speaks."""

from __future__ import annotations

import random
from collections.abc import Generator
from pathlib import Path

import anyio
import pytest

from chatbots.local.running import stop
from chatbots.places import local_state
from chatbots.realtime.audio import RATE
from chatbots.realtime.wav import WavReader, header
from tests.cli.conftest import Runner
from tests.speech.real import heard, said
from tests.speech.test_helper import FACTS

pytestmark = [pytest.mark.weights, pytest.mark.timeout(300)]


@pytest.fixture(autouse=True)
def no_helper_is_left(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    monkeypatch.setenv("CHATBOTS_LOCAL_IDLE", "60")
    yield
    stop(local_state(), grace=0.2)


def wav(path: Path, *pieces: bytes) -> str:
    pcm = b"".join(pieces)
    path.write_bytes(header(RATE, len(pcm)) + pcm)
    return str(path)


def test_a_spoken_question_is_answered_by_voice(run: Runner, tmp_path: Path) -> None:
    question, fact = random.choice(list(FACTS.items()))  # noqa: S311 - a draw, no secret
    asked = wav(tmp_path / "question.wav", anyio.run(said, question))
    ran = run("voice", "--input", asked, "--output", "answer.wav", "--transcript")
    assert ran.status == 0, (question, ran)
    answer = anyio.run(heard, WavReader().push(Path("answer.wav").read_bytes()))
    assert fact in answer.lower(), (question, ran, answer)
