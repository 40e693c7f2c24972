"""What the fake server says to a chat call, when, and how it breaks off."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from random import Random
from typing import Final, TypeAlias

import anyio
import msgspec

from chatbots.testing import bodies
from chatbots.testing.bodies import ChatBodies, Json
from chatbots.testing.faults import names, tools
from chatbots.testing.faults.steps import Script, play
from chatbots.testing.http1 import EVENT_STREAM, JSON, Exchange
from chatbots.testing.requests import ChatRequest

Pieces: TypeAlias = "str | Iterable[str] | AsyncIterable[str]"
"""A text (streamed word by word), the pieces it is streamed in, or pieces a test hands out."""

Rule: TypeAlias = "Callable[[ChatRequest], Answer]"
"""What is answered when no answer is queued."""

WORD: Final = re.compile(r"\s*\S+(?:\s+$)?|\s+")
ERROR_KINDS: Final[Mapping[int, tuple[str, str | None]]] = {
    401: ("invalid_request_error", "invalid_api_key"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
}


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer to one chat call.

    `text` may be an async iterable, such as the receiving end of an anyio memory stream:
    then the test hands out each piece, and closes the stream to end the answer.
    `hold`: nothing is sent, not even headers, before this event is set.
    `delay`: seconds before each piece of a stream; a whole answer waits once.
    `finish_reason`: None ends a stream cleanly after the last piece, without reason or `[DONE]`.
    `status`: another one than 200 sends `error` in place of an answer:
    a message, or the fields of OpenAI's error object.
    `usage`: fields of the usage object that replace the counted ones.
    `refusal`: the text is said in the field `refusal`.
    `tool_calls`: after the text, tools are called, each by name and arguments: JSON text as it is,
    or what becomes it; the finish reason `stop` is then `tool_calls`.
    `drop_after`: the connection is reset after so many pieces,
    in the middle of the body where the answer is whole.
    `fault`: what goes wrong, such as `midstream-reset:20`; docs/fake-server.md lists the names.
    Pieces a test hands out are then collected before anything is sent.
    """

    text: Pieces = ""
    hold: anyio.Event | None = None
    delay: float = 0.0
    finish_reason: str | None = "stop"
    status: int = 200
    error: str | Mapping[str, object] | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    usage: Mapping[str, object] = field(default_factory=dict[str, object])
    refusal: bool = False
    tool_calls: Sequence[tuple[str, object]] = ()
    drop_after: int | None = None
    fault: str | None = None

    def __post_init__(self) -> None:
        if self.fault is not None:
            names.find(self.fault)
            if self.status != 200 or self.drop_after is not None:
                raise ValueError("An answer has a fault=, or a status= or drop_after=, not both.")
        if self.error is not None and self.status == 200:
            raise ValueError("An answer with an error needs a status, such as status=500.")
        if self.status != 200 and self.text != "":
            raise ValueError(f"An answer with status {self.status} has an error=, no text.")


def echo(request: ChatRequest) -> Answer:
    """Answer with what the user said last."""
    return Answer(text=request.last_said)


def failing(answer: Answer, fault: str) -> Answer:
    """Return *answer* with a fault in place of its own."""
    return replace(answer, fault=fault, status=200, error=None, drop_after=None)


async def give(
    answer: Answer, request: ChatRequest, exchange: Exchange, created: int, seed: int = 0
) -> None:
    """Answer *request* as scripted; *seed* draws what a fault leaves to chance."""
    if answer.hold is not None:
        await answer.hold.wait()
    number = exchange.call.number
    headers = {
        "x-request-id": bodies.token_like("req_", number, 32),
        **{name.lower(): value for name, value in answer.headers.items()},
    }
    sheet = ChatBodies(
        id=bodies.token_like("chatcmpl-", number, 29),
        created=created,
        model=request.model,
        said_in="refusal" if answer.refusal else "content",
        include_usage=request.include_usage,
    )
    if answer.fault is not None:
        await spoil(answer, request, exchange, sheet, headers, seed)
    elif answer.status != 200:
        await fail(answer, exchange, headers)
    elif answer.tool_calls:
        await call_tools(answer, request, exchange, sheet, headers, seed)
    elif request.stream:
        await stream(answer, request, exchange, sheet, headers)
    else:
        await say_at_once(answer, request, exchange, sheet, headers)


async def spoil(
    answer: Answer,
    request: ChatRequest,
    exchange: Exchange,
    sheet: ChatBodies,
    headers: Mapping[str, str],
    seed: int,
) -> None:
    """Send the answer with its fault."""
    script = await scripted(answer, request, exchange, sheet, headers, seed)
    fault = answer.fault or names.OK
    exchange.call.fault = "" if fault == names.OK else fault
    await play(names.find(fault).steps(script), exchange, answer.delay)


