from __future__ import annotations

import json

from chatbots.realtime.events.registry import CLIENT, read_client
from chatbots.realtime.events.unknown import UnknownEvent
from chatbots.realtime.hosting.refusal import Refusal, not_read, unknown


def refused(**event: object) -> Refusal:
    read = read_client(json.dumps(event))
    assert isinstance(read, UnknownEvent)
    return not_read(read, CLIENT)


def test_what_is_wrong_is_said_as_openai_says_it() -> None:
    refusal = refused()
    assert (refusal.code, refusal.param) == ("missing_required_parameter", "type")
    refusal = refused(type="any")
    assert (refusal.code, refusal.param) == ("invalid_value", "type")
    assert "'session.update'" in str(refusal)
    refusal = refused(type="conversation.item.create", item={"type": 1})
    assert (refusal.code, refusal.param) == ("invalid_type", "item.type")
    refusal = refused(type="conversation.item.truncate", item_id="a", content_index=0)
    assert (refusal.code, refusal.param) == ("missing_required_parameter", "audio_end_ms")
    assert unknown("a.b").code == "unknown_parameter"
