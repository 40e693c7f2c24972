from __future__ import annotations

import pytest

from chatbots.realtime.events.unknown import UnknownEvent


@pytest.mark.parametrize(
    ("raw", "name"),
    [(b'{"type": "new", "x": [1]}', "new"), (b'{"type": 3}', ""), (b"{}", ""), (b"[3]", "")],
)
def test_an_unknown_event_keeps_its_frame_and_has_its_type_if_there_is_one(
    raw: bytes, name: str
) -> None:
    event = UnknownEvent.of(raw, "why")
    assert (event.type, event.raw, event.problem) == (name, raw, "why")


def test_what_an_unknown_event_says_is_decoded_when_asked_for() -> None:
    assert UnknownEvent("new", b'{"type": "new", "x": [1]}', "").payload == {
        "type": "new",
        "x": [1],
    }


def test_what_is_no_json_is_no_event() -> None:
    with pytest.raises(ValueError, match="Expecting"):
        UnknownEvent.of(b"nope", "why")
