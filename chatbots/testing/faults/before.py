"""What goes wrong before a word of the answer is there."""

from __future__ import annotations

import itertools
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from email.utils import formatdate
from types import MappingProxyType
from typing import Final

import msgspec

from chatbots.testing import bodies
from chatbots.testing.bodies import DONE
from chatbots.testing.faults.steps import (
    End,
    Fault,
    Mark,
    Raw,
    Script,
    Send,
    Step,
    Steps,
    Wait,
    answer,
    end,
    head,
    sends,
)
from chatbots.testing.http1 import EVENT_STREAM, JSON, Headers

AS_ASKED: Final[Headers] = MappingProxyType({})
AS_JSON: Final = {"content-type": JSON}
AS_HTML: Final = {"content-type": "text/html; charset=utf-8"}
PAGE: Final = b"<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head></html>\n"
MIB: Final = 1024 * 1024
DEPTH: Final = 100_000
SMUGGLED: Final = b"This answer was smuggled in."


def whole(script: Script, status: int, body: bytes, more: Headers = AS_ASKED) -> Iterator[Step]:
    """Yield a response with its length."""
    yield head(script, {"content-length": str(len(body)), **more}, status)
    yield End(body)


def says(status: int, body: bytes, more: Headers = AS_ASKED) -> Steps:
    """Respond with these bytes."""
    return lambda script, _: whole(script, status, body, more)


def refuses(
    status: int,
    message: str,
    kind: str = "invalid_request_error",
    code: str | None = None,
    *,
    param: str | None = None,
    headers: Callable[[float], Mapping[str, str]] = lambda _: {},
) -> Steps:
    """Respond with OpenAI's error object; *headers* are made from the fault's number."""
    fields = {"message": message, "type": kind, "param": param, "code": code}
    body = msgspec.json.encode(bodies.error(fields))
    return lambda script, number: whole(script, status, body, {**AS_JSON, **headers(number)})


def limited(
    headers: Callable[[float], Mapping[str, str]] = lambda _: {}, code: str = "rate_limit_exceeded"
) -> Steps:
    """Respond with 429."""
    if code == "insufficient_quota":
        return refuses(429, "You exceeded your current quota.", code, code, headers=headers)
    return refuses(429, "Rate limit reached.", "requests", code, headers=headers)


def quiet(*steps: Step) -> Steps:
    """Take these steps, whatever was asked."""
    return lambda _script, _number: steps


def headers_only(script: Script, _: float) -> Iterator[Step]:
    """Send the head, then nothing."""
    yield head(script)
    yield Wait()


def slow_headers(_: Script, seconds: float) -> Iterator[Step]:
    """Send a head that never ends, a byte at a time."""
    yield Raw(b"HTTP/1.1 200 OK\r\n")
    for byte in itertools.cycle(b"x-slow: still coming\r\n"):
        yield Wait(seconds)
        yield Raw(bytes([byte]))


def slow_first_byte(script: Script, seconds: float) -> Iterator[Step]:
    """Answer well, late."""
    yield Wait(seconds)
    yield from answer(script)


def json_unstreamed(script: Script, _: float) -> Iterator[Step]:
    """Answer in the other form than was asked for: whole for a stream, a stream for a whole."""
    other = script._replace(
        request=msgspec.structs.replace(script.request, stream=not script.stream)
    )
    return answer(other)


def json_truncated(script: Script, _: float) -> Iterator[Step]:
    """Say half of a whole answer, with the right length of that half."""
    other = script._replace(request=msgspec.structs.replace(script.request, stream=False))
    return whole(script, 200, sends(other)[0].data, AS_JSON)


