from __future__ import annotations

import time
import zlib
from collections.abc import Callable
from email.utils import parsedate_to_datetime

import anyio
import h11
import msgspec
import pytest

from chatbots.testing.fake_openai import FakeOpenAI
from chatbots.testing.faults.before import FAULTS, SMUGGLED
from tests.testing.faults.wire import TEXT, Got, ask

Check = Callable[[Got], bool]


def error(status: int, code: str | None = None, **headers: str) -> Check:
    def check(got: Got) -> bool:
        assert got.status == status
        assert got.headers["content-type"] == "application/json"
        assert got.json["error"]["code"] == code
        return (
            got.whole
            and {name.replace("-", "_") for name in got.headers} >= set(headers)
            and (
                all(got.headers[name.replace("_", "-")] == value for name, value in headers.items())
            )
        )

    return check


def page(status: int) -> Check:
    return lambda got: (
        got.status == status
        and got.headers["content-type"].startswith("text/html")
        and got.body.startswith(b"<!DOCTYPE html>")
    )


def ok_with(body: bytes) -> Check:
    return lambda got: (
        (got.status, got.body, got.headers["content-type"]) == (200, body, "application/json")
    )


def dated(got: Got) -> bool:
    ahead = parsedate_to_datetime(got.headers["retry-after"]).timestamp() - time.time()
    return got.status == 429 and 7 < ahead <= 10 and got.headers["retry-after"].endswith(" GMT")


def no_time(got: Got) -> bool:
    return error(429, "rate_limit_exceeded")(got) and "retry-after" not in got.headers


def deep(got: Got) -> bool:
    with pytest.raises(RecursionError):
        msgspec.json.decode(got.body)
    return got.status == 500 and got.body.count(b"[") == 100_000 == got.body.count(b"]")


def smuggled(got: Got) -> bool:
    first, _, rest = got.raw.partition(b"\r\n\r\n0\r\n\r\n")
    assert b"\r\ncontent-length: 5\r\n" in first
    assert first.endswith(b"\r\ntransfer-encoding: chunked")
    protocol = h11.Connection(h11.CLIENT)
    protocol.send(h11.Request(method="GET", target="/", headers=[("host", "x")]))
    protocol.send(h11.EndOfMessage())
    protocol.receive_data(rest)
    assert isinstance(protocol.next_event(), h11.Response)
    second = protocol.next_event()
    assert isinstance(second, h11.Data)
    return SMUGGLED in bytes(second.data) and rest.startswith(b"HTTP/1.1 200 OK\r\n")


def bomb(got: Got) -> bool:
    assert got.headers["content-encoding"] == "gzip"
    plain = zlib.decompress(got.body, zlib.MAX_WBITS | 16)
    assert len(plain) > 8 * 2**20 > 100 * len(got.body)
    return plain.lstrip().startswith(b"data: {") and plain.endswith(b"data: [DONE]\n\n")


def redirected(got: Got) -> bool:
    return got.status == 307 and got.headers["location"].startswith("http://localhost:")


def short(got: Got) -> bool:
    promised, sent = int(got.headers["content-length"]), len(got.raw.partition(b"\r\n\r\n")[2])
    return got.end == "closed" and 0 < sent < promised


def truncated(got: Got) -> bool:
    with pytest.raises(msgspec.DecodeError):
        _ = got.json
    return got.status == 200 and got.whole and got.body.startswith(b"{")


