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


def test_without_turn_detection_nothing_is_looked_for() -> None:
    assert hear(an_ear(session(turn_detection=None)), tone(600) + silence(1000)) == []


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


def test_a_whole_message_is_turned_into_the_recognisers_rate() -> None:
    assert len(an_ear().whole(tone(1000))) / 32 == pytest.approx(1000, abs=5)
    told = session(format={"type": "audio/pcmu"})
    assert len(an_ear(told).whole(bytes(8000))) / 32 == pytest.approx(1000, abs=5)


def test_formats() -> None:
    assert format_of(None) == ("audio/pcm", 24_000)
    assert pcm_of(b"123", "audio/pcm") == b"12"
    assert pcm_of(b"\x00", "audio/pcmu") == g711.decode(b"\x00", "ulaw")
    assert coded(b"\x00\x10", "audio/pcma") == g711.encode(b"\x00\x10", "alaw")
