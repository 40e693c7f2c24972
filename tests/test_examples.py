"""The examples run."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import anyio
import pytest

from chatbots.testing import FakeOpenAI

ROOT = Path(__file__).parent.parent


@pytest.mark.checklist(188)
async def test_a_bot_of_ones_own_shouts_the_answer_of_another() -> None:
    async with FakeOpenAI() as fake:
        fake.answer("It flows.")
        where = os.environ | {"OPENAI_BASE_URL": fake.base_url, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, str(ROOT / "examples" / "own_bot.py"), "What is a river?"]
        with anyio.fail_after(30):
            done = await anyio.run_process(command, env=where)
        assert done.stdout.decode() == "IT FLOWS.\n"
        said = fake.calls[0].json["messages"]
    assert [message["content"] for message in said] == [
        "Answer in one sentence.",
        "What is a river?",
    ]
