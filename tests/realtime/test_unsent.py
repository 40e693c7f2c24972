from __future__ import annotations

from collections import deque

import pytest

from chatbots.realtime.events.client import InputAudioBufferAppend, InputAudioBufferCommit
from chatbots.realtime.events.registry import write
from chatbots.realtime.events.session import Audio, AudioFormat, AudioInput, Session
from chatbots.realtime.unsent import Unsent

PCMU = Session(audio=Audio(input=AudioInput(format=AudioFormat(type="audio/pcmu"))))


def said(ms: int, per_ms: int = 48) -> InputAudioBufferAppend:
    return InputAudioBufferAppend.of(bytes(ms * per_ms))


@pytest.mark.parametrize(("config", "per_ms"), [(None, 48), (Session(), 48), (PCMU, 8)])
def test_the_last_seconds_are_kept_and_what_is_older_is_counted(
    config: Session | None, per_ms: int
) -> None:
    unsent = Unsent(2.0, config)
    pieces = [said(ms, per_ms) for ms in (700, 900, 800, 600)]
    for piece in pieces:
        unsent.add(piece)
    assert unsent.take() == (pieces[2:], 1600)
    assert unsent.take() == ([], 0)


def test_audio_that_could_not_be_written_is_kept_and_nothing_else() -> None:
    unsent = Unsent(2.0, None)
    unsent.recover(deque([write(InputAudioBufferCommit()), write(said(100))]))
    assert unsent.take() == ([said(100)], 0)
