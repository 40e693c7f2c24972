"""Every fault of a realtime socket, through a session: what comes of it, and of the turn after it.

The session is not told of the fault: it asks for a turn, runs the tool if one is called, and asks
for another turn.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext, suppress
from typing import Final, NamedTuple
from unittest import mock

import anyio
from msgspec.structs import replace

from chatbots.deltas import Notice, TextDelta
from chatbots.errors import ChatError, InvalidRequest, ProviderError
from chatbots.realtime.address import Address
from chatbots.realtime.asking import Response, Told
from chatbots.realtime.audience import Stream
from chatbots.realtime.events.client import ConversationItemCreate
from chatbots.realtime.events.items import user_text
from chatbots.realtime.events.responses import ResponseAudioDelta
from chatbots.realtime.events.session import Session, Tool
from chatbots.realtime.outcomes import Called
from chatbots.realtime.patience import Patience
from chatbots.realtime.session import RealtimeSession
from chatbots.realtime.transport import Limits
from chatbots.realtime.websockets_transport import WebSocketsConn, WebSocketsDialer
from chatbots.testing.fake_openai import FakeOpenAI

KEY: Final = "sk-canary-realtime-0123456789"
TEXT: Final = "One two three four five six."
HALF: Final = "One two three"
AGAIN: Final = "And again?"
"""What is said in the second turn, and comes back."""
TURN: Final = 3.0
"""Seconds that a turn may take, with all deadlines and tries in it."""
MULTIPLY: Final = {
    "type": "object",
    "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
}
IDLE: Final = {"session-expired:0.1": 0.2, "no-pong": 0.6}
"""Seconds that nothing is said, for what happens then."""
LIMITS: Final = Limits(open=0.5, close=0.2, message=1024 * 1024)
PINGING: Final = replace(LIMITS, ping_every=0.2, pong=0.2)
PATIENCE: Final = Patience(
    first_event=0.5, first_delta=0.8, gap=0.3, response=2.0, close=0.5, backoff=0.01, longest=0.05
)


DEADLINE: Final = 2 * TURN + 2.0
"""Seconds that both turns may take on a busy machine."""


class Turn(NamedTuple):
    """How a turn ended: the state of its response or of its error, the code, and the text."""

    state: str
    code: str = ""
    text: str = TEXT


class Seen(NamedTuple):
    """What came of a fault."""

    first: Turn
    second: Turn
    sockets: int
    notices: tuple[str, ...]
    seconds: float
    leaks: int = 0
    raw: str = ""


class Expected(NamedTuple):
    """What must come of a fault; the second turn is good unless it says otherwise."""

    first: Turn = Turn("completed")
    sockets: int = 1
    notices: tuple[str, ...] = ()
    second: Turn = Turn("completed", "", AGAIN)


BACK: Final = ("reconnecting", "reconnected")
GOOD: Final = Expected()
MOVED: Final = Expected(sockets=2, notices=BACK)
"""The connection is lost before the answer begins: it comes over the next."""
LATE: Final = Expected(sockets=2)
"""No session at first, and then one."""


def over(state: str, code: str) -> Expected:
    """No session, or none any more."""
    return Expected(Turn(state, code, ""), second=Turn(state, code, ""))


def torn(code: str, text: str = HALF) -> Expected:
    """The answer breaks off, and what was said of it stands; the session goes on in another."""
    return MOVED._replace(first=Turn("failed", code, text))


def cut(state: str, code: str, text: str = HALF) -> Expected:
    """The server ends the answer; the session is as it was."""
    return Expected(Turn(state, code, text))


SENSELESS: Final = torn("upstream_bad_response", "One")

EXPECTED: Final[Mapping[str, Expected]] = {
    "hs-401": over("refused", "upstream_auth"),
    "hs-429": LATE, "hs-503": LATE, "hs-hang": LATE, "hs-bad-accept": LATE,
    "session-expired:0.1": MOVED._replace(notices=("session_renewed",)),
    "no-pong": MOVED, "expired-on-response": MOVED,
    "close-1000": MOVED, "close-1001": MOVED, "close-1006": MOVED, "close-1011": MOVED,
    "close-1013": MOVED, "close-4000": MOVED,
    "close-1008": over("failed", "invalid_request"),
    "close-midresponse:3": torn("stream_interrupted"),
    "error-recoverable": GOOD, "error-unknown": GOOD,
    "out-of-order": GOOD, "unknown-event": GOOD, "non-object": GOOD, "binary-frame": GOOD,
    "bad-base64": GOOD, "odd-audio": GOOD, "unsolicited-delete": GOOD, "rate-limits": GOOD,
    "huge-event": SENSELESS, "invalid-json": SENSELESS, "bad-utf8": SENSELESS,
    "masked-frame": SENSELESS, "rsv-frame": SENSELESS,
    "resp-cancelled:3": cut("cancelled", "turn_detected"),
    "resp-incomplete:3": cut("incomplete", "max_output_tokens"),
    "resp-incomplete-filter:3": cut("incomplete", "content_filter"),
    "resp-failed:3": cut("failed", "upstream_error"),
    "resp-failed-rate": Expected(notices=("queued",)),
    "late-audio": GOOD, "dup-event-id": GOOD, "dup-done": GOOD,
    "no-done": torn("stream_stalled", TEXT),
    "stall:3": torn("stream_stalled"), "stall:0": MOVED,
    "ping-flood:200": GOOD, "event-flood:1000": GOOD,
    "tool-split": GOOD, "tool-invalid-json": GOOD, "tool-unknown": GOOD, "tool-loop": GOOD,
    "tool-bomb": GOOD, "transcription-failed": GOOD,
}  # fmt: skip
"""By the fault as it is written."""


async def seen(fault: str) -> Seen:
    """Try a fault."""
    begun = time.monotonic()
    first = second = Turn("none", "", "")
    notices: list[Notice] = []
    raw, said = "", ""
    async with FakeOpenAI(seed=7) as fake:
        fake.fault(f"{fault},ok,ok,ok,ok,ok,ok,ok,ok,ok")
        try:
            async with opened(fake, fault) as (session, told):
                await anyio.sleep(IDLE.get(fault, 0.0))
                first = await turn(session, TEXT)
                second = await turn(session, AGAIN)
                notices = [one async for one in so_far(told)]
        except ChatError as error:
            first = second = Turn("refused", error.code, "")
            said = f"{error} {error!r}"
        except TimeoutError:
            begun -= DEADLINE
        except Exception as error:
            raw = f"{type(error).__name__}: {error}"
        sockets = len(fake.calls)
    leaks = f"{said} {notices} {first} {second} {raw}".count(KEY)
    codes = tuple(one.code for one in notices)
    return Seen(first, second, sockets, codes, time.monotonic() - begun, leaks, raw)


@asynccontextmanager
async def opened(
    fake: FakeOpenAI, fault: str
) -> AsyncIterator[tuple[RealtimeSession, Stream[Told]]]:
    """Open a session."""
    sounds = fault.partition(":")[0] in ("bad-base64", "odd-audio", "late-audio")
    config = Session(
        output_modalities=("audio",) if sounds else ("text",),
        tools=(Tool(name="multiply", parameters=MULTIPLY),),
    )
    address = Address(key=KEY, base_url=fake.base_url)
    async with RealtimeSession(
        WebSocketsDialer(PINGING if fault == "no-pong" else LIMITS),
        address,
        config=config,
        model="any",
        patience=PATIENCE,
    ) as session:
        yield session, session.outcomes()


async def so_far(told: Stream[Told]) -> AsyncIterator[Notice]:
    """Yield the notices that were told by now."""
    with anyio.move_on_after(0.01), suppress(ChatError):
        async for one in told:
            if isinstance(one, Notice):
                yield one


async def turn(session: RealtimeSession, said: str) -> Turn:
    """Say something, and read the response and those to the calls in it."""
    text = ""
    try:
        with anyio.fail_after(TURN):
            await session.send(ConversationItemCreate(user_text(said)))
            response: Response | None = await session.respond()
            while response is not None:
                following: Response | None = None
                async for one in response:
                    match one:
                        case TextDelta(piece):
                            text += piece
                        case ResponseAudioDelta() as sound:
                            with suppress(ProviderError):  # as who plays it does
                                len(sound.audio)
                        case Called(call):
                            following = await session.output(call.id, "42") or following
                        case _:
                            pass
                ended, response = await response.ended(), following
        return Turn(ended.state, ended.reason or "", text)
    except ChatError as error:
        return Turn("failed", error.code, text or error.partial)


class Break(NamedTuple):
    """A guard to be switched off: what it is for, how, and what notices that it is off."""

    about: str
    off: Callable[[], AbstractContextManager[object]]
    faults: tuple[str, ...]


def raw_errors() -> AbstractContextManager[object]:
    """Let through what the library raises."""
    return mock.patch.object(WebSocketsConn, "_ended", lambda _, error: error)


def never_again() -> AbstractContextManager[object]:
    """Open no second connection."""
    return mock.patch(f"{__name__}.PATIENCE", replace(PATIENCE, tries=0, first_tries=1))


def each_counts() -> AbstractContextManager[object]:
    """Take in an event as often as it comes."""
    return mock.patch("chatbots.realtime.recently.Recently.seen", return_value=False)


def all_patience() -> AbstractContextManager[object]:
    """Wait for a response as long as it takes."""
    return mock.patch("chatbots.realtime.patience.Overdue.error", return_value=None)


def no_replay() -> AbstractContextManager[object]:
    """Tell another session nothing of what was said."""
    return mock.patch("chatbots.realtime.conversation.Conversation.replay", return_value=[])


def any_end() -> AbstractContextManager[object]:
    """Take the policy of a server for a mishap."""
    codes = {**InvalidRequest.CODES, "invalid_request": ProviderError.CODES["upstream_error"]}
    return mock.patch.object(InvalidRequest, "CODES", codes)


BREAKS: Final[Mapping[str, Break]] = {
    "error-map": Break("foreign exceptions pass", raw_errors,
        ("close-1006", "close-midresponse:3")),
    "reconnect": Break("what is lost is lost", never_again, ("close-1001", "hs-503")),
    "event-ids": Break("an event that comes twice counts twice", each_counts, ("dup-event-id",)),
    "deadlines": Break("no deadline for a response", all_patience, ("stall:3", "no-done")),
    "replay": Break("what was said is not told again", no_replay, ("close-1001",)),
    "policy": Break("1008 is tried again", any_end, ("close-1008",)),
}  # fmt: skip
"""By the name that `--break` takes."""


def differences(expected: Expected, found: Seen) -> Iterator[str]:
    """Yield where what was seen is not as it must be."""
    for name in ("first", "sockets", "notices", "second"):
        if (was := getattr(found, name)) != (must := getattr(expected, name)):
            yield f"{name}: {was}, not {must}"


def table(faults: Sequence[str], guard: str | None = None) -> bool:
    """Print what comes of each fault, or of those that show a *guard* which is switched off."""
    switch = BREAKS.get(guard or "")
    chosen = faults or (switch.faults if switch else tuple(EXPECTED))
    wrong = dict.fromkeys(("other ends", "raw exceptions", "past the deadline", "leaks"), 0)
    for fault in chosen:
        expected = EXPECTED[fault]
        with switch.off() if switch else nullcontext():
            found = anyio.run(seen, fault)
        if not switch and any(differences(expected, found)):  # the machine may have stood still
            found = anyio.run(seen, fault)
        other = list(differences(expected, found))
        wrong["other ends"] += bool(other)
        wrong["raw exceptions"] += bool(found.raw)
        wrong["past the deadline"] += found.seconds > DEADLINE
        wrong["leaks"] += found.leaks
        first = f"{found.first.state} {found.first.code}".strip()
        print(f"{fault:24} {first:30} {found.sockets} {found.seconds:5.2f} s", *other, found.raw)
    totals = ", ".join(f"{name} {count}" for name, count in wrong.items())
    print(f"realtime faults tried {len(chosen)}, {totals}")
    return not any(wrong.values())


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table of a session."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults realtime", description=__doc__)
    parser.add_argument("faults", nargs="*", metavar="FAULT", help="all, if none is named")
    parser.add_argument("--break", dest="guard", choices=BREAKS, help="a guard to switch off")
    asked = parser.parse_args(argv)
    named = [
        name for name in EXPECTED if name in asked.faults or name.partition(":")[0] in asked.faults
    ]
    return 0 if table(named, asked.guard) else 1
