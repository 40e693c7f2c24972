from __future__ import annotations

import json

from chatbots.realtime.events.items import MAX_ITEM_ID, Item
from chatbots.realtime.events.server import (
    ConversationItemDone,
    ConversationItemTruncated,
    InputAudioBufferCleared,
)
from chatbots.realtime.hosting.outbox import Outbox, random_id


def test_each_event_gets_an_id_and_its_place() -> None:
    outbox = Outbox("ga")
    outbox.tell(InputAudioBufferCleared())
    outbox.tell(ConversationItemTruncated(item_id="", audio_end_ms=0), item_id="a", content_index=0)
    first, second = map(json.loads, outbox.take())
    assert first["event_id"].startswith("event_")
    assert first["event_id"] != second["event_id"]
    assert (second["item_id"], second["content_index"], second["audio_end_ms"]) == ("a", 0, 0)
    assert outbox.take() == []


def test_the_beta_dialect_is_not_told_that_an_item_is_whole() -> None:
    outbox = Outbox("beta")
    outbox.tell(ConversationItemDone(item=Item()))
    assert outbox.take() == []


def test_ids_have_room_where_the_protocol_bounds_them() -> None:
    assert len(random_id("event_")) <= MAX_ITEM_ID
    assert random_id("item_") != random_id("item_")
