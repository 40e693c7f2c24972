from __future__ import annotations

import re
from collections.abc import Callable

import anyio
import msgspec
import pytest

from chatbots.testing.fake_openai import FakeOpenAI
from chatbots.testing.faults.stream import FAULTS
from tests.testing.faults.wire import PIECES, TEXT, Got, ask, framed

Check = Callable[[Got], bool]

TWO = "".join(PIECES[:2])


def good(got: Got) -> bool:
    """Tell whether the answer is whole and says what it should, however it is spelled."""
    *said, done = framed(got.body)
    chunks = [msgspec.json.decode(data) for data in said]
    text = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)
    return got.whole and (text, done) == (TEXT, b"[DONE]")


def spelled(*signs: bytes) -> Check:
    return lambda got: good(got) and all(sign in got.body for sign in signs)


def broken(end: str, *, whole: bool = False) -> Check:
    return lambda got: (
        (got.text, got.reasons, got.end, got.whole) == (TWO, [], end, whole)
        and b"[DONE]" not in got.raw
    )


def ended(reason: str | None, tail: bytes = b"data: [DONE]\n\n") -> Check:
    reasons = [reason] if reason else []
    return lambda got: (
        got.whole and got.text == TEXT and got.reasons == reasons and got.body.endswith(tail)
    )


def with_error(start: bytes) -> Check:
    def check(got: Got) -> bool:
        *before, last = got.chunks
        assert len(before) == 3
        assert b"[DONE]" not in got.body
        return got.whole and last.startswith(start) and b'"type":"server_error"' in last

    return check


def cut_in_characters(got: Got) -> bool:
    """Tell whether no chunk and no read but those at a character's end holds a whole one."""
    cuts = [chunk for chunk in got.chunks if re.search(rb"[\xc3\xe2\xf0]$", chunk)]
    assert any(read.rstrip(b"\r\n")[-1:] in b"\xc3\xe2\xf0" for read in got.reads)
    assert all(chunk.isascii() or not _has_a_character(chunk) for chunk in got.chunks)
    return good(got) and len(cuts) >= 1


def _has_a_character(chunk: bytes) -> bool:
    return not chunk.decode(errors="ignore").isascii()


def crlf_cut(got: Got) -> bool:
    pairs = list(zip(got.chunks[::2], got.chunks[1::2], strict=True))
    return spelled(b"}\r\n\r\n")(got) and all(
        one.endswith(b"\r\n\r") and two == b"\n" for one, two in pairs
    )


def mixed(got: Got) -> bool:
    return good(got) and len(set(re.findall(rb"[\r\n]+", got.body))) > 2


def after_done(got: Got) -> bool:
    before, _, after = got.body.partition(b"data: [DONE]\n\n")
    return got.whole and len(framed(before)) == 6 and b'"content":"This comes' in after


