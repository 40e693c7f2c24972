from __future__ import annotations

from array import array
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from chatbots.realtime import g711
from chatbots.realtime.events.session import Session
from chatbots.realtime.hosting.configuring import session_of, updated
from chatbots.speech.ear import Ear, News, coded, format_of, pcm_of
from chatbots.speech.silero import FRAME, Silero


class Loud:
    """A network that takes what is loud for speech."""

    def run(self, names: None, inputs: Mapping[str, Any]) -> list[Any]:
        import numpy as np

        return [np.array([[float(abs(inputs["input"]).max() > 0.1)]]), inputs["state"] + 1]


def tone(ms: int, rate: int = 24_000, level: int = 10_000) -> bytes:
    """Return a square wave of 200 Hz as PCM16."""
    half = rate // 400
    return array(
        "h", [level if place // half % 2 else -level for place in range(ms * rate // 1000)]
    ).tobytes()


def silence(ms: int, rate: int = 24_000) -> bytes:
    return bytes(2 * ms * rate // 1000)


def session(**audio_input: object) -> Session:
    told = {"audio": {"input": audio_input}}
    return updated(session_of(), msgspec.convert(told, Session))


def hear(ear: Ear, audio: bytes, chunk: int = 960) -> list[News]:
    pieces = [audio[start : start + chunk] for start in range(0, len(audio), chunk)]
    return [news for piece in pieces for news in ear.push(piece)]


def an_ear(told: Session | None = None) -> Ear:
    ear = Ear(Silero(Loud()))
    ear.configure(told or session_of())
    return ear


@pytest.mark.parametrize("form", ["audio/pcm", "audio/pcmu", "audio/pcma"])
def test_a_turn_is_found_with_its_times_and_its_sound_in_every_format(form: str) -> None:
    told = session(format={"type": form}, turn_detection={"type": "server_vad"})
    rate = 24_000 if form == "audio/pcm" else 8_000
    pcm = silence(500, rate) + tone(600, rate) + silence(1000, rate)
    news = hear(an_ear(told), coded(pcm, form))
    assert [one.change for one in news] == ["started", "paused", "stopped"]
    start, _, stop = news
    assert start.ms == pytest.approx(500, abs=32)
    assert stop.ms == pytest.approx(500 + 600 + 500, abs=80)
    # 300 ms before it, the turn, the silence that ended it.
    assert len(stop.sound) / 32 == pytest.approx(300 + 600 + 500, abs=100)


def test_a_session_says_what_is_loud_enough_and_how_long_silence_is() -> None:
    told = session(
        turn_detection={"type": "server_vad", "silence_duration_ms": 200, "threshold": 1}
    )
    news = hear(an_ear(told), tone(600) + silence(400))
    assert [one.change for one in news] == ["started", "paused", "stopped"]
    assert news[-1].ms == pytest.approx(800, abs=80)


@pytest.mark.parametrize(("eagerness", "ms"), [("low", 1200), ("high", 350), ("auto", 500)])
def test_the_eager_are_answered_sooner(eagerness: str, ms: int) -> None:
    told = session(turn_detection={"type": "semantic_vad", "eagerness": eagerness})
    [*_, stop] = hear(an_ear(told), tone(600) + silence(1500))
    assert stop.change == "stopped"
    assert stop.ms == pytest.approx(600 + ms, abs=80)


def test_without_turn_detection_turns_do_not_start_and_stop() -> None:
    ear = an_ear(session(turn_detection=None))
    assert [one.change for one in hear(ear, tone(600) + silence(5000))] == ["paused"]
    assert len(ear.take()) / 32 == pytest.approx(5600, abs=5)
    assert [one.change for one in hear(ear, silence(500) + tone(600) + silence(500))] == ["paused"]
    assert len(ear.take()) / 32 == pytest.approx(1600, abs=5)


@pytest.mark.parametrize("detection", [None, {"type": "server_vad"}])
def test_a_long_turn_is_cut_at_its_pauses(detection: dict[str, object] | None) -> None:
    ear = an_ear(session(turn_detection=detection))
    sentence = tone(3000) + silence(200)
    news = hear(ear, sentence * 4)
    cuts = [one for one in news if one.change == "cut"]
    assert [len(one.sound) / 32 for one in cuts] == [pytest.approx(6300, abs=64)]
    assert len(ear.take()) / 32 == pytest.approx(4 * 3200 - 6300, abs=100)
    after = hear(ear, tone(600) + silence(200) + tone(100))
    assert "cut" not in [one.change for one in after]


@pytest.mark.parametrize("detection", [None, {"type": "server_vad"}])
def test_whoever_never_pauses_is_cut_off_mid_word(detection: dict[str, object] | None) -> None:
    news = hear(an_ear(session(turn_detection=detection)), tone(45_000))
    cuts = [len(one.sound) / 32 for one in news if one.change == "cut"]
    assert cuts == [pytest.approx(20_000, abs=64)] * 2


def test_a_recording_is_cut_as_what_is_heard_live() -> None:
    ear = an_ear(session(format={"type": "audio/pcmu"}))
    pcm = (tone(6000, 8000) + silence(200, 8000)) * 2
    audio = coded(pcm, "audio/pcmu")
    pieces = ear.pieces(audio, Silero(Loud()))
    assert [len(piece) / 32 for piece in pieces] == [
        pytest.approx(6130, abs=64),
        pytest.approx(12_400 - 6130, abs=64),
    ]
    assert ear.take() == b""
    assert ear.seconds(audio) == 12.4
    assert an_ear().seconds(bytes(48_000)) == 1


def test_what_was_heard_can_be_forgotten() -> None:
    ear = an_ear()
    assert [one.change for one in hear(ear, tone(600))] == ["started"]
    ear.reset()
    assert ear._silero._state.max() == 0
    assert hear(ear, silence(1000)) == []


def test_a_session_that_hears_as_before_hears_on() -> None:
    ear = an_ear()
    assert [one.change for one in hear(ear, tone(600))] == ["started"]
    ear.configure(session())
    assert [one.change for one in hear(ear, silence(1000))] == ["paused", "stopped"]


def test_what_is_kept_of_silence_is_short() -> None:
    ear = an_ear()
    hear(ear, silence(20_000))
    [start] = hear(ear, tone(200))
    assert len(start.sound) <= 2 * (16 * 400 + FRAME)


def test_formats() -> None:
    assert format_of(None) == ("audio/pcm", 24_000)
    assert pcm_of(b"123", "audio/pcm") == b"12"
    assert pcm_of(b"\x00", "audio/pcmu") == g711.decode(b"\x00", "ulaw")
    assert coded(b"\x00\x10", "audio/pcma") == g711.encode(b"\x00\x10", "alaw")
