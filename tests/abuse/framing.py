"""What is wrong with a frame, and with every field of every request."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import anyio

from tests.abuse.house import CHAT, LIVELY, STREAM, House, house
from tests.abuse.raw import BINARY, CONTINUATION, PING, TEXT, Gone, Peer, framed

HI: Final = [{"role": "user", "content": "Hi"}]
CALL: Final = {
    "id": "c1",
    "type": "function",
    "function": {"name": "calculator", "arguments": "{}"},
}
MIB: Final = 1024 * 1024

VALID: Final[dict[str, dict[str, Any]]] = {
    CHAT: {"messages": HI},
    STREAM: {"messages": HI},
    "embedding": {"input": "Hi"},
    "ping": {},
    "tools_list": {},
    "tool_execute": {"tool_call": CALL},
    "cancel": {"request_id": "r9"},
    "sessions_list": {},
    "session_history": {"session_id": "s"},
    "session_delete": {"session_id": "s"},
    "session_fork": {"session_id": "s", "to": "t"},
}
"""A payload of each request that is as it should be."""

OPTIONAL: Final = {
    CHAT: (
        "model", "max_tokens", "max_completion_tokens", "temperature", "top_p", "frequency_penalty",
        "presence_penalty", "stop", "seed", "reasoning_effort", "tools", "tool_choice", "tool_mode",
        "session_id", "on_disconnect", "timeout",
    ),
    STREAM: ("model", "max_tokens", "tools", "session_id", "on_disconnect", "timeout"),
    "embedding": ("model", "dimensions"),
    "sessions_list": ("limit",),
    "session_history": ("last",),
    "session_fork": ("upto",),
}  # fmt: skip
"""Fields beside those."""

HUGE: Final = "x" * 300_000
ODD: Final[tuple[Any, ...]] = (
    None, True, 0, -1, 1.5, 1e308, 2**63, -(2**63), 2**64, 10**400, "", " ", "\x00", "\ud800",
    "../x", "\u202e", HUGE, [], [[]], [None], [1], ["x"] * 5000, {}, {"a": 1}, [{}],
    {"role": "user"},
    [{"role": "god", "content": "x"}], [{"role": "user", "content": None}],
    [{"role": "user", "content": ["x"]}], [{"role": "user", "content": "x" * 300_000}],
    [{"role": "tool", "content": "x"}], [{"type": "function", "function": {"name": "a b"}}],
)  # fmt: skip
"""What a field should not be, most of the time."""

RAW: Final = (
    b"", b" ", b"null", b"1", b'"x"', b"[]", b"{}", b"{", b"nonsense", b"\xef\xbb\xbf{}",
    b'{"type":"ping"}', b'{"request_id":"r1"}', b'{"type":"","request_id":"r1"}',
    b'{"type":"ping","request_id":""}', b'{"type":1,"request_id":"r1"}',
    b'{"type":"ping","request_id":1}', b'{"type":null,"request_id":"r1"}',
    b'{"type":"ping","request_id":"\\u0000"}', b'{"type":"ping","request_id":"\\ud800"}',
    b'{"type":"ping","request_id":"' + b"x" * 5000 + b'"}',
    b'{"type":"no_such_type","request_id":"r1"}', b'{"type":"__class__","request_id":"r1"}',
    b'{"type":"ping","request_id":"r1","payload":' + b"[" * 100_000,
    b'{"type":"ping","request_id":"r1","payload":' + b"[" * 500 + b"]" * 500 + b"}",
    b'{"type":"chat_completion","request_id":"r1","payload":' + b"[" * 200 + b"]" * 200 + b"}",
    b'{"type":"chat_completion","request_id":"r1","payload":{"temperature":NaN,"messages":[]}}',
    b'{"type":"chat_completion","request_id":"r1","payload":{"temperature":1e999,"messages":[]}}',
    b'{"type":"chat_completion","request_id":"r1","payload":[]}',
    b'{"type":"chat_completion","request_id":"r1","payload":"x"}',
    b'{"type":"chat_completion","request_id":"r1"}',
    b'{"type":"embedding","request_id":"r1","payload":{"input":' + b"9" * 5000 + b"}}",
    b'{"type":"ping","request_id":"r1",' + b'"a":1,' * 1000 + b'"b":1',
    b'{"type":"ping","request_id":"r1"}' + b"x" * MIB,
    b'{"type":"ping","request_id":"r1"}' + b"x" * 4 * MIB,
)  # fmt: skip
"""Frames that are no request."""


def _wrong(kind: str, field: str, value: object, said: dict[str, Any]) -> str | None:
    """Return what is wrong with an answer to a field like that."""
    shown = f"{kind}.{field} = {repr(value)[:40]}"
    code = said.get("error_code")
    if "error" not in said:
        return None if said.get("data") is not None else f"{shown}: neither data nor error"
    if code == "internal":
        return f"{shown}: internal"
    if code in ("session_not_found", "model_not_available"):
        return None
    if said["error_category"] == "upstream" or "\\ud800" in json.dumps(value):
        return None  # the model's server has refused it, or the frame is no JSON at all
    words = (field, field.removesuffix("_id"), "prompt")
    named = any(word in json.dumps(said) for word in words) and len(said["error"]) < 2000
    return None if named else f"{shown}: it does not name the field: {said['error'][:100]}"


def _fields() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for kind, payload in VALID.items():
        for field in (*payload, *OPTIONAL.get(kind, ())):
            if field in payload:
                yield kind, field, {k: v for k, v in payload.items() if k != field}
            for value in ODD:
                yield kind, field, payload | {field: value}


async def every_field() -> list[str]:
    """Every field of every request missing, null, of a wrong type, extreme, huge."""
    holes = []
    async with house(**LIVELY) as here, here.client() as peer:
        for number, (kind, field, payload) in enumerate(_fields()):
            try:
                said = await peer.ask(kind, payload, f"r{number}")
            except (Gone, TimeoutError) as error:
                holes.append(f"{kind}.{field} = {repr(payload.get(field))[:40]}: {error!r}")
                return holes
            if hole := _wrong(kind, field, payload.get(field), said):
                holes.append(hole)
    return holes


async def no_requests() -> list[str]:
    """Frames that are no JSON, no object, no request; too deep, too large, of no type."""
    holes = []
    async with house(**LIVELY) as here, here.client() as peer:
        for raw in (*(framed(data) for data in RAW), framed(b'{"type":"ping"}', BINARY)):
            try:
                await peer.send(raw)
                said = await peer.said()
                if not said.get("error_code") or said["error_code"] == "internal":
                    holes.append(f"{raw[:60]!r}: {said}")
                if "pong" not in (await peer.ask("ping"))["type"]:
                    holes.append(f"{raw[:60]!r}: no ping after it")
            except (Gone, TimeoutError) as gone:
                holes.append(f"{raw[:60]!r}: {gone!r}")
                break
    return holes


BROKEN: Final = (
    ("too large in fragments", framed(b"x" * MIB, fin=False)
     + framed(b"x" * MIB, CONTINUATION, fin=False) * 3, {1009}),
    ("a length of 2**63", b"\x81\xff" + b"\xff" * 8 + b"mask", {1002, 1009}),
    ("invalid UTF-8", framed(b'{"type":"\xff"}'), {1007}),
    ("half a character", framed(b'{"a":"\xe2\x82'), {1007}),
    ("a surrogate in UTF-8", framed(b'"\xed\xa0\x80"'), {1007}),
    ("unmasked", framed(b"{}", masked=False), {1002}),
    ("reserved bits", framed(b"{}", rsv=4), {1002}),
    ("a reserved opcode", framed(b"{}", 3), {1002}),
    ("a continuation of nothing", framed(b"{}", CONTINUATION), {1002}),
    ("text within fragments", framed(b"{", fin=False) + framed(b"}"), {1002}),
    ("a ping in fragments", framed(b"x", PING, fin=False), {1002}),
    ("a ping of 126 bytes", framed(b"x" * 126, PING), {1002}),
)  # fmt: skip
"""Frames against RFC 6455, and the codes that the server may close with."""


async def broken_frames() -> list[str]:
    """Frames that break the protocol: the socket is closed by the code for it, no other is hurt."""
    holes = []
    async with house() as here, here.client("eve") as beside:
        for name, data, codes in BROKEN:
            if hole := await _broken(here, name, data, codes):
                holes.append(hole)
        if "error" in await beside.ask("ping"):
            holes.append("the socket beside is hurt")
    return holes


async def _broken(here: House, name: str, data: bytes, codes: set[int]) -> str | None:
    async with here.client() as peer:
        try:
            with anyio.fail_after(10):
                await peer.send(data)
                code = await peer.closed()
        except anyio.BrokenResourceError:
            return None  # it hung up while we were sending
        except TimeoutError:
            return f"{name}: it stays open"
        return None if code in codes | {None} else f"{name}: closed with {code}"


async def fragments_without_end() -> list[str]:
    """A thousand small fragments of one message, pings between them, and then a million."""
    async with house() as here, here.client("eve") as beside, here.client() as peer:
        await peer.send(framed(b"{", TEXT, fin=False))
        try:
            for _ in range(60):
                await peer.send(framed(b" " * 50_000, CONTINUATION, fin=False) + framed(b"", PING))
        except (anyio.BrokenResourceError, anyio.EndOfStream):
            pass
        code = await _closed_soon(peer)
        if "error" in await beside.ask("ping"):
            return ["the socket beside is hurt"]
        return [] if code in (1009, None) else [f"closed with {code}"]


async def _closed_soon(peer: Peer) -> int | str | None:
    try:
        with anyio.fail_after(10):
            return await peer.closed()
    except TimeoutError:
        return "nothing"
