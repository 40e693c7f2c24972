from __future__ import annotations

from chatbots.testing.realtime.sounds import Ear, is_loud, spoken


def test_a_tone_is_as_long_as_its_words_and_can_be_heard() -> None:
    assert len(spoken("four", 48)) == 4 * 50 * 48
    assert len(spoken("four", 8)) == 4 * 50 * 8
    assert spoken("", 48) == b""
    assert is_loud(spoken("a", 48), 48)
    assert is_loud(spoken("a", 8), 8)
    assert not is_loud(bytes(96), 48)
    assert not is_loud(b"", 48)
    assert not is_loud(b"\xff\xff\xd5", 8)
    assert is_loud(b"\x00\x80", 48)


def test_an_ear_hears_a_turn_begin_and_end_once() -> None:
    ear = Ear()
    quiet, loud = bytes(48 * 200), spoken("four", 48)
    heard = [ear.hears(audio, 48, 500) for audio in (quiet, loud, quiet, loud, *[quiet] * 4, loud)]
    assert heard == ["", "started", "", "", "", "", "stopped", "", "started"]
    assert ear.ms == 1800