LIMIT = "rate_limit_exceeded"
WIRE: dict[str, Check] = {
    "reset": lambda got: (got.raw, got.end) == (b"", "reset"),
    "close-empty": lambda got: (got.raw, got.end) == (b"", "closed"),
    "bad-status-line": lambda got: got.raw == b"HTTP/1.1 OK two hundred\r\n\r\n",
    "400": error(400),
    "400-context": error(400, "context_length_exceeded"),
    "401": error(401, "invalid_api_key"),
    "403": error(403, "unsupported_country_region_territory"),
    "404": error(404, "model_not_found"),
    "408": error(408),
    "409": error(409, "conflict"),
    "413": error(413),
    "422": error(422),
    "429": no_time,
    "429-s:7": error(429, LIMIT, retry_after="7"),
    "429-ms:1200": error(429, LIMIT, retry_after_ms="1200", retry_after="2"),
    "429-date:9": dated,
    "429-bad": error(429, LIMIT, retry_after="soon"),
    "429-neg": error(429, LIMIT, retry_after="-1"),
    "429-huge": error(429, LIMIT, retry_after="3600"),
    "429-quota": error(429, "insufficient_quota"),
    "500": error(500),
    "502": page(502),
    "503": error(503),
    "503-noretry": error(503, x_should_retry="false"),
    "529": error(529),
    "empty-body": lambda got: got.status == 200 and got.whole and got.body == b"",
    "html-200": page(200),
    "json-error": lambda got: got.status == 200 and got.json["error"]["type"] == "server_error",
    "json-empty": ok_with(b"{}"),
    "json-array": ok_with(b"[]"),
    "json-null": ok_with(b"null"),
    "json-string": ok_with(b'"Hello."'),
    "json-truncated": truncated,
    "json-unstreamed": lambda got: (
        got.headers["content-type"] == "application/json"
        and got.json["choices"][0]["message"]["content"] == TEXT
    ),
    "short-body": short,
    "err-nonjson": lambda got: got.status == 500 and got.body == b"Oops.",
    "err-deep": deep,
    "huge-header:100": lambda got: len(got.headers["x-huge"]) == 102_400 and got.text == TEXT,
    "gzip-bomb:8": bomb,
    "redirect": redirected,
    "redirect-loop:308": lambda got: (
        (got.status, got.headers["location"]) == (308, "/v1/chat/completions")
    ),
    "slow-first-byte:0.05": lambda got: got.text == TEXT,
}
NEVER: dict[str, Check] = {
    "hang": lambda got: got.raw == b"",
    "headers-only": lambda got: got.raw.endswith(b"\r\n\r\n") and not got.whole,
    "slow-headers:0.01": lambda got: (
        got.raw.startswith(b"HTTP/1.1 200 OK\r\nx-s")
        and b"\r\n\r\n" not in got.raw
        and len(got.reads) > 5
    ),
    "smuggle": smuggled,
}


@pytest.mark.parametrize("fault", WIRE)
async def test_what_goes_over_the_wire_is_what_the_name_says(fault: str) -> None:
    async with FakeOpenAI() as fake:
        got = await ask(fake, fault)
        assert got.end != "open"
        assert WIRE[fault](got), got


@pytest.mark.parametrize("fault", NEVER)
@pytest.mark.usefixtures("time_flies")
async def test_what_never_ends_holds_the_connection_open(fault: str) -> None:
    async with FakeOpenAI() as fake:
        got = await ask(fake, fault, seconds=0.5)
        assert got.end == "open"
        assert NEVER[fault](got), got
        with anyio.fail_after(20):
            await fake.wait_for_hangup(fake.calls[0])


@pytest.mark.parametrize("fault", ["gzip-bomb:1", "huge-header:1", "short-body", "smuggle"])
@pytest.mark.usefixtures("time_flies")
async def test_a_whole_answer_fails_in_the_same_way(fault: str) -> None:
    async with FakeOpenAI() as fake:
        got = await ask(fake, fault, stream=False, seconds=0.5)
        assert b"content-type: application/json\r\n" in got.raw


async def test_a_whole_answer_may_come_as_a_stream() -> None:
    async with FakeOpenAI() as fake:
        assert (await ask(fake, "json-unstreamed", stream=False)).text == TEXT


async def test_a_good_answer_comes_late() -> None:
    async with FakeOpenAI() as fake:
        started = time.monotonic()
        await ask(fake, "slow-first-byte:0.2")
        assert time.monotonic() - started >= 0.2


def test_every_fault_is_looked_at() -> None:
    assert {name.partition(":")[0] for name in [*WIRE, *NEVER]} == set(FAULTS)