def short_body(script: Script, _: float) -> Iterator[Step]:
    """Promise more bytes than are sent."""
    body = b"".join(send.data for send in sends(script))
    yield head(script, {"content-length": str(len(body))})
    yield Send(body[: len(body) // 2])


def huge_header(script: Script, kib: float) -> Iterator[Step]:
    """Send a header of so many KiB before a good answer."""
    yield head(script, {"x-huge": "x" * int(kib * 1024)})
    yield from sends(script)
    yield end(script)


def gzip_bomb(script: Script, mib: float) -> Iterator[Step]:
    """Send a good answer behind spaces that are small only while they are packed."""
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    yield head(script, {"content-encoding": "gzip"})
    for _ in range(int(mib)):
        yield Send(packer.compress(b" " * MIB) or packer.flush(zlib.Z_SYNC_FLUSH))
    good = b"".join(send.data for send in sends(script))
    line_end, done = (b"\n", DONE) if script.stream else (b"", b"")
    yield End(packer.compress(line_end + good + done) + packer.flush())


def smuggle(script: Script, _: float) -> Iterator[Step]:
    """Send two lengths, and a second response where a client may take it for its next answer."""
    body = script.sheet.whole(SMUGGLED.decode(), "stop", bodies.usage(1, 1))
    data = msgspec.json.encode(body)
    kind = EVENT_STREAM if script.stream else JSON
    first = (
        f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\n"
        "content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"
    )
    second = f"HTTP/1.1 200 OK\r\ncontent-type: {JSON}\r\ncontent-length: {len(data)}\r\n\r\n"
    yield Raw(first.encode() + second.encode() + data)
    yield Wait()


def redirect(script: Script, status: float) -> Iterator[Step]:
    """Point to another origin: the same server by another name."""
    port = script.host.rpartition(":")[2]
    place = f"http://localhost:{port}/v1/elsewhere"
    return whole(script, int(status), b"", {"location": place})


def redirect_loop(script: Script, status: float) -> Iterator[Step]:
    """Point to where the request was sent."""
    return whole(script, int(status), b"", {"location": script.target})


DEEP: Final = b'{"error":' + b"[" * DEPTH + b"]" * DEPTH + b"}"
CONTEXT: Final = (
    "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 "
    "tokens. Please reduce the length of the messages."
)
ERROR_IN_200: Final = msgspec.json.encode(
    bodies.error({"message": "The server had an error.", "type": "server_error", "code": None})
)

NO_HTTP: Final = b"HTTP/1.1 OK two hundred\r\n\r\n"
FAULTS: Final[Mapping[str, Fault]] = {
    "reset": Fault("the connection is reset before a byte", quiet(Mark.RESET)),
    "close-empty": Fault("the connection is closed before a byte", quiet()),
    "bad-status-line": Fault("what comes is no HTTP", quiet(Raw(NO_HTTP))),
    "400": Fault("400", refuses(400, "Invalid value for 'temperature'.", param="temperature")),
    "400-context": Fault("400, the conversation is too long",
        refuses(400, CONTEXT, code="context_length_exceeded", param="messages")),
    "401": Fault("401, wrong key", refuses(401, "Incorrect API key.", code="invalid_api_key")),
    "403": Fault("403", refuses(403, "Country, region, or territory not supported.",
        code="unsupported_country_region_territory")),
    "404": Fault("404, no such model",
        refuses(404, "The model does not exist.", code="model_not_found")),
    "408": Fault("408", refuses(408, "Request timed out.", "timeout")),
    "409": Fault("409", refuses(409, "The resource is locked.", code="conflict")),
    "413": Fault("413", refuses(413, "Request too large.")),
    "422": Fault("422", refuses(422, "Unprocessable entity.", param="messages")),
    "429": Fault("429 that names no time", limited()),
    "429-s": Fault("429 with Retry-After in seconds",
        limited(lambda s: {"retry-after": f"{s:g}"}), "seconds", 1),
    "429-ms": Fault("429 with retry-after-ms, and Retry-After rounded up",
        limited(lambda ms: {"retry-after-ms": f"{ms:g}", "retry-after": f"{-(-ms // 1000):g}"}),
        "milliseconds", 200),
    "429-date": Fault("429 with Retry-After as a date so far ahead",
        limited(lambda s: {"retry-after": formatdate(time.time() + s, usegmt=True)}),
        "seconds", 2),
    "429-bad": Fault("429 with a Retry-After that is no time",
        limited(lambda _: {"retry-after": "soon"})),
    "429-neg": Fault("429 with a negative Retry-After", limited(lambda _: {"retry-after": "-1"})),
    "429-huge": Fault("429 with a very long Retry-After",
        limited(lambda s: {"retry-after": f"{s:g}"}), "seconds", 3600),
    "429-quota": Fault("429, no credit is left", limited(code="insufficient_quota")),
    "500": Fault("500", refuses(500, "The server had an error.", "server_error")),
    "502": Fault("502 with a proxy's HTML page", says(502, PAGE, AS_HTML)),
    "503": Fault("503", refuses(503, "The engine is overloaded.", "server_error")),
    "503-noretry": Fault("503 with x-should-retry: false", refuses(503, "Do not come back.",
        "server_error", headers=lambda _: {"x-should-retry": "false"})),
    "529": Fault("529", refuses(529, "Overloaded.", "overloaded_error")),
    "hang": Fault("nothing, ever", quiet(Wait())),
    "headers-only": Fault("the head, then nothing", headers_only),
    "slow-headers": Fault("a head that never ends, a byte at a time", slow_headers, "seconds", 0.2),
    "slow-first-byte": Fault("silence, then a good answer", slow_first_byte, "seconds", 60),
    "empty-body": Fault("200 without a body", says(200, b"")),
    "html-200": Fault("200 with an HTML page", says(200, PAGE, AS_HTML)),
    "json-error": Fault("200 with an error object", says(200, ERROR_IN_200, AS_JSON)),
    "json-empty": Fault("200 with {}", says(200, b"{}", AS_JSON)),
    "json-array": Fault("200 with []", says(200, b"[]", AS_JSON)),
    "json-null": Fault("200 with null", says(200, b"null", AS_JSON)),
    "json-string": Fault("200 with a string", says(200, b'"Hello."', AS_JSON)),
    "json-truncated": Fault("200 with half of a JSON answer, of that length", json_truncated),
    "json-unstreamed": Fault("a whole answer to a stream's request, or the reverse",
        json_unstreamed),
    "short-body": Fault("fewer bytes than Content-Length says", short_body),
    "err-nonjson": Fault("500 with plain text that is called JSON", says(500, b"Oops.", AS_JSON)),
    "err-deep": Fault(f"500 with JSON {DEPTH:,} levels deep", says(500, DEEP, AS_JSON)),
    "huge-header": Fault("a good answer with one huge header", huge_header, "KiB", 1024),
    "gzip-bomb": Fault("a good answer behind packed spaces", gzip_bomb, "MiB", 256),
    "smuggle": Fault("Content-Length and Transfer-Encoding, and a second response behind",
        smuggle),
    "redirect": Fault("a redirect to another origin", redirect, "status", 307),
    "redirect-loop": Fault("a redirect to the same place", redirect_loop, "status", 307),
}  # fmt: skip
"""By name; one line each for `--fault list` and docs/fake-server.md."""
