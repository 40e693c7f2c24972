from __future__ import annotations

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
