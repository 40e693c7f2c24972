"""The faults of realtime sockets, by name: each begins with an answer, or with a session."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import repeat
from typing import Final

from websockets.frames import Opcode

from chatbots.testing.realtime.spoiling import (
    amid,
    before,
    breaks,
    calling,
    closes,
    deletes,
    done_twice,
    ends,
    errs,
    expires,
    flood,
    ghosts,
    good,
    half,
    huge,
    late,
    limited,
    masked,
    never_done,
    reserved,
    sounding,
    stalls,
    twice,
    unknown,
    wild,
)
from chatbots.testing.realtime.steps import Ping, SocketFault

INTERNAL: Final = "The server had an error while processing your request. Sorry about that!"

OPENING: Final[Mapping[str, SocketFault]] = {
    "hs-401": SocketFault("the handshake gets 401", good),
    "hs-429": SocketFault("the handshake gets 429, and when to come again", good, "seconds", 1),
    "hs-503": SocketFault("the handshake gets 503", good),
    "hs-hang": SocketFault("the handshake gets no answer", good),
    "hs-bad-accept": SocketFault("the handshake is accepted with a wrong key", good),
    "session-expired": SocketFault(
        "an error and close 1001, so long after the session began", good, "seconds", 60),
    "no-pong": SocketFault("pings get no pong", good),
}  # fmt: skip
"""What begins with a session: it strikes the next that is opened."""

CUT: Final = "so many pieces, then the response is"

FAULTS: Final[Mapping[str, SocketFault]] = {
    **OPENING,
    "expired-on-response": SocketFault("an error and close 1001 in place of the answer", expires),
    "close-1000": SocketFault("closed with 1000 in place of the answer", closes(1000)),
    "close-1001": SocketFault("closed with 1001", closes(1001, "Going away")),
    "close-1006": SocketFault("the connection is reset in place of the answer", closes(None)),
    "close-1008": SocketFault("closed with 1008", closes(1008, "Policy violation")),
    "close-1011": SocketFault("closed with 1011", closes(1011, "Internal error")),
    "close-1013": SocketFault("closed with 1013", closes(1013, "Try again later")),
    "close-4000": SocketFault("closed with 4000", closes(4000, "invalid_request_error")),
    "close-midresponse": SocketFault("the connection is reset", breaks, "pieces", 2),
    "error-recoverable": SocketFault("an error before a good answer",
        errs(type="server_error", code="internal_error", message=INTERNAL, event_id=None)),
    "error-unknown": SocketFault("an error of an unknown kind before a good answer",
        errs(type="weather_error", code="hail", message=None, event_id="event_of_nobody", of=9)),
    "out-of-order": SocketFault("events of a response and an item that never were", before(ghosts)),
    "unknown-event": SocketFault("an event of an unknown kind", amid(unknown)),
    "non-object": SocketFault("a list in place of an event", wild(b"[1,2]")),
    "binary-frame": SocketFault("a binary frame", wild(b"\x00\xff", Opcode.BINARY)),
    "huge-event": SocketFault("an unknown event of so many MiB", amid(huge), "MiB", 2),
    "bad-base64": SocketFault("a piece of audio that is no base64", sounding("?not audio?")),
    "odd-audio": SocketFault("a piece of audio that ends within a sample", sounding("AAAA")),
    "invalid-json": SocketFault("half an event", amid(half)),
    "bad-utf8": SocketFault("text that is no UTF-8", wild(b'{"type":"\xff"}')),
    "masked-frame": SocketFault("a frame that is masked, as only a client's are", amid(masked)),
    "rsv-frame": SocketFault("a frame with a reserved bit", amid(reserved)),
    "unsolicited-delete": SocketFault("what the user said last is said to be deleted",
        before(deletes)),
    "rate-limits": SocketFault("no requests and no tokens are left", before(limited)),
    "resp-cancelled": SocketFault(f"{CUT} cancelled, as if the user spoke",
        ends("cancelled", "turn_detected"), "pieces", 2),
    "resp-incomplete": SocketFault(f"{CUT} cut at the length limit",
        ends("incomplete", "max_output_tokens"), "pieces", 2),
    "resp-incomplete-filter": SocketFault(f"{CUT} stopped by the content filter",
        ends("incomplete", "content_filter"), "pieces", 2),
    "resp-failed": SocketFault(f"{CUT} failed",
        ends("failed", type="server_error", code="server_error", message=INTERNAL), "pieces", 0),
    "resp-failed-rate": SocketFault(f"{CUT} failed: too many requests", ends(
        "failed", type="requests", code="rate_limit_exceeded",
        message="Rate limit reached. Please try again in 1s."), "pieces", 0),
    "late-audio": SocketFault("each piece again after the end of the answer", late),
    "dup-event-id": SocketFault("each event twice", twice),
    "dup-done": SocketFault("response.done twice", done_twice),
    "no-done": SocketFault("no response.done", never_done),
    "stall": SocketFault("silence, for ever", stalls, "pieces", 2),
    "ping-flood": SocketFault("so many pings before a good answer",
        before(lambda _, pings: repeat(Ping(), int(pings))), "pings", 1000),
    "event-flood": SocketFault("so many events before a good answer",
        before(flood), "events", 10_000),
    "tool-split": SocketFault("a tool call whose arguments come in so many parts",
        calling(), "parts", 100),
    "tool-invalid-json": SocketFault("a tool call with cut arguments, as if they were whole",
        calling(lambda name, arguments: (name, arguments[: len(arguments) // 2]))),
    "tool-unknown": SocketFault("a call of a tool that was not offered",
        calling(lambda _, arguments: ("no_such_tool", arguments))),
    "tool-loop": SocketFault("a tool call every time, whatever the tools say", calling(loop=True)),
    "tool-bomb": SocketFault("so many tool calls at once", calling(calls=True), "calls", 100),
    "transcription-failed": SocketFault("what the user said could not be written down", good),
}  # fmt: skip
"""By name; those that count pieces strike after so many."""
