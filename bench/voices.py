"""The voices of this machine side by side: how long they take, and how well they are understood.

It needs their weights, and the extra `piper`: `chatbots models pull --speech`.
"""

from __future__ import annotations

import os
import re
import statistics
import time
from pathlib import Path
from typing import Final

from bench.measure import Found, Report
from chatbots.clients import find_weights, weights_of
from chatbots.realtime.resampling import resampled
from chatbots.settings import Settings
from chatbots.speech.clauses import Clauses
from chatbots.speech.engines import Voice
from chatbots.speech.files import needs_of
from chatbots.speech.helper import voices_of
from chatbots.speech.kokoro import RATE
from chatbots.speech.moonshine import RATE as HEARD, Moonshine
from chatbots.speech.spoken import spoken

NAMES: Final = ("af_heart", "joe")
TEXTS: Final = (
    "The capital of France is Paris.",
    "There are seven days in a week, and twelve months in a year.",
    "Water freezes when it gets cold enough, and then it is called ice.",
    "The old man walked slowly along the river and looked at the boats.",
    "She opened the window because the room was too warm.",
    "I am sorry, but I do not know the answer to that question.",
    "The train to London leaves in the morning, and the next one in the afternoon.",
    "Our garden has three apple trees, a small pond and a wooden bench.",
    "He wrote a letter to his sister, who lived on the other side of the ocean.",
    "If it rains tomorrow, we will stay at home and play a game.",
    "The doctor told him to drink more water and to sleep eight hours every night.",
    "A good book and a quiet evening were all that she wanted.",
)


def report(*, smoke: bool) -> Report:
    """Measure and return the table; the voices take turns, a warm-up goes before."""
    path = find_weights(settings := Settings.load())
    if path is None:
        raise SystemExit("The weights are not here. Fetch them with: chatbots models pull --speech")
    needs = needs_of(weights_of(settings)[0], path)
    voices = voices_of(needs, threads=2)
    if missing := [name for name in NAMES if name not in voices]:
        raise SystemExit(f"Not here: {', '.join(missing)}. Fetch it: chatbots models pull --speech")
    ear = Moonshine(Path(needs.moonshine))
    found: dict[str, Found] = {name: {} for name in NAMES}
    for name in NAMES:
        voices[name].say("hello")
    for text in TEXTS[: 2 if smoke else None]:
        for name in NAMES:
            for what, value in _measured(voices[name], text, ear).items():
                found[name].setdefault(what, []).append(value)
    return Report("\n".join(map(_line, found, found.values())), found)


def _measured(voice: Voice, text: str, ear: Moonshine) -> dict[str, float]:
    begun = time.perf_counter()
    voice.say(spoken((Clauses().push(f"{text} ") or [text])[0]))
    first = time.perf_counter() - begun
    begun, spent = time.perf_counter(), _spent(voice)
    sound = voice.say(spoken(text))
    whole, spent = time.perf_counter() - begun, _spent(voice) - spent
    heard = _words(ear.hear(resampled(sound, RATE, HEARD)))
    return {
        "first": first,
        "factor": whole / (len(sound) / 2 / RATE),
        "spent": spent / (len(sound) / 2 / RATE),
        "wrong": _errors(_words(text), heard),
        "words": len(_words(text)),
    }


def _spent(voice: Voice) -> float:
    """Return the seconds of a processor that were used here and in the voice's own process."""
    pids = {os.getpid(), getattr(voice, "pid", None) or os.getpid()}
    stats = [Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2] for pid in pids]
    ticks = sum(int(stat.split()[field]) for stat in stats for field in (11, 12))
    return ticks / os.sysconf("SC_CLK_TCK")


def _line(name: str, found: Found) -> str:
    middle = statistics.median(found["factor"])
    return (
        f"  {name:12} {middle:.2f} s for a second of speech"
        f" [{min(found['factor']):.2f} to {max(found['factor']):.2f}],"
        f" {statistics.median(found['spent']):.2f} s of a processor,"
        f" first clause after {statistics.median(found['first']):.2f} s"
        f" [{min(found['first']):.2f} to {max(found['first']):.2f}],"
        f" {sum(found['wrong']):.0f} of {sum(found['words']):.0f} words misheard"
    )


def _words(text: str) -> list[str]:
    words = re.sub(r"[^a-z' ]", " ", spoken(text).lower()).split()
    return [bare for word in words if (bare := word.strip("'"))]


def _errors(wanted: list[str], found: list[str]) -> int:
    """Return how many words must be changed, left out or put in (Levenshtein)."""
    row = list(range(len(found) + 1))
    for place, word in enumerate(wanted, 1):
        before = row
        row = [place]
        for other, one in enumerate(found, 1):
            row.append(min(row[-1] + 1, before[other] + 1, before[other - 1] + (word != one)))
    return row[-1]
