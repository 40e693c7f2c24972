from __future__ import annotations

import pytest

from chatbots.realtime.events.items import Item, user_text
from chatbots.realtime.hosting import items as module
from chatbots.realtime.hosting.items import Items, without_audio
from chatbots.realtime.hosting.refusal import Refusal
from tests.realtime.hosting.client import Client, audio


def texts(*names: str) -> Items:
    items = Items()
    for name in names:
        items.add(user_text(name, id=name))
    return items


def test_items_keep_their_order() -> None:
    items = texts("a", "b")
    assert items.add(user_text("c", id="c"), "a") == "a"
    assert items.add(user_text("d", id="d"), "root") is None
    assert items.add(user_text("e", id="e")) == "b"
    assert [item.id for item in items] == ["d", "a", "c", "b", "e"]
    assert items.last == "e"
    assert Items().last is None
    assert items.renew(user_text("d2", id="d")) is None
    assert items.renew(user_text("a2", id="a")) == "d"
    assert [item.text for item in items][:2] == ["d2", "a2"]


def test_what_is_deleted_is_gone() -> None:
    items = texts("a", "b")
    items.keep("a", b"..")
    items.delete("a")
    assert [item.id for item in items] == ["b"]
    assert items.audio("a") == b""
    assert items.renew(user_text("late", id="a")) is None
    assert len(list(items)) == 1
    items.transcribe("a", "late")


@pytest.mark.parametrize(
    ("code", "deed"),
    [
        ("item_create_duplicate_item_id", lambda items: items.add(user_text("x", id="a"))),
        (
            "item_create_invalid_previous_item_id",
            lambda items: items.add(user_text("x", id="x"), "no"),
        ),
        ("item_delete_invalid_item_id", lambda items: items.delete("no")),
        ("item_retrieve_invalid_item_id", lambda items: items.retrieve("no")),
    ],
)
def test_what_cannot_be_is_refused(code: str, deed: object) -> None:
    assert callable(deed)
    with pytest.raises(Refusal) as caught:
        deed(texts("a"))
    assert caught.value.code == code


def test_the_oldest_audio_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AUDIO_KEPT", 10)
    items = texts("a", "b")
    items.keep("a", bytes(8))
    items.keep("b", bytes(8))
    assert (items.audio("a"), len(items.audio("b"))) == (b"", 8)
    items.keep("b", bytes(20))
    assert len(items.audio("b")) == 20


def test_the_users_audio_comes_back_with_its_transcript() -> None:
    client = Client()
    parts = [{"type": "input_audio", "audio": audio(200)}, {"type": "input_text", "text": "x"}]
    client.send(
        "conversation.item.create",
        item={"id": "a", "type": "message", "role": "user", "content": parts},
    )
    assert all("audio" not in event["item"]["content"][0] for event in client.told)
    client.host.items.transcribe("a", "Hello")
    client.send("conversation.item.retrieve", item_id="a")
    (event,) = client.told
    assert event["item"]["content"][0]["transcript"] == "Hello"
    assert event["item"]["content"][0]["audio"] == audio(200)
    assert "audio" not in event["item"]["content"][1]


def test_an_item_without_sound_is_as_it_is() -> None:
    call = Item(type="function_call", id="c", name="f", arguments="{}")
    items = Items()
    items.add(call)
    items.transcribe("c", "no")
    assert items.retrieve("c") is call
    assert without_audio(call) is call
