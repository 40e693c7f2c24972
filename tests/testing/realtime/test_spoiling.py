from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from chatbots.testing.fake_openai import FakeOpenAI
from chatbots.testing.realtime.faults import FAULTS, OPENING
from chatbots.testing.realtime.talk import Talk
from tests.testing.realtime.client import address

CALL = "function_call"
TOOL = {
    "type": "function",
    "name": "multiply",
    "parameters": {"properties": {"a": {"type": "number"}}, "required": ["a"]},
}
SESSION = {"type": "realtime", "output_modalities": ["text"], "tools": [TOOL]}


class Seen:
    """What a client saw that asked once: its frames, its events, how the socket closed."""

    def __init__(self, frames: list[str | bytes], code: int | None, reason: str) -> None:
        self.frames = frames
        self.code = code
        self.reason = reason
        told = [json.loads(frame) for frame in frames if isinstance(frame, str) and whole(frame)]
        self.events: list[Any] = [event for event in told if isinstance(event, dict)]

    def of(self, kind: str) -> list[Any]:
        return [event for event in self.events if event["type"] == kind]

    @property
    def text(self) -> str:
        return "".join(event["delta"] for event in self.of("response.output_text.delta"))

    @property
    def response(self) -> Any:
        return self.of("response.done")[0]["response"]

    @property
    def calls(self) -> list[Any]:
        return [item for item in self.response["output"] if item["type"] == CALL]


def whole(frame: str) -> bool:
    try:
        json.loads(frame)
    except ValueError:
        return False
    return True


async def ask(socket: ClientConnection) -> None:
    part = {"type": "input_text", "text": "One two three four"}
    item = {"type": "message", "role": "user", "content": [part]}
    for event in (
        {"type": "session.update", "session": SESSION},
        {"type": "conversation.item.create", "item": item},
        {"type": "response.create"},
    ):
        await socket.send(json.dumps(event))


LAST = {"stall": '" two"', "no-done": '"rate_limits.updated"', "out-of-order": '"tokens"'}
"""What comes last, where that is not the end of the response."""


async def seen(fault: str) -> Seen:
    """Ask once; after the last event of the answer wait for what may still come."""
    last = LAST.get(fault, '"response.done"')
    frames: list[str | bytes] = []
    async with FakeOpenAI() as fake:
        url = address(fake, f"/v1/realtime?model=fault:{fault}")
        async with connect(url, max_size=None, max_queue=None) as socket:
            try:
                await ask(socket)
                async for frame in socket:
                    frames.append(frame)
                    if '"input_audio_buffer.cleared"' in str(frame):
                        break
                    if last in str(frame):
                        await socket.send('{"type":"input_audio_buffer.clear"}')
            except ConnectionClosed as closed:
                if closed.rcvd is None and closed.sent is not None:
                    return Seen(frames, closed.sent.code, closed.sent.reason)
        return Seen(frames, socket.close_code, socket.close_reason or "")


def good(seen: Seen) -> bool:
    return seen.text == "One two three four" and seen.response["status"] == "completed"


def ended(status: str, reason: str | None, text: str = "One two") -> Callable[[Seen], bool]:
    def check(seen: Seen) -> bool:
        details = seen.response["status_details"]
        said = details.get("reason") or details["error"]["code"]
        return (seen.response["status"], said, seen.text) == (status, reason, text)

    return check


def closed(code: int, text: str = "") -> Callable[[Seen], bool]:
    return lambda seen: (seen.code, seen.text, seen.of("response.done")) == (code, text, [])


def failed(code: int, text: str = "One") -> Callable[[Seen], bool]:
    """Check that the client itself broke off after the first piece."""
    return lambda seen: seen.code == code and seen.text.startswith(text)


def arguments(seen: Seen) -> str:
    return str(seen.calls[0]["arguments"])


