from __future__ import annotations

import math
import struct
import sys
from itertools import pairwise

import pytest

from chatbots.errors import ConfigurationError
from chatbots.realtime.resampling import Resampler, resampled

RATES = (8_000, 16_000, 24_000, 48_000)


def tone(rate: int, *, hertz: int = 440, ms: int = 500) -> bytes:
    count = rate * ms // 1000
    return struct.pack(
        f"<{count}h",
        *[round(10_000 * math.sin(2 * math.pi * hertz * n / rate)) for n in range(count)],
    )


def samples(pcm: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(pcm) // 2}h", pcm)


@pytest.mark.checklist(176)
@pytest.mark.parametrize("target", RATES)
@pytest.mark.parametrize("source", RATES)
def test_a_tone_is_the_same_tone_in_every_rate(source: int, target: int) -> None:
    heard = samples(resampled(tone(source), source, target))
    assert len(heard) == target // 2
    calm = heard[target // 20 : -target // 20]  # a filter rings where the sound begins and ends
    wanted = samples(tone(target))[target // 20 : -target // 20]
    assert max(abs(a - b) for a, b in zip(calm, wanted, strict=True)) < 100


def test_what_the_lower_rate_cannot_hold_is_taken_out_and_does_not_come_back_as_another_tone() -> (
    None
):
    heard = samples(resampled(tone(24_000, hertz=6_000), 24_000, 8_000))
    assert max(map(abs, heard[400:-400])) < 20


def test_sound_in_pieces_sounds_as_sound_in_one() -> None:
    pcm = tone(48_000)
    resampler = Resampler(48_000, 16_000)
    cuts = [*range(0, len(pcm), 1234), len(pcm)]
    heard = b"".join(resampler.push(pcm[a:b]) for a, b in pairwise(cuts)) + resampler.end()
    wanted = resampled(pcm, 48_000, 16_000)
    # A bit of noise is part of the rounding (dither), and not the same twice.
    assert all(abs(a - b) <= 2 for a, b in zip(samples(heard), samples(wanted), strict=True))


def test_equal_rates_need_nothing_installed_and_others_say_what(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "soxr", None)
    assert resampled(b"abcd", 24_000, 24_000) == b"abcd"
    with pytest.raises(ConfigurationError, match=r"pip install .*\[voice\]") as raised:
        Resampler(8_000, 24_000)
    assert raised.value.code == "extra_missing"
