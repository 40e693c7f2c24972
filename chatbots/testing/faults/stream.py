"""What goes wrong while an answer streams: how it breaks off, is cut up, is spelled, and ends."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from random import Random
from typing import Final

import msgspec

from chatbots.testing import bodies
from chatbots.testing.bodies import DONE
from chatbots.testing.faults.steps import (
    LINGER,
    End,
    Fault,
    Mark,
    Script,
    Send,
    Step,
    Steps,
    Wait,
    answer,
    end,
    head,
    sends,
    until,
)

GAP: Final = 0.002
"""Seconds between two halves of a character: time for a reader to take the first alone."""
HEARTBEAT: Final = 0.1
ERROR: Final = msgspec.json.encode(
    bodies.error({"message": "The server had an error.", "type": "server_error", "code": None})
)
TWO_ENDS: Final = [
    one + two
    for one, two in itertools.product((b"\n", b"\r", b"\r\n"), repeat=2)
    if one + two != b"\r\n"
]
BOM: Final = b"\xef\xbb\xbf"
FIRST_CONTINUATION: Final = re.compile(rb"(?<=[\xc2-\xf4])[\x80-\xbf]")
MULTIBYTE: Final = "é€😀"


# How it breaks off


def broken(*last: Step) -> Steps:
    """Stop after so many pieces, and take the *last* steps."""

    def steps(script: Script, pieces: float) -> Iterator[Step]:
        yield from until(script, pieces)
        yield from last

    return steps


def keep_alive(script: Script, pieces: float) -> Iterator[Step]:
    """Stop after so many pieces, and send comments for ever; spaces in a whole answer."""
    yield from until(script, pieces)
    while True:
        yield Wait(HEARTBEAT)
        yield Send(b": keep-alive\n\n" if script.stream else b" ")


def endless(script: Script, _: float) -> Iterator[Step]:
    """Never come to an end."""
    yield from until(script, len(script.pieces))
    more = bodies.event(script.sheet.piece(" more")) if script.stream else b" more"
    while True:
        yield Send(more, 1)


def slow_drip(script: Script, seconds: float) -> Iterator[Step]:
    """Answer well, with a pause before each piece."""
    yield head(script)
    for send in sends(script):
        yield Wait(seconds if send.pieces else 0)
        yield send
    yield end(script)


# How it is cut up


def cut_up(script: Script, cut: Callable[[bytes], Iterable[bytes]], gap: float) -> Iterator[Step]:
    """Send what each event is cut into, each part by itself."""
    yield head(script)
    for send in sends(script):
        *parts, last = cut(send.data)
        for part in parts:
            yield Send(part)
            if gap:
                yield Wait(gap)
        yield Send(last, send.pieces)
    yield end(script)


def split_bytes(script: Script, size: float) -> Iterator[Step]:
    """Send so many bytes at a time."""
    step = max(1, int(size))
    return cut_up(
        script, lambda data: [data[n : n + step] for n in range(0, len(data), step)], gap=0
    )


def split_utf8(script: Script, _: float) -> Iterator[Step]:
    """Cut every character of several bytes; where the text has none, a field beside it has."""
    if all(text.isascii() for text in script.pieces):
        script = script._replace(sheet=msgspec.structs.replace(script.sheet, more=MULTIBYTE))

    def cut(data: bytes) -> list[bytes]:
        places = [0, *(found.start() for found in FIRST_CONTINUATION.finditer(data)), None]
        return [data[start:stop] for start, stop in itertools.pairwise(places)]

    return cut_up(script, cut, GAP)


def one_packet(script: Script, _: float) -> Iterator[Step]:
    """Send the whole body in one write."""
    yield head(script)
    body = b"".join(send.data for send in sends(script))
    yield End(body + end(script).data, sum(send.pieces for send in sends(script)))


# How it is spelled


def spelled(
    spell: Callable[[bytes, Random], bytes],
    cut: Callable[[bytes], list[bytes]] = lambda data: [data],
) -> Steps:
    """Write every event of a stream another way that means the same; a whole answer stays."""

    def steps(script: Script, _: float) -> Iterator[Step]:
        if not script.stream:
            yield from answer(script)
            return
        yield head(script)
        for send in [*sends(script), Send(DONE)]:
            *parts, last = cut(spell(send.data, script.chance))
            yield from map(Send, parts)
            yield Send(last, send.pieces)
        yield End()

    return steps


def on_lines(data: bytes, _: Random) -> bytes:
    """Spread the JSON of an event over several lines of data."""
    if data == DONE:
        return data
    lines = msgspec.json.format(data[len(b"data: ") : -2], indent=1).splitlines()
    return b"".join(b"data: " + line + b"\n" for line in lines) + b"\n"


def bom(script: Script, _: float) -> Iterator[Step]:
    """Begin the stream with a byte order mark."""
    yield head(script)
    first, *rest = sends(script)
    yield Send(BOM + first.data if script.stream else first.data, first.pieces)
    yield from rest
    yield end(script)


# How it ends


def reason(value: str | None) -> Steps:
    """Answer with this finish_reason; None leaves it out."""
    return lambda script, _: answer(script._replace(finish_reason=value))


def ended_by(last: Callable[[Script], bytes]) -> Steps:
    """End a stream otherwise than by `[DONE]`."""

    def steps(script: Script, _: float) -> Iterator[Step]:
        yield head(script)
        yield from sends(script)
        yield End(last(script) if script.stream else b"")

    return steps


def after_done(script: Script) -> bytes:
    """Say more text when all was said."""
    return DONE + bodies.event(script.sheet.piece("This comes after the end."))


def finish_twice(script: Script, _: float) -> Iterator[Step]:
    """Say the reason twice."""
    said = script.bodies
    again = 1 + len(script.pieces)
    return answer(script, said[:again] + said[again : again + 1] + said[again:])


ERROR_EVENT: Final = b"data: " + ERROR + b"\n\n"
WAIT_AND_END: Final = (Wait(LINGER), End())

FAULTS: Final[Mapping[str, Fault]] = {
    "midstream-disconnect": Fault("the connection is closed in the middle of the body",
        broken(), "pieces", 3),
    "midstream-reset": Fault("the connection is reset", broken(Mark.RESET), "pieces", 3),
    "midstream-eof": Fault("the body ends properly, the answer does not",
        broken(End()), "pieces", 3),
    "midstream-500-text": Fault("a proxy's words in the stream, then its end",
        broken(Send(b"Internal Server Error\n"), *WAIT_AND_END), "pieces", 3),
    "midstream-stall": Fault("silence, for ever", broken(Wait()), "pieces", 3),
    "keepalive-forever": Fault("comments, for ever", keep_alive, "pieces", 3),
    "midstream-error": Fault("an error object as data",
        broken(Send(ERROR_EVENT), *WAIT_AND_END), "pieces", 3),
    "midstream-error-event": Fault("an event called error",
        broken(Send(b"event: error\n" + ERROR_EVENT), *WAIT_AND_END), "pieces", 3),
    "endless": Fault("more text, for ever", endless),
    "slow-drip": Fault("a good answer with a pause before each piece", slow_drip, "seconds", 0.2),
    "split-bytes": Fault("so many bytes in a write", split_bytes, "bytes", 1),
    "split-utf8": Fault("every character of several bytes cut in two writes", split_utf8),
    "one-packet": Fault("all in one write", one_packet),
    "crlf": Fault("lines end with CRLF, the last LF of each event in a write of its own",
        spelled(lambda data, _: data.replace(b"\n", b"\r\n"), lambda data: [data[:-1], b"\n"])),
    "cr": Fault("lines end with CR", spelled(lambda data, _: data.replace(b"\n", b"\r"))),
    "mixed-eol": Fault("every line may end otherwise",
        spelled(lambda data, chance: data.removesuffix(b"\n\n") + chance.choice(TWO_ENDS))),
    "comments": Fault("comments before and in every event",
        spelled(lambda data, _: b": one\n\n:\n" + data[:-1] + b": two\n\n")),
    "multi-line-data": Fault("the JSON of an event on several lines of data", spelled(on_lines)),
    "bom": Fault("a byte order mark first", bom),
    "no-space": Fault("no space after data:",
        spelled(lambda data, _: data.replace(b"data: ", b"data:", 1))),
    "id-retry-fields": Fault("the fields id, retry and event beside the data",
        spelled(lambda data, _: b"id: 7\nretry: 3000\nevent: message\n" + data)),
    "no-done": Fault("no [DONE]", ended_by(lambda _: b"")),
    "double-done": Fault("[DONE] twice", ended_by(lambda _: DONE + DONE)),
    "data-after-done": Fault("text after [DONE]", ended_by(after_done)),
    "finish-missing": Fault("[DONE] without a finish_reason", reason(None)),
    "finish-twice": Fault("the finish_reason twice", finish_twice),
    "finish-unknown": Fault("a finish_reason nobody knows", reason("out_of_ideas")),
    "finish-length": Fault("cut at the length limit", reason("length")),
    "finish-content-filter": Fault("stopped by the content filter", reason("content_filter")),
}  # fmt: skip
"""By name. Where a whole answer was asked for, what only a stream can have leaves it good."""
