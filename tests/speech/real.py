"""The real engines, for the tests that need them, and speech to try them with."""

from __future__ import annotations

import re
import sys
import wave
from functools import cache
from pathlib import Path
from typing import NamedTuple

import platformdirs

from chatbots.local.catalog import load, load_speech
from chatbots.local.helper import Config
from chatbots.local.weights import WeightStore
from chatbots.realtime.resampling import resampled
from chatbots.speech.ear import Ear
from chatbots.speech.engines import Engines
from chatbots.speech.files import needs_of
from chatbots.speech.helper import Needs, engines_of
from chatbots.speech.kokoro import RATE as SPOKEN
from chatbots.speech.silero import RATE as HEARD
from chatbots.speech.spoken import spoken
from chatbots.version import DISTRIBUTION

SAMPLES = Path(sys.prefix) / "speech-samples/usr/share/pocketsphinx/test/data"
_LINE = re.compile(r"<s>(?P<words>.*)</s> \((?P<file>.*)\)")
_NOWHERE = Path("/nonexistent")


class Sample(NamedTuple):
    """What a person said, and its sound: PCM16, 16 kHz."""

    words: list[str]
    pcm: bytes


def store() -> WeightStore:
    folder = platformdirs.user_cache_path(DISTRIBUTION)
    return WeightStore(folder, hub_cache=_NOWHERE, ollama_dir=_NOWHERE)


def weights(name: str) -> Path:
    """Return the file of this name in the catalogue of speech."""
    [row] = [row for row in load_speech() if row.name == name]
    found = store().find(row)
    assert found is not None, "no weights here: make weights"
    return found


@cache
def needs() -> Needs:
    model = store().find(load()[0])
    assert model is not None, "no weights here: make weights"
    return needs_of(store(), model)


@cache
def engines() -> Engines:
    """The engines in this process; what thinks is not asked, and not started."""
    config = Config("/nonexistent", "", needs().model, "speech", 0, 8192, 2, -1)
    return engines_of(needs(), config)


async def said(text: str, *, rate: int = SPOKEN) -> bytes:
    """Return *text* in the voice of the machine."""
    return resampled(await engines().say(text), SPOKEN, rate)


async def heard(pcm: bytes, *, rate: int = SPOKEN) -> str:
    return await engines().hear(resampled(pcm, rate, HEARD))


def new_ear() -> Ear:
    return Ear(engines().silero())


def samples(name: str) -> list[Sample]:
    """Return the sentences of LibriVox (`librivox/transcription`) or what else has a transcript."""
    file = SAMPLES / name
    assert file.exists(), "no speech here: make weights"
    found: list[Sample] = []
    for match in map(_LINE.match, file.read_text().splitlines()):
        assert match is not None
        with wave.open(str(file.with_name(f"{match['file']}.wav"))) as sound:
            assert sound.getframerate() == HEARD
            found.append(Sample(match["words"].split(), sound.readframes(sound.getnframes())))
    return found


def words_of(text: str) -> list[str]:
    """Return the words that are said in *text*."""
    return re.sub(r"[^a-z' ]", " ", spoken(text).lower().replace("mr.", "mister")).split()


def errors(wanted: list[str], found: list[str]) -> int:
    """Return how many words must be changed, left out or put in (Levenshtein)."""
    row = list(range(len(found) + 1))
    for place, word in enumerate(wanted, 1):
        before, row[0] = row[0], place
        for other, one in enumerate(found, 1):
            before, row[other] = (
                row[other],
                min(row[other] + 1, row[other - 1] + 1, before + (word != one)),
            )
    return row[-1]
