from __future__ import annotations

import pytest

from chatbots.realtime.hosting import hearing as module
from chatbots.realtime.hosting.hearing import Hearing
from chatbots.realtime.hosting.refusal import Refusal
from tests.realtime.hosting.client import audio


def test_audio_is_a_message_from_where_somebody_speaks() -> None:
    hearing = Hearing()
    assert len(hearing.append(audio(1000), waits=True)) == 48_000
    hearing.start("item_1", 600)
    hearing.append(audio(100), waits=False)
    assert hearing.ms == 1100
    assert len(hearing.take()) == 500 * 48
    assert hearing.speaking is None
    assert hearing.ms == 1100


def test_what_nobody_says_is_not_kept_for_ever() -> None:
    hearing = Hearing()
    for _ in range(4):
        hearing.append(audio(10_000), waits=True)
    assert hearing.ms == 40_000
    assert len(hearing.take()) == module.KEPT_MS * 48


def test_too_little_is_no_message() -> None:
    hearing = Hearing()
    hearing.append(audio(99), waits=False)
    with pytest.raises(Refusal, match=r"only has 99\.00ms") as caught:
        hearing.take()
    assert caught.value.code == "input_audio_buffer_commit_empty"
    hearing.append(audio(1), waits=False)
    assert len(hearing.take()) == 4800


def test_what_is_no_audio_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Refusal, match="base64"):
        Hearing().append("?", waits=False)
    with pytest.raises(Refusal, match="base64"):
        Hearing().append("é", waits=False)
    monkeypatch.setattr(module, "MAX_AUDIO", 2)
    with pytest.raises(Refusal, match="15 MiB"):
        Hearing().append("AAAA", waits=False)