WIRE: Mapping[str, Callable[[Seen], bool]] = {
    "expired-on-response": lambda seen: (
        seen.of("error")[0]["error"]["code"] == "session_expired" and seen.code == 1001
    ),
    "close-1000": closed(1000),
    "close-1001": closed(1001),
    "close-1006": closed(1006),
    "close-1008": closed(1008),
    "close-1011": closed(1011),
    "close-1013": closed(1013),
    "close-4000": closed(4000),
    "close-midresponse": closed(1006, "One two"),
    "close-midresponse:1": closed(1006, "One"),
    "error-recoverable": lambda seen: len(seen.of("error")) == 1 and good(seen),
    "error-unknown": lambda seen: (
        seen.of("error")[0]["error"]["type"] == "weather_error" and good(seen)
    ),
    "out-of-order": lambda seen: seen.text == "BooOne two three four",
    "unknown-event": lambda seen: bool(seen.of("response.telepathy.delta")) and good(seen),
    "non-object": lambda seen: "[1,2]" in seen.frames and good(seen),
    "binary-frame": lambda seen: b"\x00\xff" in seen.frames and good(seen),
    "huge-event": lambda seen: (
        len(seen.of("response.huge")[0]["padding"]) == 2 * 1024 * 1024 and good(seen)
    ),
    "bad-base64": lambda seen: (
        seen.of("response.output_audio.delta")[0]["delta"] == "?not audio?" and good(seen)
    ),
    "odd-audio": lambda seen: (
        seen.of("response.output_audio.delta")[0]["delta"] == "AAAA" and good(seen)
    ),
    "invalid-json": lambda seen: (
        good(seen) and sum(not whole(str(frame)) for frame in seen.frames) == 1
    ),
    "bad-utf8": failed(1007),
    "masked-frame": failed(1002),
    "rsv-frame": failed(1002),
    "unsolicited-delete": lambda seen: (
        seen.of("conversation.item.deleted")[0]["item_id"]
        == seen.of("conversation.item.added")[0]["item"]["id"]
        and good(seen)
    ),
    "rate-limits": lambda seen: (
        seen.of("rate_limits.updated")[0]["rate_limits"][0]["remaining"] == 0 and good(seen)
    ),
    "resp-cancelled": ended("cancelled", "turn_detected"),
    "resp-incomplete": ended("incomplete", "max_output_tokens"),
    "resp-incomplete-filter": ended("incomplete", "content_filter"),
    "resp-failed": ended("failed", "server_error", ""),
    "resp-failed-rate": ended("failed", "rate_limit_exceeded", ""),
    "late-audio": lambda seen: (
        seen.text == "One two three four" * 2
        and [e["type"] for e in seen.events][-2] == "response.output_text.delta"
    ),
    "dup-event-id": lambda seen: (
        [len(seen.of(f"response.output_text.{kind}")) for kind in ("delta", "done")] == [8, 2]
        and len({event["event_id"] for event in seen.of("response.done")}) == 1
    ),
    "dup-done": lambda seen: (
        good(seen) and len({event["event_id"] for event in seen.of("response.done")}) == 2
    ),
    "no-done": lambda seen: not seen.of("response.done") and seen.text == "One two three four",
    "stall": lambda seen: not seen.of("response.done") and seen.text == "One two",
    "ping-flood": good,
    "event-flood:50": lambda seen: len(seen.of("rate_limits.updated")) == 51 and good(seen),
    "tool-split": lambda seen: (
        len(seen.of("response.function_call_arguments.delta")) == 100
        and json.loads(arguments(seen)) == {"a": 1.5}
    ),
    "tool-invalid-json": lambda seen: not whole(arguments(seen)),
    "tool-unknown": lambda seen: seen.calls[0]["name"] == "no_such_tool",
    "tool-loop": lambda seen: seen.calls[0]["name"] == "multiply",
    "tool-bomb": lambda seen: len({call["call_id"] for call in seen.calls}) == 100,
    "transcription-failed": good,
}


@pytest.mark.parametrize("fault", WIRE)
async def test_a_fault_is_what_its_name_says(fault: str) -> None:
    met = await seen(fault)
    assert WIRE[fault](met), (met.code, met.reason, met.frames[-20:])


def test_every_fault_of_an_answer_is_tried() -> None:
    assert {name.partition(":")[0] for name in WIRE} == {*FAULTS} - {*OPENING}


@pytest.mark.parametrize(("fault", "kind"), [("tool-split", "message"), ("tool-loop", CALL)])
async def test_a_tool_that_has_answered_is_called_again_only_in_a_loop(
    fault: str, kind: str
) -> None:
    async with FakeOpenAI() as fake:
        async with connect(
            address(fake, f"/v1/realtime?model=fault:{fault}"), max_queue=None
        ) as socket:
            talk = await talking(fake)
            await ask(socket)
            await fake.until(lambda: len(talk.of("response.done")) == 1)
            (call,) = talk.of("response.done")[0]["response"]["output"]
            result = {"type": f"{CALL}_output", "call_id": call["call_id"], "output": "1"}
            create = {"type": "conversation.item.create", "item": result}
            await socket.send(json.dumps(create))
            await socket.send('{"type":"response.create"}')
            await fake.until(lambda: len(talk.of("response.done")) == 2)
        assert talk.of("response.done")[1]["response"]["output"][0]["type"] == kind


async def talking(fake: FakeOpenAI) -> Talk:
    await fake.until(lambda: bool(fake.talks))
    return fake.talks[0]


async def test_ghosts_speak_the_beta_dialect_too() -> None:
    async with FakeOpenAI() as fake:
        url = address(fake, "/v1/realtime?model=fault:out-of-order,unsolicited-delete")
        async with connect(
            url, additional_headers={"OpenAI-Beta": "realtime=v1"}, max_queue=None
        ) as socket:
            talk = await talking(fake)
            await socket.send('{"type":"response.create"}')
            await fake.until(lambda: len(talk.of("response.done")) == 2)
            await socket.send('{"type":"response.create","response":{"modalities":["text"]}}')
            await fake.until(lambda: len(talk.of("response.done")) == 3)
        assert [event["delta"] for event in talk.of("response.text.delta")] == ["Boo"]
        assert talk.of("conversation.item.deleted")[0]["item_id"] == "item_none"
