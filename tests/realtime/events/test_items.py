from __future__ import annotations

import json

import msgspec
import pytest

from chatbots.realtime.events import items
from chatbots.realtime.events.items import ContentPart, Item


@pytest.mark.checklist(117)
def test_an_id_is_as_long_as_asked_and_can_be_read_aloud() -> None:
    ids = {items.generate_id("item_", 21) for _ in range(100)}
    assert len(ids) == 100
    assert {len(one) for one in ids} == {21}
    assert all(one.startswith("item_") for one in ids)
    assert not {*"".join(one.removeprefix("item_") for one in ids)} & {*"0OIl_-+/"}
    assert items.generate_id("item_", 5) == "item_"


def test_audio_travels_in_base64_without_line_ends() -> None:
    assert items.encoded(bytes(100)) == "A" * 134 + "=="
    assert items.encoded(b"") == ""


@pytest.mark.parametrize(
    ("item", "wire"),
    [
        (
            items.user_text("Hi", id="item_1"),
            {
                "type": "message",
                "id": "item_1",
                "role": "user",
                "content": [{"type": "input_text", "text": "Hi"}],
            },
        ),
        (
            items.system_text(""),
            {"type": "message", "role": "system", "content": [{"type": "input_text", "text": ""}]},
        ),
        (
            items.assistant_text("Hello."),
            {
                "type": "message",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "Hello."}],
            },
        ),
        (
            items.user_audio(b"\x00\x01", transcript="Hm?"),
            {
                "type": "message",
                "role": "user",
                "content": [{"type": "input_audio", "audio": "AAE=", "transcript": "Hm?"}],
            },
        ),
        (
            items.function_call("call_1", "multiply", '{"a": 6}'),
            {
                "type": "function_call",
                "call_id": "call_1",
                "name": "multiply",
                "arguments": '{"a": 6}',
            },
        ),
        (
            items.function_output("call_1", "42"),
            {"type": "function_call_output", "call_id": "call_1", "output": "42"},
        ),
        (
            Item(type="mcp_approval_response", id="m", approval_request_id="r", approve=False),
            {
                "type": "mcp_approval_response",
                "id": "m",
                "approval_request_id": "r",
                "approve": False,
            },
        ),
    ],
)
def test_an_item_is_sent_with_what_it_has_and_no_more(item: Item, wire: object) -> None:
    assert json.loads(msgspec.json.encode(item)) == wire
    assert msgspec.convert(wire, Item) == item


def test_what_is_said_in_an_item_is_its_text_and_the_transcript_of_its_audio() -> None:
    said = (
        ContentPart(type="output_text", text="Listen: "),
        ContentPart(type="output_audio", transcript="la la."),
        ContentPart(type="input_image", image_url="https://example.org/cat.png"),
    )
    assert Item(type="message", content=said).text == "Listen: la la."
    assert items.function_output("call_1", "42").text == ""
