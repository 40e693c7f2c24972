"""The engines of the speech stack one by one: how quick they are, and what they take for speech.

Run as `python -m bench.hearing NEEDS FOLDER ROUNDS`, by `bench.voice` only: in a process of its
own, which writes the questions into the folder and its rows to standard output.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import anyio
import msgspec
import numpy as np

from bench.measure import Found
from chatbots.errors import InvalidRequest
from chatbots.local.helper import Config
from chatbots.realtime.hosting.configuring import session_of
from chatbots.realtime.resampling import resampled
from chatbots.realtime.wav import WavReader
from chatbots.speech.ear import Ear, News
from chatbots.speech.engines import Engines
from chatbots.speech.helper import Needs, engines_of
from chatbots.speech.silero import RATE

QUESTIONS: Final = (
    "What is the capital of France?",
    "What is the capital of Japan?",
    "How many days are there in a week?",
    "Who wrote Romeo and Juliet?",
    "What is the capital of Spain?",
)
SAID: Final = ("Paris.", "The capital of France is Paris.")
NOISE: Final = Path(sys.prefix) / "noise-samples"
LOUDER_DB: Final = 10
"""How much louder than the noise under it the speech is."""


async def main(needs: str, folder: str, rounds: int) -> None:
    """Write the questions, and print the rows."""
    told = msgspec.json.decode(needs, type=Needs)
    engines = engines_of(told, Config("/nonexistent", "", told.model, "speech", 0, 8192, 2, -1))
    said = [await engines.say(text) for text in QUESTIONS[:rounds]]
    for place, pcm in enumerate(said):
        Path(folder, f"{place}.pcm").write_bytes(pcm)  # noqa: ASYNC240 - nobody else waits
    question = resampled(said[0], 24_000, RATE)
    rows: dict[str, Found] = {"to write down a question": {"s": []}}
    for _ in range(rounds):
        begun = time.perf_counter()
        await engines.hear_any(question)
        rows["to write down a question"]["s"].append(time.perf_counter() - begun)
        for text in SAID:
            begun = time.perf_counter()
            await engines.say(text)
            took = time.perf_counter() - begun
            rows.setdefault(f'to say "{text}"', {"s": []})["s"].append(took)
    if NOISE.exists() and rounds >= len(QUESTIONS):
        rows |= await _mistaken(engines)
    print(json.dumps(rows))


async def _mistaken(engines: Engines) -> dict[str, Found]:
    """Return what sounds that are no speech are taken for, and what is made out over them."""
    from tests.speech.real import errors, samples, words_of

    sounds = list(_noises())
    seconds = sum(map(len, sounds)) / 2 / RATE
    silence = bytes(RATE)
    false = [n for sound in sounds for n in _news(engines, silence + sound + 2 * silence)]
    town = np.concatenate([np.frombuffer(sound, "<i2") for sound in sounds[-100:]])
    wrong = words = missed = 0
    for place, sample in enumerate(samples("librivox/transcription")):
        pcm = _over(town, sample.pcm, start=place * 20 * RATE)
        turns = [one.sound for one in _news(engines, pcm + 4 * silence) if one.change in ENDS]
        found = [word for turn in turns for word in words_of(await engines.hear_any(turn))]
        wrong, words = wrong + errors(sample.words, found), words + len(sample.words)
        missed += not turns
    began = sum(one.change == "started" for one in false)
    return {
        f"{seconds:.0f} s of bells, instruments and a town": {"turns that nobody spoke": [began]},
        f"{words} words of people, {LOUDER_DB} dB over the town": {
            "words misheard": [wrong],
            "sentences not noticed": [missed],
        },
    }


ENDS: Final = ("stopped", "cut")


def _noises() -> Iterator[bytes]:
    """Yield each sound as PCM16 of 16 kHz; those that are compressed are left out."""
    for path in sorted(NOISE.rglob("*.wav")):
        reader = WavReader()
        try:
            pcm = reader.push(path.read_bytes())
        except InvalidRequest:
            continue
        yield resampled(pcm[: len(pcm) // 2 * 2], reader.rate, RATE)


def _over(noise: Any, pcm: bytes, *, start: int) -> bytes:
    """Return *pcm* with so much of *noise* under it, from *start* on."""
    speech = np.frombuffer(pcm, "<i2").astype(np.float32)
    under = np.roll(noise, -start)[: len(speech)].astype(np.float32)
    ratio = np.sqrt((speech**2).mean() / (under**2).mean() / 10 ** (LOUDER_DB / 10))
    mixed: bytes = np.clip(speech + ratio * under, -32768, 32767).astype("<i2").tobytes()
    return mixed


def _news(engines: Engines, pcm: bytes) -> Sequence[News]:
    ear = Ear(engines.silero())
    ear.configure(session_of())
    return list(ear.push(resampled(pcm, RATE, 24_000)))


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], sys.argv[2], int(sys.argv[3]))
