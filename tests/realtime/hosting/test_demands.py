from __future__ import annotations

from chatbots.realtime.hosting.demands import Cancelled, Cleared, Configured, Heard, Respond, Spoken
from tests.realtime.hosting.client import Client, audio


def test_each_wish_of_a_client_is_a_demand() -> None:
    client = Client()
    part = {"type": "input_audio", "audio": audio(100)}
    item = {"type": "message", "role": "user", "content": [part]}
    wishes: list[tuple[type, str, dict[str, object]]] = [
        (Configured, "session.update", {"session": {"type": "realtime"}}),
        (Heard, "input_audio_buffer.append", {"audio": audio(200)}),
        (Spoken, "input_audio_buffer.commit", {}),
        (Cleared, "input_audio_buffer.clear", {}),
        (Spoken, "conversation.item.create", {"item": item}),
        (Respond, "response.create", {}),
        (Cancelled, "response.cancel", {}),
    ]
    for kind, name, fields in wishes:
        assert [type(demand) for demand in client.send(name, **fields)] == [kind], name
