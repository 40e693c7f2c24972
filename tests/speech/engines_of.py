"""Engines for tests: what they hear, think and say is made up, and takes no time of its own."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np

from chatbots.interfaces import ChatModel
from chatbots.speech.engines import Engines
from chatbots.speech.silero import Silero

MS_A_SIGN = 10
"""How long the voice takes to say a character."""


class Recogniser:
    """Hears the next of its texts in whatever sounds; keeps how long that was, in ms."""

    def __init__(self, *texts: str) -> None:
        self.texts = deque(texts)
        self.heard: list[int] = []

    def hear(self, pcm: bytes) -> str:
        self.heard.append(len(pcm) // 32)
        return self.texts.popleft()


class Voice:
    """Says each character in 10 ms; waits for `go` before it begins, if that is not set."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.go.set()
        self.begun = False
        self.said: list[str] = []
        self.marks: list[SimpleNamespace] = []

    def begin(self) -> None:
        self.begun = True

    def stop_mark(self) -> SimpleNamespace:
        self.marks.append(SimpleNamespace(terminate=False))
        return self.marks[-1]

    def say(self, text: str, *, speed: float = 1.0, mark: Any = None) -> bytes:
        self.said.append(text)
        while not self.go.wait(0.01):
            if mark.terminate:
                raise RuntimeError("terminated")
        return b"\x01\x00" * int(len(text) * 24 * MS_A_SIGN / speed)


class Loud:
    """A network that takes what is loud for speech."""

    def run(self, names: None, inputs: Mapping[str, Any]) -> list[Any]:
        return [np.array([[float(abs(inputs["input"]).max() > 0.1)]]), inputs["state"]]


def engines_of(
    model: ChatModel,
    recogniser: Recogniser | None = None,
    voice: Voice | None = None,
    *,
    reads_ahead: bool = False,
    **voices: Voice,
) -> Engines:
    return Engines(
        model=model,
        recogniser=recogniser or Recogniser(),
        voices={"af_heart": voice or Voice()} | voices,
        silero=lambda: Silero(Loud()),
        reads_ahead=reads_ahead,
    )
