from __future__ import annotations

import pytest

from chatbots.deltas import Delta, Done, Failed, Notice, TextDelta
from chatbots.errors import ProviderError
from chatbots.flow.calling import make_prompt
from chatbots.flow.transcript import Collector, Transcript
from chatbots.messages import Metrics, Prompt, TokenLogprob, Usage

PLAIN = make_prompt("Hi")
NUMBER = make_prompt("Hi", output_type=int)


def done(reason: str = "stop") -> Done:
    return Done(
        state="incomplete" if reason == "length" else "completed",
        reason=reason,
        usage=Usage(1, 2, 3),
        request_id="r",
        session="s",
        logprobs=(TokenLogprob("1", -0.5),),
        metrics=Metrics(seconds=1.5),
    )


def told(prompt: Prompt, *deltas: Delta) -> Transcript:
    transcript = Transcript(prompt)
    for delta in deltas:
        transcript.add(delta)
    return transcript


def test_a_transcript_adds_up_what_it_is_told() -> None:
    transcript = told(PLAIN, TextDelta("Hel"), Notice("n", "By the way."), TextDelta("lo"))
    assert transcript.text == "Hello"
    with pytest.raises(RuntimeError, match="has not ended"):
        transcript.reply()
    end = done("length")
    transcript.add(end)
    assert transcript.terminal is end
    reply = transcript.reply()
    assert (reply.text, reply.state, reply.reason) == ("Hello", "incomplete", "length")
    assert (reply.usage, reply.request_id, reply.session) == (end.usage, "r", "s")
    assert (reply.logprobs, reply.metrics, reply.output) == (end.logprobs, end.metrics, None)


def test_a_turn_that_failed_raises_with_what_was_said() -> None:
    error = ProviderError("stream_interrupted", "The connection was lost.")
    failed = Failed(error=error, state="interrupted", request_id="r", session=None)
    transcript = told(NUMBER, TextDelta("1"), failed)
    for _ in range(2):
        with pytest.raises(ProviderError) as caught:
            transcript.reply()
        assert caught.value is error
        assert error.partial == "1"


def test_the_value_asked_for_is_read_once() -> None:
    transcript = told(make_prompt("Hi", output_type=list[int]), TextDelta("[1]"), done())
    assert transcript.reply().output == [1]
    assert transcript.reply() is transcript.reply()


@pytest.mark.parametrize("reason", ["length", "refusal"])
def test_a_cut_answer_and_a_refusal_have_no_value(reason: str) -> None:
    reply = told(NUMBER, TextDelta("12"), done(reason)).reply()
    assert (reply.output, reply.text) == (None, "12")


def test_what_a_service_let_pass_and_does_not_fit_is_no_reply() -> None:
    with pytest.raises(ProviderError, match="'answer': it: Input should be") as caught:
        told(NUMBER, TextDelta('"twelve"'), done()).reply()
    assert (caught.value.code, caught.value.partial) == ("output_invalid", '"twelve"')


async def test_a_collector_is_a_sink() -> None:
    collector = Collector(NUMBER)
    await collector.send(TextDelta("12"))
    await collector.send(done())
    await collector.aclose()
    assert collector.said.text == "12"
    assert collector.transcript.reply().output == 12


def test_a_reader_that_is_behind_has_heard_no_more_than_it_has_read() -> None:
    transcript = Transcript(PLAIN)
    transcript.said.add("Hello")
    transcript.heard += 3
    assert transcript.text == "Hel"
