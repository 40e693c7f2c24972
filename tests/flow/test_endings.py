"""No way of reading an answer ends normally on a turn that failed, whatever failed and when."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

import pytest
from hypothesis import given, strategies as st

from chatbots.blocking import ask_sync
from chatbots.deltas import Delta, Done, Failed, TextDelta
from chatbots.errors import ChatError, error_of
from chatbots.flow.bot import Bot
from chatbots.flow.calling import Stream
from chatbots.flow.pipeline import Pipeline
from chatbots.interfaces import Sink, Source
from chatbots.messages import Prompt, Reply
from chatbots.sessions.in_memory import InMemorySessions
from chatbots.settings import Settings
from chatbots.testing import ScriptedModel
from chatbots.testing.threaded import FakeOpenAIThread
from tests.provider.bots import KINDS, Kind, bot_of, few, talk


class Read(NamedTuple):
    """What a caller saw: the text that was yielded, and a reply or an error."""

    text: str
    end: Reply | Exception


async def asked(bot: Bot, _: int) -> Read:
    try:
        reply = await bot.ask("Hi there, Ada.")
    except (ChatError, RuntimeError) as error:
        return Read(getattr(error, "partial", ""), error)
    return Read(reply.text, reply)


async def piped(bot: Bot, _: int) -> Read:
    """Read as the programs do: through a pipeline, whose consumer sees every end."""
    deltas: list[Delta] = []

    class Reader:
        async def consume(self, source: Source) -> None:
            deltas.extend([delta async for delta in source])

    await Pipeline(bot.service, Reader()).run([bot.prompt("Hi there, Ada.")])
    *body, end = deltas
    assert not any(isinstance(delta, Done | Failed) for delta in body)
    text = "".join(delta.text for delta in body if isinstance(delta, TextDelta))
    if isinstance(end, Failed):
        return Read(text, end.error)
    assert isinstance(end, Done)
    reply = Reply(
        text=text,
        state=end.state,
        reason=end.reason,
        usage=end.usage,
        request_id=end.request_id,
        session=end.session,
    )
    return Read(text, reply)


def streamed(read: Callable[[Stream, list[str], int], Awaitable[None]]) -> Way:
    async def way(bot: Bot, number: int) -> Read:
        pieces: list[str] = []
        async with bot.stream("Hi there, Ada.") as s:
            try:
                await read(s, pieces, number)
            except (ChatError, RuntimeError) as error:
                await fails_again(s, error)
                return Read("".join(pieces), error)
            assert [delta async for delta in s] == []
            assert [text async for text in s.text] == []
            return Read("".join(pieces), s.reply)

    return way


async def fails_again(s: Stream, error: Exception) -> None:
    """Ask for more of a stream that has failed, in every way there is."""

    async def deltas() -> None:
        async for _ in s:
            pass

    async def texts() -> None:
        async for _ in s.text:
            pass

    async def reply() -> object:
        return s.reply

    for again in (deltas, texts, reply, s.__anext__):
        with pytest.raises(type(error)) as raised:
            await again()
        assert raised.value is error or not isinstance(error, ChatError)


async def by_delta(s: Stream, pieces: list[str], _: int) -> None:
    async for delta in s:
        pieces.append(delta.text if isinstance(delta, TextDelta) else "")  # noqa: PERF401 (as below)


async def by_text(s: Stream, pieces: list[str], _: int) -> None:
    async for text in s.text:
        pieces.append(text)  # noqa: PERF401 (what was yielded before a failure counts)


async def by_both(s: Stream, pieces: list[str], number: int) -> None:
    """Read some deltas, then some texts, then deltas to the end."""
    for _ in range(number):
        delta = await anext(s, None)
        if isinstance(delta, TextDelta):
            pieces.append(delta.text)
    async for text in s.text:
        pieces.append(text)
        if len(pieces) > number:
            break
    await by_delta(s, pieces, 0)


Way = Callable[[Bot, int], Awaitable[Read]]
WAYS: list[Way] = [asked, piped, streamed(by_delta), streamed(by_text), streamed(by_both)]

CODES = [code for kind in ChatError.__subclasses__() for code in kind.CODES]
said = st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=5), max_size=5)


@given(
    said, st.sampled_from(CODES), st.sampled_from(KINDS), st.sampled_from(WAYS), st.integers(0, 6)
)
async def test_a_turn_that_failed_raises_its_error_with_what_was_shown(
    pieces: list[str], code: str, kind: Kind, way: Way, number: int
) -> None:
    failure = error_of(code, "It broke.")
    model = ScriptedModel([*pieces, failure])
    shown = "".join(pieces) if kind == "streaming" else ""
    text, end = await way(bot_of(kind, model, InMemorySessions()), number)
    assert end is failure
    assert failure.partial == text == shown


@given(said, st.sampled_from(["stop", "length", "content_filter", "other"]),
       st.sampled_from(KINDS), st.sampled_from(WAYS), st.integers(0, 6))  # fmt: skip
async def test_a_turn_that_ended_says_whether_it_was_cut(
    pieces: list[str], reason: str, kind: Kind, way: Way, number: int
) -> None:
    model = ScriptedModel()
    model.answer(*pieces, reason=reason)
    text, end = await way(bot_of(kind, model, InMemorySessions()), number)
    assert isinstance(end, Reply), end
    assert end.text == text == "".join(pieces)
    state = "incomplete" if reason in ("length", "content_filter") else "completed"
    assert (end.state, end.reason) == (state, reason)


class Silent:
    """A bot that is wrong: it says something, and never how it ended."""

    async def respond(self, prompt: Prompt, out: Sink) -> None:
        await out.send(TextDelta("Once"))


@pytest.mark.parametrize("way", [way for way in WAYS if way is not piped])
async def test_a_bot_that_sends_no_end_is_not_taken_for_done(way: Way) -> None:
    _, end = await way(Bot(Silent()), 0)
    assert isinstance(end, RuntimeError)


# Over real sockets

BREAKS = [
    "reset", "close-empty", "bad-status-line", "400", "401", "403", "404", "413", "422",
    "429-quota", "429-huge", "500", "503-noretry", "empty-body", "html-200", "json-error",
    "json-empty", "json-array", "json-truncated", "short-body", "err-nonjson", "smuggle",
    "redirect",
    "midstream-disconnect:1", "midstream-disconnect:2", "midstream-reset:2", "midstream-eof:2",
    "midstream-stall:2", "keepalive-forever:2", "hang", "headers-only", "finish-missing",
]  # fmt: skip
ONLY_STREAMS = [
    "midstream-error:2", "midstream-error-event:2", "midstream-500-text:2", "invalid-json",
    "invalid-utf8", "non-object", "deep-json",
]  # fmt: skip


@few
@given(st.data(), st.sampled_from(KINDS), st.sampled_from(WAYS), st.integers(0, 3))
async def test_an_answer_that_breaks_off_raises_over_a_socket(
    data: st.DataObject, kind: Kind, way: Way, number: int
) -> None:
    faults = BREAKS + (ONLY_STREAMS if kind == "streaming" else [])
    async with talk(patience=0.05) as on:
        fault = data.draw(st.sampled_from(faults))
        for _ in range(3):
            on.fake.fault(fault)
        service = on.bot(kind).service
        text, end = await way(Bot(service, session="s", timeout=0.5), number)
    assert isinstance(end, ChatError), end
    assert "Hi there, Ada.".startswith(text)
    assert end.partial == text


@pytest.mark.parametrize("fault", ["midstream-eof:2", "midstream-reset:2", "finish-missing", "401"])
def test_a_program_without_a_loop_is_told_as_well(fault: str) -> None:
    with FakeOpenAIThread() as fake:
        settings = Settings(openai_base_url=fake.base_url, openai_model=f"fault:{fault}")
        with pytest.raises(ChatError):
            ask_sync("Hi there, Ada.", settings=settings)
