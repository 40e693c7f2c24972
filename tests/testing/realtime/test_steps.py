from __future__ import annotations

import anyio

from chatbots.testing.fake_openai import FakeOpenAI
from tests.testing.realtime.client import TEXT, session


async def test_an_answer_counts_what_it_costs() -> None:
    async with FakeOpenAI() as fake:
        fake.answer("One two three.")
        fake.answer("One two.")
        async with session(fake, told=TEXT | {"output_modalities": ["audio"]}) as client:
            usage = (await client.asks("Four words for you."))[-1]["response"]["usage"]
            assert (usage["input_tokens"], usage["output_tokens"]) == (4, 3)
            assert usage["output_token_details"] == {"text_tokens": 0, "audio_tokens": 3}
            done = (await client.asks(output_modalities=["text"]))[-1]
            assert done["response"]["usage"]["output_token_details"]["text_tokens"] == 2


async def test_an_answer_can_end_otherwise() -> None:
    async with FakeOpenAI() as fake:
        fake.answer("cut", finish_reason="length")
        fake.answer(status=503, error="Sorry.")
        fake.answer(status=500)
        async with session(fake) as client:
            ends = [(await client.asks())[-1]["response"] for _ in range(3)]
            assert [end["status"] for end in ends] == ["incomplete", "failed", "failed"]
            assert ends[0]["status_details"]["reason"] == "max_output_tokens"
            assert ends[1]["status_details"]["error"]["message"] == "Sorry."
            assert "500" in ends[2]["status_details"]["error"]["message"]


async def test_a_fault_leaves_the_rest_of_an_answer_as_it_is_scripted() -> None:
    async with FakeOpenAI() as fake:
        call = ("multiply", {"a": 6})
        fake.answer("a b", delay=0.03, tool_calls=[call], fault="error-recoverable")
        async with session(fake) as client:
            started = anyio.current_time()
            output = (await client.asks())[-1]["response"]["output"]
            assert anyio.current_time() - started > 0.05
            assert output[0]["content"][0]["text"] == "a b"
            assert output[1]["arguments"] == '{"a":6}'
