"""What a streamed answer does with what the network read, whoever reads it in turn."""

from __future__ import annotations

import anyio
import pytest
from anyio.abc import ObjectSendStream

from chatbots.deltas import Delta, ReasoningDelta, TextDelta
from chatbots.errors import ProviderError
from chatbots.flow.channel import open_channel
from chatbots.provider.answer import decode
from chatbots.provider.sse import MAX_EVENT
from chatbots.provider.streamed import StreamedAnswer, refusal
from chatbots.testing import CollectingSink

DONE = b"data: [DONE]\n\n"


def said(text: str) -> bytes:
    return b'data: {"choices":[{"delta":{"content":"%s"}}]}\n\n' % text.encode()


class Immediate(ObjectSendStream[Delta]):
    """Takes what it has room for at once."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.taken: list[str] = []
        self.waited: list[str] = []

    def send_nowait(self, item: Delta) -> None:
        if len(self.taken) == self.room:
            raise anyio.WouldBlock
        assert isinstance(item, TextDelta)
        self.taken.append(item.text)

    async def send(self, item: Delta) -> None:
        assert isinstance(item, TextDelta)
        self.waited.append(item.text)

    async def aclose(self) -> None:
        pass


async def test_a_read_of_many_events_is_handed_on_once_and_at_once() -> None:
    out = Immediate(room=2)
    answer = StreamedAnswer(out)
    assert not answer.take(said("Hel") + said("lo"))
    assert not answer.take(said(" there"))
    assert out.taken == ["Hello", " there"]
    assert answer.shown
    await answer.settle()


async def test_what_a_reader_has_no_room_for_waits_in_order() -> None:
    out = Immediate(room=1)
    answer = StreamedAnswer(out)
    assert not answer.take(said("a"))
    assert answer.take(said("b"))
    out.room = 9
    assert answer.take(said("c")), "nothing overtakes"
    await answer.settle()
    assert (out.taken, out.waited) == (["a"], ["b", "c"])
    assert not answer.take(said("d"))
    assert out.taken == ["a", "d"]


async def test_a_reader_that_always_waits_is_waited_for() -> None:
    out = CollectingSink()
    answer = StreamedAnswer(out)
    assert answer.take(said("Hello"))
    assert out.deltas == []
    await answer.settle()
    assert out.deltas == [TextDelta("Hello")]


async def test_the_time_a_slow_reader_takes_is_not_counted_as_silence() -> None:
    answer = StreamedAnswer(CollectingSink())
    assert answer.take(said("Hello"))
    answer.heard_at = 0.0
    await answer.settle()
    assert answer.heard_at > 0.0


@pytest.mark.parametrize("chunk", [b": still here\n\n", b'data: {"choices":[]}\n\n', b"data: {"])
def test_what_is_no_content_does_not_count_as_heard(chunk: bytes) -> None:
    answer = StreamedAnswer(CollectingSink())
    answer.heard_at = 0.0
    assert not answer.take(chunk)
    assert (answer.heard_at, answer.shown) == (0.0, False)


async def test_nothing_is_read_after_the_end() -> None:
    out = Immediate(room=9)
    answer = StreamedAnswer(out)
    assert answer.take(said("Hello") + DONE + said("more"))
    assert answer.ended
    assert out.taken == ["Hello"]
    await answer.settle()


@pytest.mark.parametrize(
    ("event", "shown", "code"),
    [
        (b"data: {nope\n\n", "", "upstream_bad_response"),
        (b"data: {nope\n\n", "Hi", "stream_interrupted"),
        (b"data: \xff\xfe\n\n", "Hi", "stream_interrupted"),
        (b"data: [1]\n\n", "Hi", "stream_interrupted"),
        (b"data: " + b"x" * MAX_EVENT, "Hi", "upstream_bad_response"),
        (b'data: {"error":{"message":"no","code":"server_error"}}\n\n', "Hi", "upstream_error"),
    ],
)
async def test_a_broken_event_ends_it_after_the_text_before(
    event: bytes, shown: str, code: str
) -> None:
    out = Immediate(room=9)
    answer = StreamedAnswer(out)
    if shown:
        assert not answer.take(said(shown))
    assert answer.take(event)
    with pytest.raises(ProviderError) as failed:
        await answer.settle()
    assert failed.value.code == code
    assert out.taken == ([shown] if shown else [])


async def test_text_that_its_way_out_keeps_is_not_kept_again() -> None:
    out, _source = open_channel()
    answer = StreamedAnswer(out)
    for chunk in (said("Hel"), said("lo"), b'data: {"choices":[{"finish_reason":"stop"}]}\n\n'):
        answer.take(chunk)
    assert not answer.answer.own
    assert answer.result().text is out.said.text
    assert out.said.text == "Hello"


async def test_the_text_before_a_broken_event_in_the_same_read_is_shown() -> None:
    out = Immediate(room=9)
    answer = StreamedAnswer(out)
    assert answer.take(said("Hi") + b"data: {nope\n\n" + said("never"))
    with pytest.raises(ProviderError, match="broke off"):
        await answer.settle()
    assert out.taken == ["Hi"]


async def test_what_the_model_thinks_is_told_in_its_place() -> None:
    out = CollectingSink()
    answer = StreamedAnswer(out)
    thought = b'data: {"choices":[{"delta":{"reasoning_content":"Hm."}}]}\n\n'
    assert answer.take(said("Hi") + thought + said("lo"))
    await answer.settle()
    assert out.deltas == [TextDelta("Hi"), ReasoningDelta("Hm."), TextDelta("lo")]


def test_pieces_of_a_tool_call_count_as_heard_but_show_nothing() -> None:
    answer = StreamedAnswer(CollectingSink())
    answer.heard_at = 0.0
    call = b'{"index":0,"id":"c","function":{"name":"f","arguments":"{"}}'
    assert not answer.take(b'data: {"choices":[{"delta":{"tool_calls":[%s]}}]}\n\n' % call)
    assert answer.heard_at > 0.0
    assert not answer.shown


WHOLE = b'{"choices":[{"message":{"content":"Hi"},"finish_reason":%s}]}'


async def test_a_whole_answer_is_shown_once_it_is_known_to_be_whole() -> None:
    out = CollectingSink()
    answer = StreamedAnswer(out)
    answer.take_whole(WHOLE % b'"stop"')
    await answer.settle()
    assert out.deltas == [TextDelta("Hi")]


@pytest.mark.parametrize("data", [WHOLE % b"null", b"nope"])
async def test_a_whole_answer_that_is_none_shows_nothing(data: bytes) -> None:
    out = CollectingSink()
    answer = StreamedAnswer(out)
    answer.take_whole(data)
    with pytest.raises(ProviderError) as failed:
        await answer.settle()
    assert (failed.value.code, out.deltas) == ("upstream_bad_response", [])


@pytest.mark.parametrize(
    ("events", "code"),
    [
        (b"", "upstream_bad_response"),
        (DONE, "upstream_bad_response"),
        (said("Hel"), "stream_interrupted"),
        (b'data: {"choices":[{"finish_reason":"stop"}]}\n\n', "upstream_bad_response"),
    ],
)
def test_what_is_no_whole_answer_has_no_result(events: bytes, code: str) -> None:
    answer = StreamedAnswer(Immediate(9))
    answer.take(events)
    with pytest.raises(ProviderError) as failed:
        answer.result()
    assert failed.value.code == code


@pytest.mark.parametrize(
    ("choice", "text"),
    [
        (b'{"delta":{"content":"Hi"},"finish_reason":"stop"}', "Hi"),
        (b'{"delta":{"refusal":"No"},"finish_reason":"stop"}', "No"),
        (b'{"delta":{},"finish_reason":"length"}', ""),
        (b'{"delta":{"tool_calls":[{"function":{"name":"f"}}]},"finish_reason":"tool_calls"}', ""),
    ],
)
def test_a_whole_answer_may_be_a_text_a_call_or_cut(choice: bytes, text: str) -> None:
    answer = StreamedAnswer(Immediate(9))
    answer.take(b'data: {"choices":[%s]}\n\n' % choice)
    assert answer.result().text == text


async def test_a_reader_that_left_is_told_to_the_task_that_reads() -> None:
    out, source = open_channel()
    source.close()
    answer = StreamedAnswer(out)
    assert answer.take(said("Hello"))
    with pytest.raises(anyio.BrokenResourceError):
        await answer.settle()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ('{"message":"no","code":"insufficient_quota"}', "quota_exhausted"),
        ('{"message":"no","type":"context_length_exceeded"}', "context_too_long"),
        ('"no"', "upstream_error"),
    ],
)
def test_an_error_in_place_of_an_answer_is_the_one_it_names(error: str, code: str) -> None:
    assert refusal(decode(b'{"error":%s}' % error.encode())).code == code


async def test_an_error_in_place_of_an_answer_does_not_tell_the_secret() -> None:
    answer = StreamedAnswer(CollectingSink(), secret="canary0123")
    answer.take(b'data: {"error":{"message":"no such key: canary0123"}}\n\n')
    with pytest.raises(ProviderError, match=r"no such key: \[redacted\]"):
        await answer.settle()