async def call_tools(
    answer: Answer,
    request: ChatRequest,
    exchange: Exchange,
    sheet: ChatBodies,
    headers: Mapping[str, str],
    seed: int,
) -> None:
    """Send the text, then the calls of tools."""
    script = await scripted(answer, request, exchange, sheet, headers, seed)
    calls: list[tools.Called] = []
    for number, (name, said) in enumerate(answer.tool_calls):
        call_id = bodies.token_like("call_", 100 * exchange.call.number + number, 29)
        arguments = said if isinstance(said, str) else msgspec.json.encode(said).decode()
        calls.append(tools.Called(call_id, name, arguments))
    reason = "tool_calls" if answer.finish_reason in ("stop", None) else answer.finish_reason
    steps = tools.told(script, calls, reason=reason, first="".join(script.pieces))
    await play(steps, exchange, answer.delay)


async def scripted(
    answer: Answer,
    request: ChatRequest,
    exchange: Exchange,
    sheet: ChatBodies,
    headers: Mapping[str, str],
    seed: int,
) -> Script:
    """Return what the steps of an answer are made of."""
    pieces = [piece async for piece in handed_out(answer.text)]
    return Script(
        request=request,
        sheet=sheet,
        pieces=pieces,
        finish_reason=answer.finish_reason,
        usage=count(answer, request, len(pieces)),
        headers=headers,
        host=exchange.call.headers.get("host", ""),
        target=exchange.call.target,
        chance=Random(f"{seed}/{exchange.call.number}"),  # noqa: S311 (no secret)
    )


async def fail(answer: Answer, exchange: Exchange, headers: Mapping[str, str]) -> None:
    """Send an error response."""
    await anyio.sleep(answer.delay)
    kind, code = ERROR_KINDS.get(
        answer.status,
        ("server_error" if answer.status >= 500 else "invalid_request_error", None),
    )
    said = answer.error
    fields: Json = {
        "message": said if isinstance(said, str) else f"The fake server says {answer.status}.",
        "type": kind,
        "param": None,
        "code": code,
        **(said if isinstance(said, Mapping) else {}),
    }
    body = msgspec.json.encode(bodies.error(fields))
    await exchange.respond(answer.status, body, {"content-type": JSON, **headers})


async def say_at_once(
    answer: Answer,
    request: ChatRequest,
    exchange: Exchange,
    sheet: ChatBodies,
    headers: Mapping[str, str],
) -> None:
    """Send a whole answer."""
    pieces = [piece async for piece in handed_out(answer.text)]
    await anyio.sleep(answer.delay)
    whole = sheet.whole("".join(pieces), answer.finish_reason, count(answer, request, len(pieces)))
    body = msgspec.json.encode(whole)
    headers = {"content-type": JSON, **headers}
    if answer.drop_after is None:
        await exchange.respond(200, body, headers)
        exchange.sent_chunk()
    else:
        await exchange.start(200, {**headers, "content-length": str(len(body))})
        await exchange.send(body[: len(body) // 2])
        exchange.reset()


async def stream(
    answer: Answer,
    request: ChatRequest,
    exchange: Exchange,
    sheet: ChatBodies,
    headers: Mapping[str, str],
) -> None:
    """Send an answer piece by piece, as server-sent events."""
    await exchange.start(
        200, {"content-type": EVENT_STREAM, "cache-control": "no-cache", **headers}
    )
    await exchange.send(bodies.event(sheet.opening()))
    if answer.drop_after != 0:
        await send_pieces(answer, exchange, sheet)
    if answer.drop_after is not None:
        exchange.reset()
    elif answer.finish_reason is None:
        await exchange.finish()
    else:
        await exchange.send(bodies.event(sheet.closing(answer.finish_reason)))
        if sheet.include_usage:
            tokens = count(answer, request, exchange.call.sent_chunks)
            await exchange.send(bodies.event(sheet.accounting(tokens)))
        await exchange.finish(bodies.DONE)


async def send_pieces(answer: Answer, exchange: Exchange, sheet: ChatBodies) -> None:
    """Send the text, up to where it is to be dropped."""
    async with aclosing(handed_out(answer.text)) as pieces:
        async for piece in pieces:
            await anyio.sleep(answer.delay)
            await exchange.send(bodies.event(sheet.piece(piece)))
            exchange.sent_chunk()
            if exchange.call.sent_chunks == answer.drop_after:
                return


async def handed_out(text: Pieces) -> AsyncGenerator[str, None]:
    """Yield the pieces of *text*, and close it where it is a stream."""
    if isinstance(text, str):
        text = WORD.findall(text)
    if not isinstance(text, AsyncIterable):
        for piece in text:
            yield piece
        return
    try:
        async for piece in text:
            yield piece
    finally:
        # Whoever still hands out pieces is told that nobody takes them any more.
        close = getattr(text, "aclose", None)
        if close is not None:
            with anyio.CancelScope(shield=True):
                await close()


def count(answer: Answer, request: ChatRequest, pieces: int) -> Json:
    """Count tokens: a word in, or a piece out, is one."""
    asked = sum(len(said.text.split()) for said in request.messages)
    return {**bodies.usage(asked, pieces), **answer.usage}