CUT = broken("closed")
WIRE: dict[str, Check] = {
    "midstream-disconnect:2": CUT,
    "midstream-reset:2": broken("reset"),
    "midstream-eof:2": broken("closed", whole=True),
    "midstream-500-text:2": lambda got: (
        got.whole and len(got.chunks) == 4 and got.body.endswith(b"\n\nInternal Server Error\n")
    ),
    "midstream-error:2": with_error(b'data: {"error":{'),
    "midstream-error-event:2": with_error(b'event: error\ndata: {"error":{'),
    "slow-drip:0.02": lambda got: good(got) and len(got.reads) > 3,
    "split-bytes": lambda got: (
        good(got) and all(len(chunk) == 1 for chunk in got.chunks[:-1]) and len(got.chunks) > 900
    ),
    "split-bytes:7": lambda got: good(got) and max(map(len, got.chunks[:-1])) == 7,
    "split-utf8": cut_in_characters,
    "one-packet": lambda got: good(got) and len(got.chunks) == 1,
    "crlf": crlf_cut,
    "cr": lambda got: good(got) and b"\n" not in got.body and b"\r" in got.body,
    "mixed-eol": mixed,
    "comments": spelled(b": one\n\n:\ndata: ", b"\n: two\n\n"),
    "multi-line-data": spelled(b"data: {\ndata:  "),
    "bom": lambda got: good(got) and got.body.startswith(b"\xef\xbb\xbfdata: {"),
    "no-space": lambda got: good(got) and b"data: " not in got.body and b"data:{" in got.body,
    "id-retry-fields": spelled(b"id: 7\nretry: 3000\nevent: message\ndata: "),
    "no-done": ended("stop", b'"finish_reason":"stop"}]}\n\n'),
    "double-done": ended("stop", b"data: [DONE]\n\ndata: [DONE]\n\n"),
    "data-after-done": after_done,
    "finish-missing": ended(None),
    "finish-twice": lambda got: got.whole and got.reasons == ["stop", "stop"],
    "finish-unknown": ended("out_of_ideas"),
    "finish-length": ended("length"),
    "finish-content-filter": ended("content_filter"),
}
NEVER: dict[str, Check] = {
    "midstream-stall:2": broken("open"),
    "keepalive-forever:2": lambda got: (
        got.raw.endswith(b": keep-alive\n\n\r\n") and got.raw.count(b": keep-alive") >= 2
    ),
    "endless": lambda got: got.raw.count(b'"content":" more"') > 100,
}


@pytest.mark.parametrize("fault", WIRE)
async def test_what_goes_over_the_wire_is_what_the_name_says(fault: str) -> None:
    async with FakeOpenAI() as fake:
        got = await ask(fake, fault)
        assert WIRE[fault](got), got


@pytest.mark.parametrize("fault", NEVER)
@pytest.mark.usefixtures("time_flies")
async def test_what_never_ends_holds_the_connection_open(fault: str) -> None:
    async with FakeOpenAI() as fake:
        got = await ask(fake, fault, seconds=10 if fault == "endless" else 0.5, most=2**16)
        assert NEVER[fault](got), got
        with anyio.fail_after(20):
            await fake.wait_for_hangup(fake.calls[0])


BREAKING = [name for name in FAULTS if name.startswith(("midstream", "keepalive", "endless"))]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.usefixtures("time_flies")
async def test_a_whole_answer_breaks_at_its_half_or_is_whole(fault: str) -> None:
    async with FakeOpenAI() as fake:
        seconds = 0.2 if fault in BREAKING else 10
        got = await ask(fake, fault, stream=False, seconds=seconds, most=2**16)
        if fault in BREAKING:
            assert b'"finish_reason":"stop"' not in got.raw
            assert fake.calls[0].sent_chunks == 0 or fault == "endless"
        else:
            assert got.whole
            assert got.json["choices"][0]["message"]["content"] == TEXT
            reason = got.json["choices"][0]["finish_reason"]
            assert reason == "stop" or fault.startswith("finish-")


async def test_a_text_of_ascii_is_cut_beside_the_text() -> None:
    async with FakeOpenAI() as fake:
        fake.answer("Hello.", fault="split-utf8")
        got = await ask(fake, "")
        assert '"obfuscation":"é€😀"'.encode() in got.body
        assert got.text == "Hello."
        assert sum(chunk.endswith(b"\xe2") for chunk in got.chunks) == 3


async def test_the_seed_decides_what_is_left_to_chance() -> None:
    bodies: list[bytes] = []
    for seed in (1, 1, 2):
        async with FakeOpenAI(seed=seed) as fake:
            body = (await ask(fake, "mixed-eol")).body
            bodies.append(re.sub(rb'"created":\d+', b"", body))
    assert bodies[0] == bodies[1] != bodies[2]


def test_every_fault_is_looked_at() -> None:
    assert {name.partition(":")[0] for name in [*WIRE, *NEVER]} == set(FAULTS)
