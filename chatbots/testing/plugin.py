"""The pytest fixture `fake_openai`: a fake OpenAI server for one test, sync or async.

    def test_my_bot_keeps_what_it_has(fake_openai):
        fake_openai.answer("Once upon a time", fault="midstream-reset", after=2)
        my_bot = MyBot(base_url=fake_openai.base_url, api_key="any")
        ...
        assert len(fake_openai.calls) == 1

The plugin comes with the package; `-p no:chatriver` leaves it out, and a fixture of the same name
in a project's own `conftest.py` takes its place.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from chatbots.testing.threaded import FakeOpenAIThread


@pytest.fixture
def fake_openai() -> Iterator[FakeOpenAIThread]:
    """Serve a fake OpenAI API on loopback, with answers and faults by script."""
    # Only a test that uses the fixture pays for the import.
    from chatbots.testing.threaded import FakeOpenAIThread

    with FakeOpenAIThread() as fake:
        yield fake
