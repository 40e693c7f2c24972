from __future__ import annotations

import pytest

from chatbots.testing.calls import Call
from chatbots.testing.realtime import talk as module
from chatbots.testing.realtime.talk import Frames, Talk


def test_both_sides_are_kept_as_they_were() -> None:
    call = Call(number=1, connection=1, method="GET", target="/", headers={}, body=b"")
    talk = Talk(call=call, dialect="ga", model="any", changed=lambda: None)
    talk.heard.append(b'{"type":"a","x":1}')
    talk.heard.append(b"5")
    talk.said.append(b'{"type":"a","x":2}')
    assert talk.received == [{"type": "a", "x": 1}, 5]
    assert [event["x"] for event in talk.of("a")] == [1, 2]
    talk.heard.append(b"{")
    with pytest.raises(ValueError, match="truncated"):
        _ = talk.received


def test_the_oldest_frames_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT", 5)
    frames = Frames()
    for frame in (b"one", b"two", b"3"):
        frames.append(frame)
    assert list(frames) == [b"two", b"3"]
