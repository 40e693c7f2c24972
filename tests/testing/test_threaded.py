from __future__ import annotations

import json
import threading

import httpx2
import openai
import pytest
from openai import OpenAI
from websockets.sync.client import connect

from chatbots.testing.threaded import FakeOpenAIThread


def sdk(fake: FakeOpenAIThread) -> OpenAI:
    """Make a client that blocks: the fake answers from its own thread."""
    return OpenAI(base_url=fake.base_url, api_key="sk-any", max_retries=0, timeout=10)


def say(client: OpenAI) -> str | None:
    reply = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}])
    return reply.choices[0].message.content


def test_a_client_that_blocks_is_answered() -> None:
    with FakeOpenAIThread() as fake, sdk(fake) as client:
        fake.answer("Hello.")
        fake.fault("500,ok")
        assert say(client) == "Hello."
        with pytest.raises(openai.InternalServerError):
            say(client)
        assert say(client) == "Hi"
        assert [call.fault for call in fake.calls] == ["", "500", ""]


def test_a_stream_breaks_where_it_was_told_to() -> None:
    with FakeOpenAIThread() as fake, sdk(fake) as client:
        fake.answer("a b c", fault="midstream-reset", after=2)
        stream = client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "Hi"}], stream=True
        )
        seen: list[str | None] = []

        def read() -> None:
            for chunk in stream:
                seen.append(chunk.choices[0].delta.content)  # noqa: PERF401 (kept where it breaks)

        with pytest.raises(openai.APIConnectionError):
            read()
        assert seen == ["", "a", " b"]


def test_a_fact_is_waited_for_but_not_for_ever() -> None:
    with FakeOpenAIThread() as fake:
        with httpx2.Client(trust_env=False) as client:
            client.get(f"{fake.base_url}/models")
        fake.until(lambda: fake.calls[0].finished == 1)
        with pytest.raises(TimeoutError):
            fake.until(lambda: len(fake.calls) == 2, timeout=0.05)


def test_nothing_is_left_of_it() -> None:
    before = {*threading.enumerate()}
    with FakeOpenAIThread(models=["m"], api_key="k") as fake, sdk(fake) as client:
        assert {*threading.enumerate()} - before
        with pytest.raises(openai.AuthenticationError):
            say(client)
        url = fake.base_url
    assert not {*threading.enumerate()} - before
    with pytest.raises(httpx2.ConnectError), httpx2.Client(trust_env=False) as after:
        after.get(url)


def test_a_realtime_client_that_blocks_is_heard_and_answered() -> None:
    with FakeOpenAIThread() as fake:
        fake.hear("Good evening.")
        address = fake.base_url.replace("http://", "ws://") + "/realtime?model=any"
        with connect(address, max_queue=None) as socket:  # nobody reads what queues
            part = {"type": "input_audio", "audio": "AAAA"}
            item = {"type": "message", "role": "user", "content": [part]}
            socket.send(json.dumps({"type": "conversation.item.create", "item": item}))
            socket.send('{"type":"response.create"}')
            fake.until(lambda: bool(fake.talks) and bool(fake.talks[0].of("response.done")))
        (talk,) = fake.talks
        (said,) = talk.of("response.done")[0]["response"]["output"]
        assert said["content"][0]["transcript"] == "Good evening."
