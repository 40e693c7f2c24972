from __future__ import annotations

import sys

import pytest

from chatbots.deltas import AudioDelta, Delta, Done, Interrupted, TextDelta
from chatbots.errors import ConfigurationError, InvalidRequest
from chatbots.realtime import g711
from chatbots.realtime.audio import RATE, size_of
from chatbots.realtime.conversion import Converter, Kind, Sounding
from chatbots.testing.scripted import CollectingSink
from tests.realtime.test_resampling import samples, tone

DONE = Done(state="completed", reason="stop", usage=None, request_id="r", session=None)


@pytest.mark.checklist(154, 176)
@pytest.mark.parametrize(
    ("name", "rate"), [("audio/pcm", 16_000), ("audio/pcmu", None), ("audio/pcma", 8_000)]
)
def test_a_tone_is_the_same_tone_there_and_back(name: str, rate: int | None) -> None:
    kind = Kind.of(name, rate)
    there, back = Converter(Kind(), kind), Converter(kind, Kind())
    pcm = tone(RATE)
    pieces = [there.push(pcm[at : at + 960]) for at in range(0, len(pcm), 960)]
    sound = b"".join(pieces) + there.end()
    assert len(sound) == {"audio/pcm": 16_000, "audio/pcmu": 4_000, "audio/pcma": 4_000}[name]
    again = samples(back.push(sound) + back.end())
    calm = slice(RATE // 20, -RATE // 20)  # a filter rings where the sound begins and ends
    off = [abs(a - b) for a, b in zip(samples(pcm)[calm], again[calm], strict=True)]
    assert max(off) < 500  # of 10,000: G.711 has eight bits


def test_what_has_ended_may_begin_again() -> None:
    converter = Converter(Kind("audio/pcmu", 8_000), Kind())
    silence = g711.encode(bytes(1_600), "ulaw")
    first = converter.push(silence) + converter.end()
    assert converter.push(silence) + converter.end() == first
    assert len(first) == size_of(100)


def test_what_is_no_sound_is_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"'audio/opus' at 24000 Hz. There are audio/pcm, "):
        Kind.of("audio/opus", None)
    with pytest.raises(InvalidRequest, match="'audio/pcm' at 5 Hz"):
        Kind.of("audio/pcm", 5)
    with pytest.raises(InvalidRequest, match="has 3 bytes"):
        Converter(Kind(), Kind()).push(b"abc")


def test_equal_kinds_need_nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "soxr", None)
    assert Converter(Kind(), Kind()).push(b"abcd") == b"abcd"
    with pytest.raises(ConfigurationError, match="soxr is not installed"):
        Converter(Kind("audio/pcmu", 8_000), Kind())


async def sent(*deltas: Delta) -> list[Delta]:
    out = Sounding(sink := CollectingSink(), Kind("audio/pcmu", 8_000))
    for delta in deltas:
        await out.send(delta)
    await out.aclose()
    return sink.deltas


def sizes(deltas: list[Delta]) -> dict[str, int]:
    heard: dict[str, int] = {}
    for delta in deltas:
        if isinstance(delta, AudioDelta):
            assert delta.rate == 8_000
            heard[delta.item_id] = heard.get(delta.item_id, 0) + len(delta.pcm)
    return heard


async def test_all_of_an_items_sound_is_told_before_what_follows_it() -> None:
    second = bytes(size_of(1000))
    told = await sent(
        TextDelta("Hi"), AudioDelta("a", second, RATE), AudioDelta("b", second, RATE), DONE
    )
    assert sizes(told) == {"a": 8_000, "b": 8_000}
    assert (told[0], told[-1]) == (TextDelta("Hi"), DONE)
    assert await sent(TextDelta("Hi"), DONE) == [TextDelta("Hi"), DONE]


async def test_of_what_is_spoken_into_the_rest_is_not_told() -> None:
    loud = b"\x00\x40" * RATE
    told = await sent(
        AudioDelta("a", loud, RATE),
        Interrupted("a", 5),
        AudioDelta("b", bytes(size_of(1000)), RATE),
        DONE,
    )
    assert sizes(told)["a"] < 8_000
    assert sizes(told)["b"] == 8_000
    quiet = [d.pcm for d in told if isinstance(d, AudioDelta) and d.item_id == "b"]
    assert max(map(abs, samples(g711.decode(b"".join(quiet), "ulaw")))) < 20
