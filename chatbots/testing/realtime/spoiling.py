"""Answers that are spoilt on their way to a realtime client, each as steps on its socket."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, TypeAlias

import msgspec
from websockets.frames import Frame, Opcode

from chatbots.realtime.events.registry import write
from chatbots.realtime.events.responses import ResponseAudioDelta, ResponseFailure
from chatbots.testing.bodies import Json
from chatbots.testing.faults.tools import DEFAULT_TOOL, MIB, sample
from chatbots.testing.realtime.steps import (
    Close,
    Raw,
    Say,
    Script,
    Step,
    Steps,
    Wait,
)

Amid: TypeAlias = Callable[[Script, float, bytes], Iterable[Step]]
"""What comes after a first piece, which was in this frame."""

EXPIRED: Final = "Your session hit the maximum duration of 60 minutes."
DELTA: Final = b'.delta","'
DONE: Final = b'"type":"response.done"'


def good(script: Script, _: float) -> Iterator[Step]:
    """Answer well."""
    return script.good()


def until(script: Script, pieces: float) -> Iterator[Step]:
    """Answer up to so many pieces, never the end."""
    yield from script.frames()
    for piece in script.pieces[: int(pieces)]:
        yield from script.speak(piece)


def closes(code: int | None, reason: str = "") -> Steps:
    """End the session in place of an answer."""
    return lambda _script, _number: [Close(code, reason)]


def expires(script: Script, _: float = 0) -> Iterator[Step]:
    """Say that the session is too old, and end it."""
    script.host.complain(EXPIRED, "session_expired", kind="invalid_request_error")
    yield from script.frames()
    yield Close(1001, EXPIRED)


def breaks(script: Script, pieces: float) -> Iterator[Step]:
    """Drop the connection in the middle of an answer."""
    yield from until(script, pieces)
    yield Close()


def stalls(script: Script, pieces: float) -> Iterator[Step]:
    """Say nothing more, ever."""
    yield from until(script, pieces)
    yield Wait()


def ends(state: Any, reason: str | None = None, **error: str) -> Steps:
    """Answer so many pieces, and end otherwise."""

    def steps(script: Script, pieces: float) -> Iterator[Step]:
        yield from until(script, pieces)
        failure = ResponseFailure(**error) if error else None
        script.told.end(state, reason, usage=script.usage(), error=failure)
        yield from script.frames()

    return steps


def event(script: Script, kind: str, **fields: object) -> Say:
    """Return an event that the host would not send."""
    name = f"event_{script.chance.getrandbits(64):016x}"
    return Say(msgspec.json.encode({"type": kind, "event_id": name, **fields}))


def again(script: Script, frame: bytes) -> Say:
    """Return the event in *frame* once more, as a new one."""
    said: dict[str, Any] = msgspec.json.decode(frame)
    del said["event_id"]
    return event(script, said.pop("type"), **said)


def before(extra: Callable[[Script, float], Iterable[Step]]) -> Steps:
    """Say something else before a good answer."""

    def steps(script: Script, number: float) -> Iterator[Step]:
        yield from script.frames()
        yield from extra(script, number)
        yield from script.good()

    return steps


def amid(extra: Amid) -> Steps:
    """Say something else after the first piece of a good answer."""

    def steps(script: Script, number: float) -> Iterator[Step]:
        struck = False
        for step in script.good():
            yield step
            if not struck and isinstance(step, Say) and DELTA in step.frame:
                struck = True
                yield from extra(script, number, step.frame)

    return steps


def framed(data: bytes, opcode: Opcode = Opcode.TEXT, *, mask: bool = False) -> Raw:
    """Return a WebSocket frame that is not noted down."""
    return Raw(Frame(opcode, data).serialize(mask=mask))


def wild(data: bytes, opcode: Opcode = Opcode.TEXT) -> Steps:
    """Send a frame of these bytes after the first piece."""
    return amid(lambda _script, _number, _frame: [framed(data, opcode)])


def half(_script: Script, _: float, frame: bytes) -> Iterator[Step]:
    """Send half an event."""
    yield framed(frame[: len(frame) // 2])


def masked(script: Script, _: float, frame: bytes) -> Iterator[Step]:
    """Mask a frame, as only a client does."""
    yield framed(again(script, frame).frame, mask=True)


def reserved(script: Script, _: float, frame: bytes) -> Iterator[Step]:
    """Set a bit that nobody agreed on."""
    first, *rest = framed(again(script, frame).frame).data
    yield Raw(bytes([first | 0x40, *rest]))


def huge(script: Script, mib: float, _: bytes) -> Iterator[Step]:
    """Send an unknown event of so many MiB."""
    yield event(script, "response.huge", padding="x" * int(mib * MIB))


def unknown(script: Script, _number: float, _frame: bytes) -> Iterator[Step]:
    """Send an event of a kind that nobody knows."""
    yield event(script, "response.telepathy.delta", delta="...", mood={"of": ["the", "server"]})


def sounding(audio: str) -> Steps:
    """Send a piece of audio that is none."""

    def extra(script: Script, _: float, frame: bytes) -> Iterator[Step]:
        place = msgspec.json.decode(frame)
        yield Say(
            write(
                ResponseAudioDelta(
                    event_id=f"event_{script.chance.getrandbits(64):016x}",
                    response_id=place["response_id"],
                    item_id=place["item_id"],
                    output_index=0,
                    content_index=0,
                    delta=audio,
                ),
                script.host.dialect,
            )
        )

    return amid(extra)


def errs(**error: object) -> Steps:
    """Send an error that is no answer to anything, before a good answer."""
    return before(lambda script, _: [event(script, "error", error=error)])


def ghosts(script: Script, _: float) -> Iterator[Step]:
    """Speak of a response and an item that never were."""
    of = {"response_id": "resp_ghost", "item_id": "item_ghost", "output_index": 0}
    ghost: Json = {"id": "item_ghost", "type": "message", "role": "assistant", "content": []}
    text = "response.output_text.delta" if script.host.dialect == "ga" else "response.text.delta"
    yield event(script, text, **of, content_index=0, delta="Boo")
    yield event(script, "response.output_item.done", **of, item=ghost)
    response = {"id": "resp_ghost", "status": "completed", "output": [ghost]}
    yield event(script, "response.done", response=response)
    yield event(script, "conversation.item.truncated", item_id="item_ghost", audio_end_ms=0)


def deletes(script: Script, _: float) -> Iterator[Step]:
    """Say that what the user said last is deleted."""
    said = [item.id for item in script.host.items if item.role == "user"]
    yield event(script, "conversation.item.deleted", item_id=said[-1] if said else "item_none")


def limited(script: Script, _: float) -> Iterator[Step]:
    """Say that nothing is left."""
    names = ("requests", "tokens")
    left = [{"name": name, "limit": 100, "remaining": 0, "reset_seconds": 30.0} for name in names]
    yield event(script, "rate_limits.updated", rate_limits=left)


def flood(script: Script, events: float) -> Iterator[Step]:
    """Say what nobody asked so many times."""
    for _ in range(int(events)):
        yield from limited(script, 0)


def late(script: Script, _: float) -> Iterator[Step]:
    """Say each piece again when the answer has ended."""
    steps = list(script.good())
    yield from steps
    for step in steps:
        if isinstance(step, Say) and DELTA in step.frame:
            yield again(script, step.frame)


def twice(script: Script, _: float) -> Iterator[Step]:
    """Send each event twice."""
    for step in script.good():
        yield step
        yield step


def done_twice(script: Script, _: float) -> Iterator[Step]:
    """End the answer twice."""
    for step in script.good():
        yield step
        if isinstance(step, Say) and DONE in step.frame:
            yield again(script, step.frame)


def never_done(script: Script, _: float) -> Iterator[Step]:
    """Leave out that the answer has ended."""
    return (step for step in script.good() if not (isinstance(step, Say) and DONE in step.frame))


def calling(
    change: Callable[[str, str], tuple[str, str]] = lambda name, arguments: (name, arguments),
    *,
    loop: bool = False,
    calls: bool = False,
) -> Steps:
    """Call the first tool that is offered, until it has answered or for ever in a *loop*.

    The fault's number counts parts of the arguments, or *calls*.
    """

    def steps(script: Script, number: float) -> Iterator[Step]:
        request = script.request
        if not loop and request.messages and request.messages[-1].role == "tool":
            yield from script.good()
            return
        tool = next(iter(request.offered), DEFAULT_TOOL)
        name, arguments = change(tool.name, sample(tool))
        count = max(1, int(number))
        parts = 1 if calls else count
        arguments = arguments[:1] + " " * (parts - len(arguments)) + arguments[1:]
        size = len(arguments)
        cuts = [arguments[size * n // parts : size * (n + 1) // parts] for n in range(parts)]
        for _ in range(count if calls else 1):
            script.told.call(name, *cuts)
        script.told.end(usage=script.usage())
        yield from script.frames()

    return steps
