"""A turn without a loop of one's own, over real sockets."""

from __future__ import annotations

import pytest

from chatbots.blocking import ask_sync
from chatbots.errors import ChatError, ConfigurationError
from chatbots.settings import Settings
from chatbots.testing.threaded import FakeOpenAIThread


def settings_for(fake: FakeOpenAIThread) -> Settings:
    return Settings(openai_base_url=fake.base_url)


def test_a_plain_program_asks_in_one_call(fake_openai: FakeOpenAIThread) -> None:
    fake_openai.answer("Paris.")
    assert ask_sync("Capital of France?", settings=settings_for(fake_openai)).text == "Paris."
    reply = ask_sync('{"a": 1}', settings=settings_for(fake_openai), output_type=dict[str, int])
    assert reply.output == {"a": 1}


async def test_a_notebooks_cell_asks_while_its_own_loop_runs(fake_openai: FakeOpenAIThread) -> None:
    assert ask_sync("Hi", settings=settings_for(fake_openai), model="m").text == "Hi"
    assert fake_openai.calls[0].json["model"] == "m"


def test_asked_in_one_call_a_failure_raises_as_itself(fake_openai: FakeOpenAIThread) -> None:
    fake_openai.answer(status=401, error="No.")
    with pytest.raises(ChatError) as caught:
        ask_sync("Hi", settings=settings_for(fake_openai))
    assert caught.value.code == "upstream_auth"


def test_asked_in_one_call_nobody_to_ask_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="OPENAI_API_KEY"):
        ask_sync("Hi", settings=Settings())
